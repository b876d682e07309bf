/* SPDX-License-Identifier: BSD-3-Clause */
/* What ties ports, lcores and streams together. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "app.h"

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

struct lcore *app_lcore_of(struct app *app, const struct napi_struct *n)
{
	struct unapi_napi_info info;

	unapi_napi_get_info(n, &info);
	for (unsigned int i = 0; i < app->nr_lcores; i++) {
		if (app->lcores[i].ctx == info.ctx)
			return &app->lcores[i];
	}
	return NULL;
}

/* Instances of started ports whose home is this lcore's context, into @out unless it is NULL. */
static unsigned int napis_of(struct app *app, const struct lcore *lc, struct lcore_napi *out)
{
	unsigned int n = 0;

	for (unsigned int p = 0; p < app->nr_ports; p++) {
		struct port *port = &app->ports[p];
		struct napi_struct *napi;

		if (port->state != PORT_STARTED)
			continue;
		for (unsigned int i = 0; (napi = unapi_dev_napi(port->dev, i)); i++) {
			if (app_lcore_of(app, napi) != lc)
				continue;
			if (out)
				out[n] = (struct lcore_napi){.napi = napi};
			n++;
		}
	}
	return n;
}

static unsigned int senders_of(struct app *app, unsigned int lcore, struct stream **out)
{
	unsigned int n = 0;

	for (unsigned int i = 0; app->forwarding && i < app->nr_streams; i++) {
		struct stream *s = &app->streams[i];

		if (!s->engine->send || s->lcore != lcore)
			continue;
		if (out)
			out[n] = s;
		n++;
	}
	return n;
}

int app_settle(struct app *app)
{
	for (unsigned int l = 0; l < app->nr_lcores; l++) {
		unsigned int nr_napis = napis_of(app, &app->lcores[l], NULL);
		unsigned int nr_senders = senders_of(app, l, NULL);
		struct lcore_set *set;
		size_t head = sizeof(*set) + nr_napis * sizeof(set->napis[0]);

		set = calloc(1, head + nr_senders * sizeof(set->senders[0]));
		if (!set)
			return -1;
		set->hold = app->opt.no_flush_rx && !app->forwarding;
		set->senders = (struct stream **)((char *)set + head);
		set->nr_napis = napis_of(app, &app->lcores[l], set->napis);
		set->nr_senders = senders_of(app, l, set->senders);
		lcore_give(&app->lcores[l], set);
	}
	return 0;
}

int app_pause_lcores(struct app *app)
{
	for (unsigned int l = 0; l < app->nr_lcores; l++) {
		struct lcore_set *set = calloc(1, sizeof(*set));

		if (!set)
			return -1;
		set->paused = true;
		lcore_give(&app->lcores[l], set);
	}
	return 0;
}

void app_wake_lcores(struct app *app)
{
	for (unsigned int l = 0; l < app->nr_lcores; l++)
		lcore_kick(&app->lcores[l]);
}

static int complain(const struct port *port, const char *what)
{
	fprintf(stderr, "Port %u cannot be %s: %s\n", port->id, what, unapi_reason());
	return -1;
}

int app_port_start(struct app *app, struct port *port)
{
	if (port_start(port))
		return complain(port, "started");
	return app_settle(app);
}

int app_port_stop(struct app *app, struct port *port)
{
	if (port_stop(port))
		return complain(port, "stopped");
	return app_settle(app);
}

int app_port_reset(struct app *app, struct port *port)
{
	if (port_reset(port))
		return complain(port, "reset");
	/* Its instances may have been given up by the lcores while it was stopped. */
	app_wake_lcores(app);
	return 0;
}

void app_port_close(struct app *app, struct port *port)
{
	enum port_state was = port->state;

	/* The lcores forget its instances first; no packet of it comes any more. */
	if (was == PORT_STARTED) {
		port_stop(port);
		port->state = PORT_STOPPED;
	}
	app_settle(app);
	port_close(port);
}

static unsigned int open_ports(const struct app *app)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < app->nr_ports; i++)
		n += app->ports[i].state != PORT_CLOSED;
	return n;
}

/* The device is gone, or has to be given back. The others go on. */
static void removed(struct app *app, struct port *port, const char *why)
{
	bool forwarding = app->forwarding;

	printf("\nPort %u (%s) %s\n", port->id, port->spec, why);
	if (forwarding)
		forward_stop(app);
	app_port_close(app, port);
	fprintf(stderr, "Port %u is closed\n", port->id);
	if (!open_ports(app)) {
		fprintf(stderr, "No port is left\n");
		app->status = EXIT_FAILURE;
		app->quit = true;
	} else if (forwarding) {
		forward_start(app);
	}
}

static void show_link(const struct port *port)
{
	struct unapi_link link;

	if (unapi_dev_get_link(port->dev, &link))
		return;
	if (link.up)
		printf("\nPort %u: link state change event: up, %u Mbps %s-duplex\n", port->id, link.speed,
		       link.full_duplex ? "full" : "half");
	else
		printf("\nPort %u: link state change event: down\n", port->id);
}

void app_events(struct app *app)
{
	bool said = false;

	for (unsigned int i = 0; i < app->nr_ports; i++) {
		struct port *port = &app->ports[i];
		unsigned int events = __atomic_exchange_n(&port->events, 0, __ATOMIC_ACQUIRE);

		if (!events || port->state == PORT_CLOSED)
			continue;
		said = true;
		if (events & (1u << UNAPI_DEV_REMOVED)) {
			removed(app, port, "has been removed");
			continue;
		}
		if (events & (1u << UNAPI_DEV_REMOVE_REQUEST)) {
			removed(app, port, "is wanted back by the kernel");
			continue;
		}
		if (events & (1u << UNAPI_DEV_ERROR))
			printf("\nPort %u: uncorrectable error: stop forwarding and try \"port reset %u\"\n",
			       port->id, port->id);
		if (events & (1u << UNAPI_DEV_LINK_UP | 1u << UNAPI_DEV_LINK_DOWN))
			show_link(port);
	}
	if (said && app->redraw)
		app->redraw(app->redraw_arg);
}
