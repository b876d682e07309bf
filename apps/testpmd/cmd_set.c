/* SPDX-License-Identifier: BSD-3-Clause */
/* set fwd, set burst, set promisc, set record-core-cycles */
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "cmd.h"

static void set_fwd(struct app *app, const struct cmd_arg *args)
{
	app->engine = fwd_find(args[2].word);
	printf("Set %s packet forwarding mode%s\n", app->engine->name,
	       app->forwarding ? ", from the next start on" : "");
}

static void set_burst(struct app *app, const struct cmd_arg *args)
{
	unsigned int burst = args[2].number;

	if (!burst || burst > MAX_BURST) {
		fprintf(stderr, "nb pkt per burst: %u: a number from 1 to %u is wanted\n", burst, MAX_BURST);
		return;
	}
	app->opt.burst = burst;
	for (unsigned int i = 0; i < app->nr_streams; i++)
		__atomic_store_n(&app->streams[i].burst, burst, __ATOMIC_RELAXED);
	printf("Number of packets per burst set to %u\n", burst);
}

static void promisc_on(struct app *app, struct port *port)
{
	if (port_set_promisc(port, true))
		fprintf(stderr, "Port %u: %s\n", port->id, unapi_reason());
}

static void promisc_off(struct app *app, struct port *port)
{
	if (port_set_promisc(port, false))
		fprintf(stderr, "Port %u: %s\n", port->id, unapi_reason());
}

static void set_promisc(struct app *app, const struct cmd_arg *args)
{
	cmd_ports(app, &args[2], strcmp(args[3].word, "on") ? promisc_off : promisc_on);
}

static void set_record(struct app *app, const struct cmd_arg *args)
{
	lcore_record(!strcmp(args[2].word, "on"));
}

const struct cmd cmds_set[] = {
	{"set fwd io|mac|macswap|rxonly|txonly|icmpecho", "what start will do with packets", set_fwd},
	{"set burst N", "packets handled at a time, 1 to 512", set_burst},
	{"set record-core-cycles on|off", "count what a packet costs in mode busy", set_record},
	{"set promisc PORT|all on|off", "receive what is for others", set_promisc},
	{NULL},
};
