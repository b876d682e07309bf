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

/* Ask for the mode, for every queue that shares the instance: it has only one. */
static int ask_mode(struct port *port, unsigned int queue, enum unapi_poll_mode mode)
{
	struct napi_struct *n = unapi_dev_rxq_napi(port->dev, queue);
	int rc;

	if (mode == UNAPI_POLL_BUSY && napi_get_threaded(n)) {
		fprintf(stderr, "Port %u queue %u: its instance has a thread of its own (see set napi)\n",
			port->id, queue);
		return -1;
	}
	rc = port->state == PORT_STARTED ? unapi_napi_set_mode(n, mode) : 0;
	if (rc) {
		fprintf(stderr, "Port %u queue %u: %s\n", port->id, queue, unapi_reason());
		return rc;
	}
	for (unsigned int q = 0; q < port->rxq; q++) {
		if (unapi_dev_rxq_napi(port->dev, q) == n)
			port->modes[q] = mode;
	}
	return 0;
}

static void tell_mode(const struct port *port, unsigned int queue, enum unapi_poll_mode mode)
{
	struct napi_struct *n = unapi_dev_rxq_napi(port->dev, queue);
	char shared[64];
	struct unapi_napi_info info;

	unapi_napi_get_info(n, &info);
	port_napi_queues(port, n, true, shared, sizeof(shared));
	printf("Port %u queue %u: poll mode %s", port->id, queue, poll_mode_name(mode));
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

static bool in_force(const struct port *port, unsigned int queue, enum unapi_poll_mode mode)
{
	return port->state != PORT_STARTED || unapi_napi_mode(unapi_dev_rxq_napi(port->dev, queue)) == mode;
}

static void set_port_mode(struct app *app, struct port *port, const struct cmd_arg *which,
			  enum unapi_poll_mode mode)
{
	unsigned int first = 0, end = port->rxq;
	uint64_t until = now_ns() + MODE_WAIT_NS;

	if (which->is_number) {
		first = which->number;
		end = first + 1;
		if (first >= port->rxq) {
			fprintf(stderr, "Invalid RX queue %u of port %u (must be < %u)\n", first, port->id,
				port->rxq);
			return;
		}
	}
	for (unsigned int q = first; q < end; q++) {
		if (ask_mode(port, q, mode))
			return;
	}
	app_wake_lcores(app);
	for (unsigned int q = first; q < end; q++) {
		while (!in_force(port, q, mode) && now_ns() < until)
			nanosleep(&(struct timespec){.tv_nsec = MODE_LOOK_NS}, NULL);
		tell_mode(port, q, mode);
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

const struct cmd cmds_set[] = {
	{"set fwd io|mac|macswap|rxonly|txonly|icmpecho", "what start will do with packets", set_fwd},
	{"set burst N", "packets handled at a time, 1 to 512", set_burst},
	{"set poll-mode PORT|all QUEUE|all interrupt|busy", "how queues are polled, also under traffic",
	 set_poll_mode},
	{"set promisc PORT|all on|off", "receive what is for others", set_promisc},
	{NULL},
};
