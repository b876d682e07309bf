/* SPDX-License-Identifier: BSD-3-Clause */
/* set port, set napi: the settings of NAPI, for a whole device and for single instances. The names are those
 * of the kernel's netdev family. */
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "channels.h"
#include "cmd.h"
#include "cores.h"

static const struct setting {
	const char *name;
	unsigned int bit;
} settings[] = {
	{"gro-flush-timeout", UNAPI_NAPI_GRO_FLUSH_TIMEOUT},
	{"defer-hard-irqs", UNAPI_NAPI_DEFER_HARD_IRQS},
	{"irq-suspend-timeout", UNAPI_NAPI_IRQ_SUSPEND_TIMEOUT},
	{"threaded", UNAPI_NAPI_THREADED},
};

/* One of the above: the syntax takes no other. */
static const struct setting *find_setting(const char *name)
{
	const struct setting *s = settings;

	while (strcmp(s->name, name))
		s++;
	return s;
}

/* An instance with a thread of its own leaves its lcore, and mode busy; one that lost it comes back. */
static void threads_changed(struct app *app, struct port *port)
{
	for (unsigned int i = 0; i < port->nr_napi; i++) {
		if (napi_get_threaded(unapi_dev_napi(port->dev, i)) && port->modes[i].mode == UNAPI_MODE_BUSY)
			port->modes[i].asked = false;
	}
	if (app_settle(app))
		fprintf(stderr, "Cannot allocate memory for the lcores' sets\n");
}

static void set_one_port(struct app *app, struct port *port, const struct cmd_arg *args)
{
	const struct setting *s = find_setting(args[3].word);
	int rc;

	if (s->bit == UNAPI_NAPI_GRO_FLUSH_TIMEOUT)
		rc = unapi_dev_set_gro_flush_timeout(port->dev, args[4].number);
	else if (s->bit == UNAPI_NAPI_DEFER_HARD_IRQS)
		rc = unapi_dev_set_napi_defer_hard_irqs(port->dev, args[4].number);
	else
		rc = unapi_dev_set_threaded(port->dev, args[4].number);
	if (s->bit == UNAPI_NAPI_THREADED)
		threads_changed(app, port);
	if (rc)
		fprintf(stderr, "Port %u: %s\n", port->id, unapi_reason());
	else
		printf("Port %u: %s %u\n", port->id, s->name, args[4].number);
}

static void set_instance(const struct port *port, struct napi_struct *n, unsigned int index,
			 const struct setting *s, unsigned int value)
{
	struct unapi_napi_params p = {.given = s->bit,
				      .threaded = (enum netdev_napi_threaded)value,
				      .defer_hard_irqs = value,
				      .irq_suspend_timeout = value,
				      .gro_flush_timeout = value};

	if (unapi_napi_set(n, &p))
		fprintf(stderr, "Port %u napi %u: %s\n", port->id, index, unapi_reason());
	else
		printf("Port %u napi %u: %s %u\n", port->id, index, s->name, value);
}

/* Instances are meant by their number on the port, which begins with 0, or by their id, which do not. */
static bool is_meant(const struct napi_struct *n, unsigned int index, const struct cmd_arg *which)
{
	struct unapi_napi_info info;

	unapi_napi_get_info(n, &info);
	return !which->is_number || which->number == index || which->number == info.napi_id;
}

static void set_instances(struct app *app, struct port *port, const struct cmd_arg *args)
{
	const struct setting *s = find_setting(args[4].word);
	struct napi_struct *n;
	bool any = false;

	for (unsigned int i = 0; (n = unapi_dev_napi(port->dev, i)); i++) {
		if (!is_meant(n, i, &args[3]))
			continue;
		any = true;
		set_instance(port, n, i, s, args[5].number);
	}
	if (!any)
		fprintf(stderr, "Invalid NAPI instance %s of port %u\n", args[3].word, port->id);
	if (any && s->bit == UNAPI_NAPI_THREADED)
		threads_changed(app, port);
}

static void set_affinities(struct app *app, struct port *port, const struct cmd_arg *args)
{
	unsigned int cpus[MAX_LCORES], nr_cpus;
	char why[160], irq[320];
	struct napi_struct *n;
	bool any = false;

	if (cores_parse(args[5].word, cpus, MAX_LCORES, &nr_cpus, why, sizeof(why))) {
		fprintf(stderr, "affinity %s: %s\n", args[5].word, why);
		return;
	}
	for (unsigned int i = 0; (n = unapi_dev_napi(port->dev, i)); i++) {
		if (!is_meant(n, i, &args[3]))
			continue;
		any = true;
		if (unapi_napi_set_irq_affinity(n, cpus, nr_cpus))
			fprintf(stderr, "Port %u napi %u: %s\n", port->id, i, unapi_reason());
		else
			printf("Port %u napi %u: %s\n", port->id, i, channels_irq(n, irq, sizeof(irq)));
	}
	if (!any)
		fprintf(stderr, "Invalid NAPI instance %s of port %u\n", args[3].word, port->id);
}

static void each_port(struct app *app, const struct cmd_arg *args,
		      void (*fn)(struct app *app, struct port *port, const struct cmd_arg *args))
{
	if (args[2].is_number && args[2].number >= app->nr_ports) {
		fprintf(stderr, "Invalid port %u\n", args[2].number);
		return;
	}
	for (unsigned int i = 0; i < app->nr_ports; i++) {
		if (args[2].is_number && args[2].number != i)
			continue;
		if (app->ports[i].state != PORT_CLOSED)
			fn(app, &app->ports[i], args);
		else if (args[2].is_number)
			fprintf(stderr, "Port %u is closed\n", i);
	}
}

static void set_port(struct app *app, const struct cmd_arg *args)
{
	each_port(app, args, set_one_port);
}

static void set_napi(struct app *app, const struct cmd_arg *args)
{
	each_port(app, args, set_instances);
}

static void set_affinity(struct app *app, const struct cmd_arg *args)
{
	each_port(app, args, set_affinities);
}

const struct cmd cmds_napi[] = {
	{"set port PORT|all gro-flush-timeout|defer-hard-irqs|threaded VALUE",
	 "NAPI's settings of a device and all its instances", set_port},
	{"set napi PORT|all INSTANCE|all gro-flush-timeout|defer-hard-irqs|irq-suspend-timeout|threaded "
	 "VALUE",
	 "those of single instances; timeouts are nanoseconds", set_napi},
	{"set napi PORT|all INSTANCE|all affinity CPULIST",
	 "on which CPUs their interrupts are delivered, such as 0-1,3", set_affinity},
	{NULL},
};
