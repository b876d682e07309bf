/* SPDX-License-Identifier: BSD-3-Clause */
/* show port info|stats|xstats, show fwd stats, show config, show napi */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unapi/page_pool.h>

#include "app.h"
#include "channels.h"
#include "cmd.h"
#include "format.h"
#include "stats.h"

/* Lines that DPDK's port_infos_display() has too are spelled as there. */
static void port_info(struct app *app, struct port *port)
{
	struct unapi_dev_info info;
	struct unapi_link link = {0};
	char mac[18];

	unapi_dev_get_info(port->dev, &info);
	unapi_dev_get_link(port->dev, &link);
	printf("\n********************* Infos for port %-2u *********************\n", port->id);
	printf("MAC address: %s\n", format_mac(info.mac, mac));
	printf("Device name: %s\n", info.name);
	printf("Driver name: %s\n", info.driver);
	printf("Carrier: %s\n", info.carrier);
	printf("Device id: %04x:%04x\n", info.vendor_id, info.device_id);
	printf("Connect to socket: %d\n", info.numa_node);
	printf("Link status: %s\n", link.up ? "up" : "down");
	if (link.up)
		printf("Link speed: %u Mbps\n", link.speed);
	else
		printf("Link speed: None\n");
	printf("Link duplex: %s\n", link.full_duplex ? "full-duplex" : "half-duplex");
	printf("Autoneg status: %s\n", link.autoneg ? "On" : "Off");
	printf("MTU: %u\n", info.mtu);
	printf("Promiscuous mode: %s\n", info.promisc ? "enabled" : "disabled");
	printf("GRO: %s\n", gro_name(unapi_dev_gro(port->dev)));
	printf("Current number of RX queues: %u\n", info.rxq);
	printf("Max possible RX queues: %u\n", info.max_rxq);
	printf("Number of RXDs per queue: %u\n", info.rxd);
	printf("Max possible number of RXDs per queue: %u\n", info.max_desc);
	printf("Min possible number of RXDs per queue: %u\n", info.min_desc);
	printf("RXDs number alignment: %u\n", info.desc_align);
	printf("Current number of TX queues: %u\n", info.txq);
	printf("Max possible TX queues: %u\n", info.max_txq);
	printf("Number of TXDs per queue: %u\n", info.txd);
	printf("Max possible number of TXDs per queue: %u\n", info.max_desc);
	printf("Min possible number of TXDs per queue: %u\n", info.min_desc);
	printf("TXDs number alignment: %u\n", info.desc_align);
	printf("Max segment number per packet: %u\n", UNAPI_MAX_FRAGS);
	printf("Interrupts: %s, %u vectors for %u NAPI instances; automask %s, causes latch %s\n",
	       info.irq_mode[0] ? info.irq_mode : "none", info.vectors, info.nr_napi,
	       info.automask ? "yes" : "no", info.latches ? "yes" : "no");
	channels_show(port);
	for (unsigned int q = 0; q < info.rxq; q++) {
		struct page_pool *pool = unapi_dev_rxq_pool(port->dev, q);
		struct unapi_page_pool_info pi;

		if (!pool)
			continue;
		unapi_page_pool_get_info(pool, &pi);
		printf("Page pool of RX queue %u: %u buffers of %u bytes, %u in use, %s\n", q, pi.buffers,
		       pi.buf_size, pi.inflight, pi.memory);
	}
	printf("Port state: %s\n", port->state == PORT_STARTED ? "started" : "stopped");
}

static void port_stats(struct app *app, struct port *port)
{
	stats_show(port);
}

static void port_xstats(struct app *app, struct port *port)
{
	int n = unapi_dev_get_xstats(port->dev, NULL, 0), have;
	struct unapi_xstat *x;

	if (n < 0) {
		fprintf(stderr, "Port %u: %s\n", port->id, unapi_reason());
		return;
	}
	x = calloc(n ? n : 1, sizeof(*x));
	if (!x) {
		fprintf(stderr, "Cannot allocate memory for xstats\n");
		return;
	}
	have = unapi_dev_get_xstats(port->dev, x, n);
	printf("###### NIC extended statistics for port %-2u\n", port->id);
	for (int i = 0; i < n && i < have; i++)
		printf("%s: %" PRIu64 "\n", x[i].name, x[i].value);
	free(x);
}

static void show_port(struct app *app, const struct cmd_arg *args)
{
	void (*fn)(struct app * app, struct port * port) = port_stats;

	if (args[2].word[0] == 'i')
		fn = port_info;
	if (args[2].word[0] == 'x')
		fn = port_xstats;
	cmd_ports(app, &args[3], fn);
}

static void show_fwd(struct app *app, const struct cmd_arg *args)
{
	forward_show_stats(app);
}

static void show_config(struct app *app, const struct cmd_arg *args)
{
	forward_show_config(app);
}

static void napi_line(struct app *app, const struct port *port, const struct napi_struct *n)
{
	char rx[64], tx[64], queues[136], mode[32];
	struct unapi_napi_stats st;
	struct unapi_napi_info info;
	struct unapi_mode_info m;

	unapi_napi_get_info(n, &info);
	unapi_napi_get_stats(n, &st);
	snprintf(queues, sizeof(queues), "rx %s tx %s", port_napi_queues(port, n, true, rx, sizeof(rx)),
		 port_napi_queues(port, n, false, tx, sizeof(tx)));
	unapi_mode_get(n, &m);
	if (m.in_force == m.asked)
		snprintf(mode, sizeof(mode), "%s", unapi_mode_name(m.in_force));
	else
		snprintf(mode, sizeof(mode), "%s->%s", unapi_mode_name(m.in_force), unapi_mode_name(m.asked));
	printf("%4u %6u %-18s %-10s %-15s %12" PRIu64 " %12" PRIu64 " %12" PRIu64 " %12" PRIu64 " %12" PRIu64
	       " %12" PRIu64 " %8.1f\n",
	       port->id, info.napi_id, queues, info.thread_tid ? "its own" : info.context, mode, st.irqs,
	       st.schedules, st.polls, st.empty_polls, st.work, st.completions,
	       st.polls > st.empty_polls ? (double)st.work / (st.polls - st.empty_polls) : 0.0);
	if (m.in_force != m.asked && info.poller_tid)
		printf("            %s is pending: thread %" PRIu64 " has it, and polled it %" PRIu64
		       " ms ago\n",
		       unapi_mode_name(m.asked), info.poller_tid, info.poller_seen_ns / 1000000);
}

static void show_napi(struct app *app, const struct cmd_arg *args)
{
	printf("%4s %6s %-18s %-10s %-15s %12s %12s %12s %12s %12s %12s %8s\n", "port", "napi", "queues",
	       "context", "mode", "interrupts", "schedules", "polls", "empty", "work", "completions",
	       "pkt/poll");
	for (unsigned int p = 0; p < app->nr_ports; p++) {
		struct port *port = &app->ports[p];
		struct napi_struct *n;

		for (unsigned int i = 0; port->dev && (n = unapi_dev_napi(port->dev, i)); i++)
			napi_line(app, port, n);
	}
}

const struct cmd cmds_show[] = {
	{"show port info|stats|xstats PORT|all", "what a port is, and what it has counted", show_port},
	{"show fwd stats all", "what was forwarded since start", show_fwd},
	{"show config fwd", "which queue forwards to which, on which core", show_config},
	{"show napi", "every NAPI instance: queues, context, mode, interrupts and polls", show_napi},
	{NULL},
};
