/* SPDX-License-Identifier: BSD-3-Clause */
/* set port gro: software GRO, by DPDK's command. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "cmd.h"

static const struct {
	const char *word;
	unsigned int protocols;
} choices[] = {
	{"on", UNAPI_GRO_TCP | UNAPI_GRO_UDP},
	{"tcp", UNAPI_GRO_TCP},
	{"udp", UNAPI_GRO_UDP},
	{"off", 0},
};

const char *gro_name(unsigned int protocols)
{
	unsigned int i = 0;

	while (choices[i].protocols != protocols)
		i++;
	return choices[i].word;
}

/* Its pools have to be made anew, which takes the port down for a moment. */
static int make_room(struct app *app, struct port *port)
{
	bool started = port->state == PORT_STARTED;
	int rc;

	if (started && app_port_stop(app, port))
		return -1;
	rc = port_make_gro_room(port, &app->opt, app->nr_lcores);
	if (rc)
		fprintf(stderr, "Port %u: %s\n", port->id, unapi_reason());
	if (started && app_port_start(app, port))
		return -1;
	return rc;
}

static unsigned int wanted;

static void set_gro(struct app *app, struct port *port)
{
	int rc = unapi_dev_set_gro(port->dev, wanted);

	if (rc == -EOPNOTSUPP && app->forwarding && port->state == PORT_STARTED) {
		fprintf(stderr, "Before enable GRO on port %u, please stop forwarding first: %s\n", port->id,
			unapi_reason());
		return;
	}
	if (rc == -EOPNOTSUPP) {
		if (make_room(app, port))
			return;
		rc = unapi_dev_set_gro(port->dev, wanted);
	}
	if (rc)
		fprintf(stderr, "Port %u: %s\n", port->id, unapi_reason());
	else
		printf("Port %u: GRO %s\n", port->id, gro_name(wanted));
	/* Each instance was taken from whoever polled it. */
	app_wake_lcores(app);
}

static void set_port_gro(struct app *app, const struct cmd_arg *args)
{
	unsigned int i = 0;

	while (strcmp(choices[i].word, args[4].word)) /* one of them: the syntax takes no other */
		i++;
	wanted = choices[i].protocols;
	cmd_ports(app, &args[2], set_gro);
}

const struct cmd cmds_gro[] = {
	{"set port PORT|all gro on|tcp|udp|off", "merge received TCP and UDP segments, also under traffic",
	 set_port_gro},
	{NULL},
};
