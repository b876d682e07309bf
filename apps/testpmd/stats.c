/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app.h"
#include "format.h"
#include "stats.h"

void stats_show(struct port *port)
{
	struct unapi_dev_stats now;
	struct rates rates;
	uint64_t at = now_ns();

	unapi_dev_get_stats(port->dev, &now);
	rates_between(&rates, &port->shown, &now, port->shown_ns ? at - port->shown_ns : 0);
	format_nic_stats(stdout, port->id, &now, &rates);
	port->shown = now;
	port->shown_ns = at;
}

void stats_show_all(struct app *app)
{
	/* Erase, and go to the upper left corner (ECMA-48). */
	if (isatty(STDOUT_FILENO))
		printf("\033[2J\033[1;1H");
	printf("\nPort statistics ====================================");
	for (unsigned int i = 0; i < app->nr_ports; i++) {
		if (app->ports[i].dev)
			stats_show(&app->ports[i]);
	}
	fflush(stdout);
}

void stats_clear(struct app *app, struct port *port)
{
	unapi_dev_clear_stats(port->dev);
	port->dropped = 0;
	forward_base(app, port->id);
	memset(&port->shown, 0, sizeof(port->shown));
	port->shown_ns = 0;
	printf("\n  NIC statistics for port %u cleared\n", port->id);
}
