/* SPDX-License-Identifier: BSD-3-Clause */
/* port start|stop|reset|close, clear port stats */
#include <stdio.h>

#include "app.h"
#include "cmd.h"
#include "stats.h"

/* Streams hold queues of every started port while forwarding. */
static bool is_busy(const struct app *app, const struct port *port)
{
	if (app->forwarding && port->state == PORT_STARTED)
		fprintf(stderr, "Please stop forwarding before port %u is stopped\n", port->id);
	return app->forwarding && port->state == PORT_STARTED;
}

static void start_one(struct app *app, struct port *port)
{
	if (port->state == PORT_STARTED)
		fprintf(stderr, "Port %u is now not stopped\n", port->id);
	else
		app_port_start(app, port);
}

static void stop_one(struct app *app, struct port *port)
{
	if (port->state != PORT_STARTED)
		fprintf(stderr, "Port %u is not started\n", port->id);
	else if (!is_busy(app, port))
		app_port_stop(app, port);
}

static void reset_one(struct app *app, struct port *port)
{
	if (!is_busy(app, port))
		app_port_reset(app, port);
}

static void close_one(struct app *app, struct port *port)
{
	if (!is_busy(app, port))
		app_port_close(app, port);
}

static void port_start_cmd(struct app *app, const struct cmd_arg *args)
{
	cmd_ports(app, &args[2], start_one);
	printf("Done\n");
}

static void port_stop_cmd(struct app *app, const struct cmd_arg *args)
{
	printf("Stopping ports...\n");
	cmd_ports(app, &args[2], stop_one);
	printf("Done\n");
}

static void port_reset_cmd(struct app *app, const struct cmd_arg *args)
{
	printf("Resetting ports...\n");
	cmd_ports(app, &args[2], reset_one);
	printf("Done\n");
}

static void port_close_cmd(struct app *app, const struct cmd_arg *args)
{
	printf("Closing ports...\n");
	cmd_ports(app, &args[2], close_one);
	printf("Done\n");
}

static void clear_stats(struct app *app, const struct cmd_arg *args)
{
	cmd_ports(app, &args[3], stats_clear);
}

const struct cmd cmds_port[] = {
	{"port start PORT|all", "start a port", port_start_cmd},
	{"port stop PORT|all", "stop a port", port_stop_cmd},
	{"port reset PORT|all", "reset a port's device; it is started again if it was", port_reset_cmd},
	{"port close PORT|all", "give a port's device up", port_close_cmd},
	{"clear port stats PORT|all", "count from zero again", clear_stats},
	{NULL},
};
