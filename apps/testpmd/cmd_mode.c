/* SPDX-License-Identifier: BSD-3-Clause */
/* set poll-mode: by whom instances are polled, with which settings, also under traffic. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unapi/mode.h>

#include "app.h"
#include "cmd.h"

/* How long "set poll-mode" waits for a mode to be in force before it says on whom it waits. */
#define MODE_WAIT_NS 2000000000ull
#define MODE_LOOK_NS 200000

/* An instance, by what the user calls it: a receive queue that it serves, or its transmit queues if it has no
 * others. */
struct target {
	struct napi_struct *n;
	char name[48];
};

static unsigned int queue_targets(const struct port *port, unsigned int first, unsigned int end,
				  struct target *t)
{
	unsigned int n = 0;

	for (unsigned int q = first; q < end; q++, n++) {
		t[n].n = unapi_dev_rxq_napi(port->dev, q);
		snprintf(t[n].name, sizeof(t[n].name), "queue %u", q);
	}
	return n;
}

static unsigned int transmit_only_targets(const struct port *port, struct target *t)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < port->nr_napi; i++) {
		struct napi_struct *napi = unapi_dev_napi(port->dev, i);
		char queues[32];

		if (*port_napi_queues(port, napi, true, queues, sizeof(queues)))
			continue;
		t[n].n = napi;
		port_napi_queues(port, napi, false, queues, sizeof(queues));
		snprintf(t[n++].name, sizeof(t[0].name), "TX queue %s", queues);
	}
	return n;
}

/* Ask for the mode: it is that of all queues which share the instance. */
static int ask_mode(struct port *port, const struct target *t, const struct port_mode *mode)
{
	int rc = port->state == PORT_STARTED ? unapi_mode_set(t->n, mode->mode, &mode->settings) : 0;

	if (rc)
		fprintf(stderr, "Port %u %s: %s\n", port->id, t->name, unapi_reason());
	else
		*port_napi_mode(port, t->n) = *mode;
	return rc;
}

static enum unapi_mode mode_in_force(const struct target *t)
{
	struct unapi_mode_info info;

	unapi_mode_get(t->n, &info);
	return info.in_force;
}

static void tell_mode(const struct port *port, const struct target *t, enum unapi_mode mode)
{
	struct unapi_napi_info info;
	char shared[64];

	unapi_napi_get_info(t->n, &info);
	port_napi_queues(port, t->n, true, shared, sizeof(shared));
	printf("Port %u %s: poll mode %s", port->id, t->name, unapi_mode_name(mode));
	if (strchr(shared, ','))
		printf(" (one instance for queues %s)", shared);
	if (port->state != PORT_STARTED)
		printf(", once the port is started");
	else if (mode_in_force(t) != mode && info.poller_tid)
		printf(" is pending: thread %" PRIu64 " has the instance, and polled it %" PRIu64 " ms ago",
		       info.poller_tid, info.poller_seen_ns / 1000000);
	else if (mode_in_force(t) != mode)
		printf(" is pending: context %s has not taken it over", unapi_context_name(info.ctx));
	printf("\n");
}

static void set_port_mode(struct app *app, struct port *port, const struct cmd_arg *which,
			  const struct port_mode *mode)
{
	struct target targets[3 * MAX_QUEUES]; /* a queue, and an instance for each direction of one */
	uint64_t until = now_ns() + MODE_WAIT_NS;
	unsigned int n, asked = 0;

	if (which->is_number && which->number >= port->rxq) {
		fprintf(stderr, "Invalid RX queue %u of port %u (must be < %u)\n", which->number, port->id,
			port->rxq);
		return;
	}
	if (which->is_number) {
		n = queue_targets(port, which->number, which->number + 1, targets);
	} else {
		n = queue_targets(port, 0, port->rxq, targets);
		n += transmit_only_targets(port, targets + n);
	}
	while (asked < n && !ask_mode(port, &targets[asked], mode))
		asked++;
	/* An instance with a thread of its own leaves its lcore; one that lost it comes back. */
	if (app_settle(app))
		fprintf(stderr, "Cannot allocate memory for the lcores' sets\n");
	for (unsigned int i = 0; i < asked; i++) {
		while (port->state == PORT_STARTED && mode_in_force(&targets[i]) != mode->mode &&
		       now_ns() < until)
			nanosleep(&(struct timespec){.tv_nsec = MODE_LOOK_NS}, NULL);
		tell_mode(port, &targets[i], mode->mode);
	}
}

/* NAME VALUE pairs behind the mode, as many as the syntax that was found has. */
static unsigned int take_settings(const struct cmd_arg *args, unsigned int pairs, struct unapi_napi_params *p)
{
	for (unsigned int i = 0; i < pairs; i++) {
		const char *name = args[2 * i].word;
		unsigned int value = args[2 * i + 1].number;

		if (!strcmp(name, "defer-hard-irqs")) {
			p->given |= UNAPI_NAPI_DEFER_HARD_IRQS;
			p->defer_hard_irqs = value;
		} else if (!strcmp(name, "gro-flush-timeout")) {
			p->given |= UNAPI_NAPI_GRO_FLUSH_TIMEOUT;
			p->gro_flush_timeout = value;
		} else {
			p->given |= UNAPI_NAPI_IRQ_SUSPEND_TIMEOUT;
			p->irq_suspend_timeout = value;
		}
	}
	return p->given;
}

static void set_poll_mode(struct app *app, const struct cmd_arg *args, unsigned int pairs)
{
	struct port_mode mode = {.asked = true};

	unapi_mode_parse(args[4].word, &mode.mode); /* one of them: the syntax takes no other */
	take_settings(args + 5, pairs, &mode.settings);
	if (args[2].is_number && args[2].number >= app->nr_ports) {
		fprintf(stderr, "Invalid port %u\n", args[2].number);
		return;
	}
	for (unsigned int i = 0; i < app->nr_ports; i++) {
		struct port *port = &app->ports[i];

		if (args[2].is_number && args[2].number != i)
			continue;
		if (port->state != PORT_CLOSED)
			set_port_mode(app, port, &args[3], &mode);
		else if (args[2].is_number)
			fprintf(stderr, "Port %u is closed\n", i);
	}
}

static void set_mode(struct app *app, const struct cmd_arg *args)
{
	set_poll_mode(app, args, 0);
}

static void set_mode_1(struct app *app, const struct cmd_arg *args)
{
	set_poll_mode(app, args, 1);
}

static void set_mode_2(struct app *app, const struct cmd_arg *args)
{
	set_poll_mode(app, args, 2);
}

static void set_mode_3(struct app *app, const struct cmd_arg *args)
{
	set_poll_mode(app, args, 3);
}

#define MODE                                \
	"set poll-mode PORT|all QUEUE|all " \
	"interrupt|deferred|threaded|threaded-busy|busy|prefer-busy|suspend|adaptive"
#define SETTING " defer-hard-irqs|gro-flush-timeout|irq-suspend-timeout VALUE"

const struct cmd cmds_mode[] = {
	{MODE, "how queues are polled, also under traffic", set_mode},
	{MODE SETTING, "the same, with another setting than the mode has; timeouts are nanoseconds",
	 set_mode_1},
	{MODE SETTING SETTING, "with two", set_mode_2},
	{MODE SETTING SETTING SETTING, "with three", set_mode_3},
	{NULL},
};
