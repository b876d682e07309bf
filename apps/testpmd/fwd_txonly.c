/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * txonly: UDP packets of the smallest size, one flow a stream, as fast as they go out; what comes in is
 * freed. Addresses are of the block for benchmarks (RFC 2544, 198.18.0.0/15), the port is discard (RFC 863).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <unapi/page_pool.h>

#include "ether.h"
#include "options.h"
#include "stream.h"

#define FRAME_LEN    60 /* 64 with the CRC that the device appends */
#define DISCARD_PORT 9
/* Buffers of a stream: two of the largest rings in flight would not find fewer of use. */
#define POOL_BUFFERS 8192

struct txonly {
	struct page_pool *pool;
	struct txonly *next_idle;
	bool adopted;
	unsigned int at, n; /* pkts[at..n): made, and not taken by the ring yet */
	struct unapi_pkt pkts[MAX_BURST];
	uint8_t frame[FRAME_LEN];
};

/*
 * Pools that no stream uses now. Buffers may still be in a transmit ring when forwarding stops, so a pool is
 * kept for the next start, and destroyed once the ports are closed. Main thread only.
 */
static struct txonly *idle;

static uint16_t ipv4_checksum(const struct ipv4_head *ip)
{
	const uint8_t *bytes = (const uint8_t *)ip;
	uint32_t sum = 0;

	for (unsigned int i = 0; i < sizeof(*ip); i += 2)
		sum += bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static void make_frame(const struct stream *s, uint8_t *frame)
{
	struct ether_head *eth = (struct ether_head *)frame;
	struct ipv4_head *ip = (struct ipv4_head *)(eth + 1);
	struct udp_head *udp = (struct udp_head *)(ip + 1);

	memcpy(eth->dst, s->dst, 6);
	memcpy(eth->src, s->src, 6);
	eth->type = htons(ETHER_IPV4);
	ip->version_ihl = 0x45;
	ip->total_len = htons(FRAME_LEN - sizeof(*eth));
	ip->ttl = 64;
	ip->protocol = IPPROTO_NR_UDP;
	memcpy(ip->src, (const uint8_t[4]){198, 18, 0, 1}, 4);
	/* The queue's number tells the flows of one port apart. */
	memcpy(ip->dst, (const uint8_t[4]){198, 19, (uint8_t)s->path.tx_queue, 1}, 4);
	ip->checksum = ipv4_checksum(ip);
	udp->src = udp->dst = htons(DISCARD_PORT);
	udp->len = htons(FRAME_LEN - sizeof(*eth) - sizeof(*ip));
	/* A UDP checksum of 0 is none (RFC 768). */
}

static int txonly_begin(struct stream *s)
{
	struct txonly *t = idle;
	int rc;

	if (t) {
		idle = t->next_idle;
	} else {
		t = calloc(1, sizeof(*t));
		if (!t)
			return -ENOMEM;
		rc = unapi_page_pool_create(POOL_BUFFERS, -1, &t->pool);
		if (rc) {
			free(t);
			return rc;
		}
	}
	t->adopted = false;
	make_frame(s, t->frame);
	s->priv = t;
	return 0;
}

static unsigned int txonly_send(struct stream *s)
{
	struct txonly *t = s->priv;
	unsigned int sent;

	if (!t->adopted) {
		unapi_page_pool_adopt(t->pool);
		t->adopted = true;
	}
	if (t->at == t->n) {
		t->at = 0;
		t->n = unapi_pkt_alloc_bulk(t->pool, t->pkts, __atomic_load_n(&s->burst, __ATOMIC_RELAXED));
		for (unsigned int i = 0; i < t->n; i++) {
			t->pkts[i].len = FRAME_LEN;
			memcpy(unapi_pkt_data(&t->pkts[i]), t->frame, FRAME_LEN);
		}
		if (!t->n) {
			/* All buffers are in the ring: take back what has been sent. */
			unapi_txq_clean(s->txq);
			return 0;
		}
	}
	sent = unapi_tx_burst(s->txq, t->pkts + t->at, t->n - t->at);
	t->at += sent;
	return sent;
}

static void txonly_end(struct stream *s)
{
	struct txonly *t = s->priv;

	unapi_pkt_free_bulk(t->pkts + t->at, t->n - t->at);
	t->at = t->n = 0;
	t->next_idle = idle;
	idle = t;
	s->priv = NULL;
}

static void txonly_cleanup(void)
{
	while (idle) {
		struct txonly *t = idle;

		idle = t->next_idle;
		unapi_page_pool_destroy(t->pool);
		free(t);
	}
}

static void txonly_rx(struct stream *s, struct unapi_pkt *pkts, unsigned int n)
{
	unapi_pkt_free_bulk(pkts, n);
}

const struct fwd_engine fwd_txonly = {
	.name = "txonly",
	.rx = txonly_rx,
	.begin = txonly_begin,
	.send = txonly_send,
	.end = txonly_end,
	.cleanup = txonly_cleanup,
};
