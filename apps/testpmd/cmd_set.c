/* SPDX-License-Identifier: BSD-3-Clause */
/* set fwd, set burst, set promisc, set poll-mode */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "app.h"
#include "cmd.h"

/* How long "set poll-mode" waits for a mode to be in force before it says on whom it waits. */
#define MODE_WAIT_NS 2000000000ull
#define MODE_LOOK_NS 200000

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
static int ask_mode(struct port *port, const struct target *t, enum unapi_poll_mode mode)
{
	int rc;

	if (mode == UNAPI_POLL_BUSY && napi_get_threaded(t->n)) {
		fprintf(stderr, "Port %u %s: its instance has a thread of its own (see set napi)\n", port->id,
			t->name);
		return -1;
	}
	rc = port->state == PORT_STARTED ? unapi_napi_set_mode(t->n, mode) : 0;
	if (rc)
		fprintf(stderr, "Port %u %s: %s\n", port->id, t->name, unapi_reason());
	else
		*port_napi_mode(port, t->n) = mode;
	return rc;
}

static void tell_mode(const struct port *port, const struct target *t, enum unapi_poll_mode mode)
{
	char shared[64];
	struct unapi_napi_info info;

	unapi_napi_get_info(t->n, &info);
	port_napi_queues(port, t->n, true, shared, sizeof(shared));
	printf("Port %u %s: poll mode %s", port->id, t->name, poll_mode_name(mode));
	if (strchr(shared, ','))
		printf(" (one instance for queues %s)", shared);
	if (port->state != PORT_STARTED)
		printf(", once the port is started");
	else if (info.mode != mode && info.poller_tid)
		printf(" is pending: thread %" PRIu64 " has the instance, and polled it %" PRIu64 " ms ago",
		       info.poller_tid, info.poller_seen_ns / 1000000);
	else if (info.mode != mode)
		printf(" is pending: context %s has not taken it over", unapi_context_name(info.ctx));
	printf("\n");
}

static bool in_force(const struct port *port, const struct target *t, enum unapi_poll_mode mode)
{
	return port->state != PORT_STARTED || unapi_napi_mode(t->n) == mode;
}

static void set_port_mode(struct app *app, struct port *port, const struct cmd_arg *which,
			  enum unapi_poll_mode mode)
{
	struct target targets[3 * MAX_QUEUES]; /* a queue, and an instance for each direction of one */
	uint64_t until = now_ns() + MODE_WAIT_NS;
	unsigned int n;

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
	for (unsigned int i = 0; i < n; i++) {
		if (ask_mode(port, &targets[i], mode))
			return;
	}
	app_wake_lcores(app);
	for (unsigned int i = 0; i < n; i++) {
		while (!in_force(port, &targets[i], mode) && now_ns() < until)
			nanosleep(&(struct timespec){.tv_nsec = MODE_LOOK_NS}, NULL);
		tell_mode(port, &targets[i], mode);
	}
}

static void set_poll_mode(struct app *app, const struct cmd_arg *args)
{
	enum unapi_poll_mode mode = UNAPI_POLL_INTERRUPT;

	parse_poll_mode(args[4].word, &mode); /* one of the two: the syntax takes no other */
	if (args[2].is_number && args[2].number >= app->nr_ports) {
		fprintf(stderr, "Invalid port %u\n", args[2].number);
		return;
	}
	for (unsigned int i = 0; i < app->nr_ports; i++) {
		struct port *port = &app->ports[i];

		if (args[2].is_number && args[2].number != i)
			continue;
		if (port->state != PORT_CLOSED)
			set_port_mode(app, port, &args[3], mode);
		else if (args[2].is_number)
			fprintf(stderr, "Port %u is closed\n", i);
	}
}

static void set_record(struct app *app, const struct cmd_arg *args)
{
	lcore_record(!strcmp(args[2].word, "on"));
}

const struct cmd cmds_set[] = {
	{"set fwd io|mac|macswap|rxonly|txonly|icmpecho", "what start will do with packets", set_fwd},
	{"set burst N", "packets handled at a time, 1 to 512", set_burst},
	{"set poll-mode PORT|all QUEUE|all interrupt|busy", "how queues are polled, also under traffic",
	 set_poll_mode},
	{"set record-core-cycles on|off", "count what a packet costs in mode busy", set_record},
	{"set promisc PORT|all on|off", "receive what is for others", set_promisc},
	{NULL},
};
