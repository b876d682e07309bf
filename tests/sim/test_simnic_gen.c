/* SPDX-License-Identifier: BSD-3-Clause */
/* The simulated NIC as a process, reached as any device is, under the smallest forwarder there can be: what
 * the generator says about it must be true when the forwarder behaves, and when it does not.
 */
#include "core/base/clock.h"
#include "core/base/reason.h"
#include "core/vfio/vfio.h"
#include "drivers/igb/igb_regs.h"

#include <errno.h>
#include <jansson.h>
#include <sched.h>
#include <linux/pci_regs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define RING	   512u
#define BUF	   2048u
#define MAX_QUEUES 4u
#define TIME_LIMIT (30 * NSEC_PER_SEC)

struct queue {
	union e1000_adv_rx_desc *rx;
	union e1000_adv_tx_desc *tx;
	uint64_t rx_iova, tx_iova, buf_iova;
	volatile uint32_t *rdt, *tdt; /* NULL: by message */
	uint32_t rx_next, tx_next, tx_clean;
};

/* What the forwarder does wrong: each is done once, at the packet with this number. */
struct misdeeds {
	uint64_t drop, twice, swap, corrupt;
};

struct nic {
	struct vfio_device *v;
	struct vfio_region *bar;
	struct dma_mem *mem;
	struct queue q[MAX_QUEUES];
	unsigned int queues;
	char stats[64];
	uint64_t forwarded;
	struct misdeeds wrong;
};

static void wr(struct nic *n, uint32_t reg, uint32_t val)
{
	vfio_write32(n->v, n->bar, reg, val);
}

static uint32_t rd(struct nic *n, uint32_t reg)
{
	return vfio_read32(n->v, n->bar, reg);
}

static void set_rdt(struct nic *n, unsigned int q, uint32_t val)
{
	if (n->q[q].rdt)
		__atomic_store_n(n->q[q].rdt, val, __ATOMIC_RELEASE);
	else
		wr(n, E1000_RDT(q), val);
}

static void set_tdt(struct nic *n, unsigned int q, uint32_t val)
{
	if (n->q[q].tdt)
		__atomic_store_n(n->q[q].tdt, val, __ATOMIC_RELEASE);
	else
		wr(n, E1000_TDT(q), val);
}

/* Each slot has its buffer for good: the tx descriptor of the same number sends it, and only then is it
 * refilled. */
static void queue_start(struct nic *n, unsigned int q)
{
	struct queue *u = &n->q[q];
	uint64_t at = q * (2 * RING * 16 + RING * (uint64_t)BUF);

	u->rx = (void *)((uint8_t *)n->mem->va + at);
	u->tx = (void *)((uint8_t *)n->mem->va + at + RING * 16);
	u->rx_iova = n->mem->iova + at;
	u->tx_iova = u->rx_iova + RING * 16;
	u->buf_iova = u->tx_iova + RING * 16;
	for (uint32_t i = 0; i < RING; i++) {
		u->rx[i].read.pkt_addr = u->buf_iova + i * BUF;
		u->rx[i].read.hdr_addr = 0;
	}
	wr(n, E1000_RDBAL(q), (uint32_t)u->rx_iova);
	wr(n, E1000_RDBAH(q), (uint32_t)(u->rx_iova >> 32));
	wr(n, E1000_RDLEN(q), RING * 16);
	wr(n, E1000_SRRCTL(q), E1000_SRRCTL_DESCTYPE_ADV_ONEBUF | 2);
	wr(n, E1000_RXDCTL(q), E1000_RXDCTL_QUEUE_ENABLE);
	wr(n, E1000_TDBAL(q), (uint32_t)u->tx_iova);
	wr(n, E1000_TDBAH(q), (uint32_t)(u->tx_iova >> 32));
	wr(n, E1000_TDLEN(q), RING * 16);
	wr(n, E1000_TXDCTL(q), E1000_TXDCTL_QUEUE_ENABLE);
	rd(n, E1000_STATUS); /* a message: stores to shared pages are seen before it */
	u->rdt = vfio_region_ptr32(n->bar, E1000_RDT(q));
	u->tdt = vfio_region_ptr32(n->bar, E1000_TDT(q));
	u->rx_next = u->tx_next = u->tx_clean = 0;
}

static void nic_open(struct nic *n, const char *options, unsigned int queues)
{
	uint32_t reta = queues == 4 ? 0x03020100 : 0;
	static unsigned int serial;
	char spec[256];

	memset(n, 0, sizeof(*n));
	n->queues = queues;
	snprintf(n->stats, sizeof(n->stats), "/tmp/simnic-test-%d-%u.json", (int)getpid(), serial++);
	unlink(n->stats);
	snprintf(spec, sizeof(spec), "sim:igb,%s,stats=%s", options, n->stats);
	if (vfio_open(spec, &n->v)) {
		print_error("%s\n", unapi_reason());
		fail();
	}
	n->bar = &n->v->regions[VFIO_PCI_BAR0_REGION_INDEX];
	assert_int_equal(dma_alloc(n->v->space, queues * (2 * RING * 16 + RING * (size_t)BUF), -1,
				   DMA_PAGES_4K, &n->mem),
			 0);
	assert_int_equal(vfio_set_bus_master(n->v, true), 0);
	for (unsigned int q = 0; q < queues; q++)
		queue_start(n, q);
	for (unsigned int i = 0; i < E1000_RSSRK_WORDS; i++)
		wr(n, E1000_RSSRK(i), 0x5a6dda56 * (i + 1));
	for (unsigned int i = 0; i < E1000_RETA_ENTRIES / 4; i++)
		wr(n, E1000_RETA(i), reta);
	wr(n, E1000_MRQC, E1000_MRQC_ENABLE_RSS | E1000_MRQC_RSS_FIELD_IPV4);
	wr(n, E1000_TCTL, E1000_TCTL_EN | E1000_TCTL_PSP);
	wr(n, E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_BAM | E1000_RCTL_SECRC);
	wr(n, E1000_CTRL, E1000_CTRL_SLU | E1000_CTRL_FD);
	for (unsigned int q = 0; q < queues; q++)
		set_rdt(n, q, RING - 1);
}

static void wait_link(struct nic *n)
{
	uint64_t until = unapi_clock_ns() + TIME_LIMIT;

	while (!(rd(n, E1000_STATUS) & E1000_STATUS_LU))
		assert_true(unapi_clock_ns() < until);
}

static void nic_close(struct nic *n)
{
	vfio_close(n->v);
	unlink(n->stats);
}

/* Put slot @slot's frame into the tx ring. */
static void send_slot(struct queue *u, uint32_t slot, uint32_t len, bool rs)
{
	union e1000_adv_tx_desc *t = &u->tx[u->tx_next];

	t->read.buffer_addr = u->buf_iova + slot * BUF;
	t->read.cmd_type_len = len | E1000_ADVTXD_DTYP_DATA | E1000_ADVTXD_DCMD_DEXT |
			       E1000_ADVTXD_DCMD_IFCS | E1000_ADVTXD_DCMD_EOP |
			       (rs ? E1000_ADVTXD_DCMD_RS : 0);
	t->read.olinfo_status = len << E1000_ADVTXD_PAYLEN_SHIFT;
	u->tx_next = (u->tx_next + 1) % RING;
}

/* Wait until all that was sent is on its way: the last descriptor has RS. */
static void wait_sent(struct nic *n, unsigned int q)
{
	struct queue *u = &n->q[q];
	uint32_t last = (u->tx_next + RING - 1) % RING;
	uint64_t until = unapi_clock_ns() + TIME_LIMIT;

	while (!(__atomic_load_n(&u->tx[last].wb.status, __ATOMIC_ACQUIRE) & E1000_TXD_STAT_DD)) {
		assert_true(unapi_clock_ns() < until);
		sched_yield(); /* two processes, and maybe one CPU */
	}
}

static void forward_one(struct nic *n, struct queue *u, uint32_t slot, uint32_t len, bool rs)
{
	uint8_t *frame = (uint8_t *)n->mem->va + (u->buf_iova - n->mem->iova) + slot * BUF;
	uint64_t number = ++n->forwarded;

	if (number == n->wrong.corrupt)
		frame[50] ^= 0x10;
	if (number == n->wrong.drop)
		frame[12] = 0xff; /* nobody's: stays away as far as the generator can tell */
	send_slot(u, slot, len, rs);
	if (number == n->wrong.twice)
		send_slot(u, slot, len, true);
}

/* One turn over all queues; returns the packets forwarded. */
static unsigned int poll_all(struct nic *n)
{
	unsigned int total = 0;

	for (unsigned int q = 0; q < n->queues; q++) {
		struct queue *u = &n->q[q];
		uint32_t first = u->rx_next, lens[32], k = 0;

		while (k < 32) {
			union e1000_adv_rx_desc *d = &u->rx[(first + k) % RING];

			if (!(__atomic_load_n(&d->wb.status_error, __ATOMIC_ACQUIRE) & E1000_RXD_STAT_DD))
				break;
			lens[k++] = d->wb.length;
		}
		if (!k)
			continue;
		for (uint32_t i = 0; i < k; i++) {
			uint32_t j = i;

			if (n->wrong.swap && k > 1 && i < 2 && n->forwarded + 1 >= n->wrong.swap) {
				j = !i;
				if (i == 1)
					n->wrong.swap = 0;
			}
			forward_one(n, u, (first + j) % RING, lens[j], i + 1 == k);
		}
		set_tdt(n, q, u->tx_next);
		wait_sent(n, q);
		for (uint32_t i = 0; i < k; i++) {
			u->rx[(first + i) % RING].read.pkt_addr = u->buf_iova + (first + i) % RING * BUF;
			u->rx[(first + i) % RING].read.hdr_addr = 0;
		}
		u->rx_next = (first + k) % RING;
		set_rdt(n, q, (u->rx_next + RING - 1) % RING);
		total += k;
	}
	return total;
}

static uint64_t figure(json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	if (!v)
		print_error("no \"%s\" in the figures\n", key);
	assert_non_null(v);
	return (uint64_t)json_integer_value(v);
}

/* Forward until the generator says that it is done; its figures. */
static json_t *run(struct nic *n)
{
	uint64_t until = unapi_clock_ns() + TIME_LIMIT, look = 0;

	for (;;) {
		uint64_t now;

		if (poll_all(n))
			continue;
		sched_yield();
		now = unapi_clock_ns();
		if (now < look)
			continue;
		look = now + 5 * NSEC_PER_MSEC;
		assert_true(now < until);
		if (!access(n->stats, R_OK)) {
			json_t *o = json_load_file(n->stats, 0, NULL);

			assert_non_null(o); /* it is put in place whole */
			if (json_is_true(json_object_get(o, "drained")))
				return o;
			json_decref(o);
		}
	}
}

static void check_clean(struct nic *n, json_t *o, uint64_t count)
{
	assert_int_equal(figure(o, "tx"), count);
	assert_int_equal(figure(o, "rx"), count);
	assert_int_equal(figure(o, "lost"), 0);
	assert_int_equal(figure(o, "dup"), 0);
	assert_int_equal(figure(o, "reorder"), 0);
	assert_int_equal(figure(o, "corrupt"), 0);
	assert_int_equal(figure(o, "foreign"), 0);
	assert_int_equal(figure(o, "outstanding"), 0);
	assert_int_equal(figure(o, "dma_faults"), 0);
	assert_int_equal(figure(o, "driver_errors"), 0);
	for (unsigned int q = 0; q < n->queues; q++) /* each queue has its share */
		assert_true((uint64_t)json_integer_value(json_array_get(json_object_get(o, "rxq"), q)) >=
			    count / n->queues / 2);
	assert_true(figure(o, "p50_ns") > 0);
	assert_true(figure(o, "p50_ns") <= figure(o, "p99_ns"));
	assert_true(figure(o, "p99_ns") <= figure(o, "max_ns") * 33 / 32);
	if (getenv("SIMNIC_VERBOSE")) {
		char *text = json_dumps(o, JSON_INDENT(1));

		print_message("%s\n", text);
		free(text);
	}
	json_decref(o);
}

static uint64_t packets(uint64_t dflt)
{
	const char *text = getenv("SIMNIC_PACKETS");

	return text ? strtoull(text, NULL, 0) : dflt;
}

static void forward_clean(const char *options, unsigned int queues, uint64_t count)
{
	char all[200];
	uint64_t start;
	struct nic n;
	json_t *o;

	snprintf(all, sizeof(all), "%s,wire=gen,count=%llu", options, (unsigned long long)count);
	nic_open(&n, all, queues);
	wait_link(&n);
	start = unapi_clock_ns();
	o = run(&n);
	print_message("%s: %.0f packets/s\n", all, (double)count * 1e9 / (double)(unapi_clock_ns() - start));
	check_clean(&n, o, count);
	nic_close(&n);
}

static void messages_one_queue(void **state)
{
	forward_clean("doorbell=msg", 1, packets(100000));
}

static void messages_four_queues(void **state)
{
	forward_clean("doorbell=msg,flows=16,size=1518", 4, packets(100000));
}

static void pages_one_queue(void **state)
{
	forward_clean("doorbell=mmap", 1, packets(300000));
}

static void pages_four_queues(void **state)
{
	forward_clean("doorbell=mmap,flows=8", 4, packets(300000));
}

static void rate_is_kept(void **state)
{
	uint64_t start;
	struct nic n;
	json_t *o;
	double s;

	nic_open(&n, "wire=gen,rate=20000,count=4000", 1);
	start = unapi_clock_ns();
	o = run(&n);
	s = (double)(unapi_clock_ns() - start) / 1e9;
	assert_true(s > 0.19); /* never faster; how much slower depends on the machine */
	check_clean(&n, o, 4000);
	nic_close(&n);
}

static void misdeeds_are_noticed(void **state)
{
	struct nic n;
	json_t *o;

	nic_open(&n, "wire=gen,count=20000,doorbell=mmap,flows=1", 1);
	n.wrong = (struct misdeeds){.drop = 1000, .twice = 2000, .swap = 3000, .corrupt = 4000};
	o = run(&n);
	assert_int_equal(figure(o, "tx"), 20000);
	assert_int_equal(figure(o, "foreign"), 1);
	assert_int_equal(figure(o, "lost"),
			 2); /* the one that was dropped, and the one that was not recognised */
	assert_int_equal(figure(o, "dup"), 1);
	assert_int_equal(figure(o, "corrupt"), 1);
	assert_int_equal(figure(o, "reorder"), 1);
	assert_int_equal(figure(o, "rx"), 19998);
	json_decref(o);
	nic_close(&n);
}

static bool last_sent(struct queue *u)
{
	uint32_t last = (u->tx_next + RING - 1) % RING;

	return __atomic_load_n(&u->tx[last].wb.status, __ATOMIC_ACQUIRE) & E1000_TXD_STAT_DD;
}

/* A receiver without descriptors holds its peer up; when it has some again, what was held up arrives, all of
 * it. */
static void a_full_pair_goes_on(void **state)
{
	const uint32_t chunk = 128;
	uint64_t until = unapi_clock_ns() + TIME_LIMIT;
	unsigned int sent = 0, got = 0;
	struct nic a, b;
	char spec[80];

	snprintf(spec, sizeof(spec), "wire=pair:full-%d", (int)getpid());
	nic_open(&a, spec, 1);
	nic_open(&b, spec, 1);
	wr(&b, E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_UPE | E1000_RCTL_SECRC);
	wait_link(&a);
	wait_link(&b);
	do {
		uint64_t patience = unapi_clock_ns() + 200 * NSEC_PER_MSEC;

		for (uint32_t i = 1; i <= chunk; i++)
			send_slot(&a.q[0], 0, 1514, i == chunk);
		sent += chunk;
		set_tdt(&a, 0, a.q[0].tx_next);
		while (!last_sent(&a.q[0]) && unapi_clock_ns() < patience)
			usleep(100);
	} while (last_sent(&a.q[0]));
	while (got < sent) {
		union e1000_adv_rx_desc *d = &b.q[0].rx[b.q[0].rx_next];

		assert_true(unapi_clock_ns() < until);
		if (!(__atomic_load_n(&d->wb.status_error, __ATOMIC_ACQUIRE) & E1000_RXD_STAT_DD)) {
			usleep(100);
			continue;
		}
		assert_int_equal(d->wb.length, 1514);
		got++;
		d->read.pkt_addr = b.q[0].buf_iova + b.q[0].rx_next * BUF;
		d->read.hdr_addr = 0;
		set_rdt(&b, 0, b.q[0].rx_next);
		b.q[0].rx_next = (b.q[0].rx_next + 1) % RING;
	}
	assert_true(last_sent(&a.q[0]));
	nic_close(&a);
	nic_close(&b);
}

/* A port that lost its peer sleeps, and nothing but the next one's coming wakes it: its client sends no
 * message. */
static void a_new_peer_is_noticed(void **state)
{
	uint64_t until = unapi_clock_ns() + TIME_LIMIT;
	struct nic a, b;
	char spec[80];

	snprintf(spec, sizeof(spec), "wire=pair:new-%d", (int)getpid());
	nic_open(&b, spec, 1);
	nic_open(&a, spec, 1); /* the one that connects: its next socket has the same number */
	wr(&a, E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_UPE | E1000_RCTL_SECRC);
	wait_link(&a);
	nic_close(&b);
	while (rd(&a, E1000_STATUS) & E1000_STATUS_LU)
		assert_true(unapi_clock_ns() < until);
	nic_open(&b, spec, 1);
	wait_link(&b);
	while (!(__atomic_load_n(&a.q[0].rx[0].wb.status_error, __ATOMIC_ACQUIRE) & E1000_RXD_STAT_DD)) {
		assert_true(unapi_clock_ns() < until);
		send_slot(&b.q[0], 0, 60, true);
		set_tdt(&b, 0, b.q[0].tx_next);
		wait_sent(&b, 0);
		usleep(1000);
	}
	nic_close(&a);
	nic_close(&b);
}

/* Flooded: what found no descriptor is lost, and known; everything else comes back. */
static void a_flood_is_accounted_for(void **state)
{
	struct nic n;
	json_t *o;

	nic_open(&n, "wire=gen,lossy,time=200,doorbell=mmap", 1);
	o = run(&n);
	assert_true(figure(o, "tx") > 1000);
	assert_int_equal(figure(o, "tx"), figure(o, "rx") + figure(o, "lost"));
	assert_int_equal(figure(o, "lost"), figure(o, "overrun"));
	assert_int_equal(figure(o, "reorder") + figure(o, "dup") + figure(o, "corrupt"), 0);
	json_decref(o);
	nic_close(&n);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_one_queue),
		cmocka_unit_test(messages_four_queues),
		cmocka_unit_test(pages_one_queue),
		cmocka_unit_test(pages_four_queues),
		cmocka_unit_test(rate_is_kept),
		cmocka_unit_test(misdeeds_are_noticed),
		cmocka_unit_test(a_full_pair_goes_on),
		cmocka_unit_test(a_new_peer_is_noticed),
		cmocka_unit_test(a_flood_is_accounted_for),
	};

	if (argc > 1) /* one of them */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
