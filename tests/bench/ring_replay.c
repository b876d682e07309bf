/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the data path of advanced descriptors costs: its receive and transmit functions against rings in
 * memory, with this program in the device's place. Only what happens inside measured() is the driver's.
 *
 *	ring_replay [rx|tx|forward] [burst] [ring] [rounds] [meta]
 *
 * prints TSC cycles a packet. Instructions: run under
 *	valgrind --tool=callgrind --toggle-collect=measured --callgrind-out-file=/dev/null ...
 * whose "Collected" figure, divided by the packets this program prints, is instructions a packet. Refill,
 * cleaning, pool returns, tail stores, statistics and the callback's call are in it.
 */
#include "core/net/netdev_impl.h"
#include "drivers/common/adv_rx.h"
#include "drivers/common/adv_tx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#define MAX_BURST 512
#define FRAME	  60

struct replay {
	struct vfio_device v;
	uint32_t regs[16];
	struct adv_rx_ring rx;
	struct adv_tx_ring tx;
	uint32_t ring, burst;
	uint32_t rx_head, tx_head; /* the device's next slots */
	struct unapi_pkt pkts[MAX_BURST];
	unsigned int n; /* records in pkts */
	uint64_t sent;
};

/* Places of the two tails in the fake register block. */
#define RX_TAIL 0
#define TX_TAIL 4

static void keep(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	struct replay *g = arg;

	memcpy(g->pkts + g->n, pkts, n * sizeof(*pkts));
	g->n += n;
}

static void forward(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	struct replay *g = arg;

	g->sent += unapi_tx_burst(&g->tx.q, pkts, n);
}

static __attribute__((noinline)) void measured(struct replay *g, bool rx)
{
	if (rx)
		adv_rx_poll(&g->rx, (int)g->burst);
	else
		g->sent += unapi_tx_burst(&g->tx.q, g->pkts, g->burst);
}

static uint64_t cycles;

static void run(struct replay *g, bool rx)
{
	uint64_t t;

	_mm_lfence();
	t = __rdtsc();
	measured(g, rx);
	_mm_lfence();
	cycles += __rdtsc() - t;
}

/* The device receives a burst. */
static void device_rx(struct replay *g)
{
	for (unsigned int i = 0; i < g->burst; i++) {
		struct adv_desc *d = &g->rx.desc[g->rx_head];

		if (g->rx_head == g->regs[RX_TAIL / 4]) {
			fprintf(stderr, "the ring has no buffer at slot %u\n", g->rx_head);
			exit(1);
		}
		d->lo = 0x1234567800000000ULL;
		d->hi = ADV_RXD_DD | ADV_RXD_EOP | (uint64_t)FRAME << ADV_RXD_LEN_SHIFT;
		g->rx_head = g->rx_head + 1 == g->ring ? 0 : g->rx_head + 1;
	}
}

/* The device sends all it has. */
static void device_tx(struct replay *g)
{
	for (; g->tx_head != g->regs[TX_TAIL / 4];
	     g->tx_head = g->tx_head + 1 == g->ring ? 0 : g->tx_head + 1)
		if (g->tx.desc[g->tx_head].hi & ADV_TXD_RS)
			g->tx.desc[g->tx_head].hi = ADV_TXD_DD;
}

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, unapi_reason());
	exit(1);
}

static void make(struct replay *g, bool meta)
{
	struct vfio_region *bar = &g->v.regions[0];
	struct page_pool *pool;

	snprintf(g->v.name, sizeof(g->v.name), "replay");
	g->v.numa_node = -1;
	bar->size = sizeof(g->regs);
	bar->nr_areas = 1;
	bar->areas[0] = (struct vfio_area){.size = sizeof(g->regs), .addr = (volatile uint8_t *)g->regs};
	if (page_pool_create(2 * g->ring + MAX_BURST, -1, NULL, &pool))
		fail("page pool");
	g->rx.q.pool = pool;
	g->rx.q.batch = (uint16_t)(g->burst < 32 ? 32 : g->burst);
	g->rx.q.rx_arg = g;
	if (adv_rx_setup(&g->rx, &g->v, bar, g->ring, RX_TAIL, meta) ||
	    adv_tx_setup(&g->tx, &g->v, bar, g->ring, TX_TAIL))
		fail("rings");
	g->tx.max_len = 1522;
	gate_init(&g->tx.q.gate);
	gate_open(&g->tx.q.gate);
	adv_rx_refill(&g->rx);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "forward";
	struct replay *g = aligned_alloc(UNAPI_CACHELINE, (sizeof(*g) + UNAPI_CACHELINE - 1) /
								  UNAPI_CACHELINE * UNAPI_CACHELINE);
	unsigned long rounds = argc > 4 ? strtoul(argv[4], NULL, 0) : 20000;
	bool rx_only = !strcmp(what, "rx"), tx_only = !strcmp(what, "tx");

	if (!g)
		return 1;
	memset(g, 0, sizeof(*g));
	g->burst = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 0) : 32;
	g->ring = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 0) : 512;
	if (!g->burst || g->burst > MAX_BURST || g->ring < 2 * g->burst || g->ring % 8 || !rounds) {
		fprintf(stderr, "usage: ring_replay [rx|tx|forward] [burst] [ring] [rounds] [meta]\n");
		return 2;
	}
	make(g, argc > 5);
	g->rx.q.rx_fn = rx_only || tx_only ? keep : forward;
	for (unsigned long i = 0; i < rounds; i++) {
		if (tx_only) {
			g->n = unapi_pkt_alloc_bulk(g->rx.q.pool, g->pkts, g->burst);
			for (unsigned int k = 0; k < g->n; k++)
				g->pkts[k].len = FRAME;
			run(g, false);
		} else {
			device_rx(g);
			g->n = 0;
			run(g, true);
			unapi_pkt_free_bulk(g->pkts, g->n);
		}
		device_tx(g);
	}
	if (!rx_only && g->sent != rounds * g->burst) {
		fprintf(stderr, "%llu packets of %lu were sent\n", (unsigned long long)g->sent,
			rounds * g->burst);
		return 1;
	}
	printf("%s burst %u ring %u: %lu packets, %.2f cycles a packet\n", what, g->burst, g->ring,
	       rounds * g->burst, (double)cycles / (double)(rounds * g->burst));
	return 0;
}
