/* SPDX-License-Identifier: BSD-3-Clause */
/* unapi-testpmd: forwards packets between ports, in the manner of DPDK's testpmd. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unapi/unapi.h>

#include "app.h"
#include "cores.h"
#include "format.h"
#include "json.h"

static void print_log(void *arg, enum unapi_log_level level, const char *text)
{
	if (level == UNAPI_LOG_INFO)
		printf("%s\n", text);
	else if (level < UNAPI_LOG_INFO)
		fprintf(stderr, "testpmd: %s: %s\n", level == UNAPI_LOG_ERR ? "error" : "warning", text);
}

/* The cores to use: those asked for, which must be there, or all that are. */
static int choose_cores(struct options *opt)
{
	unsigned int cores[MAX_LCORES], n;
	char text[256];
	int rc = cores_allowed(cores, MAX_LCORES, &n);

	if (rc) {
		fprintf(stderr, "testpmd: cores: %s\n", strerror(-rc));
		return -1;
	}
	for (unsigned int i = 0; i < opt->nr_cores; i++) {
		unsigned int j = 0;

		while (j < n && cores[j] != opt->cores[i])
			j++;
		if (j == n) {
			fprintf(stderr, "testpmd: -l: core %u is not to be had; there are %s\n",
				opt->cores[i], cores_format(cores, n, text, sizeof(text)));
			return -1;
		}
	}
	if (!opt->nr_cores) {
		memcpy(opt->cores, cores, n * sizeof(cores[0]));
		opt->nr_cores = n;
	}
	/* The first core is the main thread's; a forwarding thread shares it only if there is no other. */
	n = opt->nr_cores > 1 ? opt->nr_cores - 1 : 1;
	if (opt->nb_cores > n) {
		fprintf(stderr, "testpmd: --nb-cores %u: cores %s leave %u for forwarding\n", opt->nb_cores,
			cores_format(opt->cores, opt->nr_cores, text, sizeof(text)), n);
		return -1;
	}
	return 0;
}

static int start_lcores(struct app *app)
{
	const struct options *opt = &app->opt;
	unsigned int first = opt->nr_cores > 1 ? 1 : 0;

	app->lcores = calloc(opt->nb_cores, sizeof(*app->lcores));
	if (!app->lcores) {
		fprintf(stderr, "testpmd: no memory\n");
		return -1;
	}
	for (; app->nr_lcores < opt->nb_cores; app->nr_lcores++) {
		if (lcore_start(&app->lcores[app->nr_lcores], opt->cores[first + app->nr_lcores], true)) {
			fprintf(stderr, "testpmd: forwarding thread: %s\n", unapi_reason());
			return -1;
		}
	}
	return 0;
}

static int open_ports(struct app *app)
{
	const struct options *opt = &app->opt;
	unsigned int first = 0;

	for (unsigned int i = 0; i < opt->nr_devices; i++) {
		struct port *port = &app->ports[i];
		char mac[18];

		port->id = i;
		port->spec = opt->devices[i];
		port->event_fd = app->event_fd;
		app->nr_ports = i + 1;
		printf("Configuring Port %u (%s)\n", i, port->spec);
		fflush(stdout);
		if (port_open(port, opt, app->lcores, app->nr_lcores, first)) {
			fprintf(stderr, "testpmd: port %u: %s\n", i, unapi_reason());
			return -1;
		}
		printf("Port %u: %s\n", i, format_mac(port->mac, mac));
		/* Instances are dealt out over the forwarding threads across all ports. */
		first = (first + port->nr_napi) % app->nr_lcores;
	}
	return 0;
}

/*
 * Ports run before a stream hangs in their queues, and until then what they receive is freed. When forwarding
 * is to start at once, or they are to be kept until it does, that would lose packets, so the lcores are
 * paused until then.
 */
static int start_ports(struct app *app)
{
	bool at_once = app->opt.auto_start || !app->opt.interactive;
	int rc;

	if ((at_once || app->opt.no_flush_rx) && app_pause_lcores(app)) {
		fprintf(stderr, "testpmd: no memory\n");
		return -1;
	}
	for (unsigned int i = 0; i < app->nr_ports; i++) {
		if (port_start(&app->ports[i])) {
			fprintf(stderr, "testpmd: port %u: %s\n", i, unapi_reason());
			return -1;
		}
	}
	if (!at_once)
		return app_settle(app);
	printf("%s\n", app->opt.auto_start ? "Start automatic packet forwarding"
					   : "No commandline core given, start packet forwarding");
	rc = forward_start(app);
	if (!rc)
		forward_show_config(app);
	return rc;
}

static void wait_for_enter(struct app *app)
{
	char byte;

	/* With a period the terminal is for the statistics: only a signal ends it, as in DPDK's testpmd. */
	if (app->opt.stats_period) {
		loop_wait(app, -1);
		return;
	}
	printf("Press enter to exit\n");
	while (loop_wait(app, STDIN_FILENO) == LOOP_INPUT) {
		ssize_t n = read(STDIN_FILENO, &byte, 1);

		if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN) || (n == 1 && byte == '\n'))
			break;
	}
}

/* unapi-napi-top's end. Traffic does not depend on it. */
static void start_top(struct app *app)
{
	struct unapi_context_conf conf = {.name = "stats"};

	if (app->opt.no_stats_socket)
		return;
	if (unapi_context_create(&conf, &app->top_ctx) || unapi_stats_serve(app->top_ctx, NULL, &app->top) ||
	    unapi_context_start(app->top_ctx, -1))
		fprintf(stderr, "testpmd: unapi-napi-top cannot look at this process: %s\n", unapi_reason());
}

static void stop_top(struct app *app)
{
	unapi_stats_stop(app->top);
	unapi_context_destroy(app->top_ctx);
}

static void serve(struct app *app)
{
	if (!app->opt.interactive)
		wait_for_enter(app);
	else if (!isatty(STDIN_FILENO) || prompt_edit(app))
		lines_read(app, STDIN_FILENO);
}

/* What has been opened is closed again; told step by step, as DPDK's testpmd does, unless nothing ever ran.
 */
static void close_ports(struct app *app, bool tell)
{
	for (unsigned int i = 0; i < app->nr_ports; i++) {
		if (app->ports[i].state == PORT_CLOSED)
			continue;
		if (tell)
			printf("\nStopping port %u...\nStopping ports...\n", i);
		if (app->ports[i].state == PORT_STARTED)
			app_port_stop(app, &app->ports[i]);
		if (tell)
			printf("Done\n");
	}
	for (unsigned int i = 0; i < app->nr_ports; i++) {
		bool was_open = app->ports[i].state != PORT_CLOSED;

		if (tell && was_open)
			printf("\nShutting down port %u...\nClosing ports...\n", i);
		app_port_close(app, &app->ports[i]);
		if (tell && was_open)
			printf("Done\n");
	}
}

static void shut_down(struct app *app, bool served)
{
	if (app->forwarding)
		forward_stop(app);
	if (app->json)
		json_write(app->json, app, true);
	stop_top(app);
	cores_end(app);
	close_ports(app, served);
	for (unsigned int i = 0; i < app->nr_lcores; i++)
		lcore_stop(&app->lcores[i]);
	free(app->lcores);
	fwd_cleanup();
	if (app->json && json_close(app->json))
		app->status = EXIT_FAILURE;
	loop_close(app);
	if (served)
		printf("\nBye...\n");
}

int main(int argc, char **argv)
{
	static struct app app = {.signal_fd = -1, .event_fd = -1, .timer_fd = -1};
	bool served = false;
	char err[256];
	int rc;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (options_parse(&app.opt, argc, argv, err, sizeof(err))) {
		fprintf(stderr, "testpmd: %s\n", err);
		return EXIT_FAILURE;
	}
	if (app.opt.help) {
		fputs(options_usage(), stdout);
		return EXIT_SUCCESS;
	}
	if (app.opt.version) {
		printf("unapi-testpmd %d.%d.%d, libunapi %s\n", UNAPI_VERSION_MAJOR, UNAPI_VERSION_MINOR,
		       UNAPI_VERSION_PATCH, unapi_version());
		return EXIT_SUCCESS;
	}
	app.engine = app.opt.engine;
	app.print_periods = !app.opt.interactive;
	unapi_set_log(print_log, NULL);
	if (choose_cores(&app.opt))
		return EXIT_FAILURE;
	if (app.opt.stats_json) {
		app.json = json_open(app.opt.stats_json);
		if (!app.json)
			return EXIT_FAILURE;
	}
	rc = loop_open(&app);
	if (rc) {
		fprintf(stderr, "testpmd: event loop: %s\n", strerror(-rc));
		return EXIT_FAILURE;
	}
	if (start_lcores(&app) || open_ports(&app)) {
		app.status = EXIT_FAILURE;
	} else {
		/* Only now: a simulated NIC's process, started above, is not to be bound to this core. */
		if (app.opt.nr_cores > 1)
			cores_pin_self(app.opt.cores[0]);
		start_top(&app);
		cores_begin(&app);
		served = !start_ports(&app);
		if (served)
			serve(&app);
		else
			app.status = EXIT_FAILURE;
	}
	shut_down(&app, served);
	return app.status;
}
