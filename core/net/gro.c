/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Holding, merging and delivering.
 *
 * Packets are held by flow in a few short lists ("buckets"), the oldest of each first. Whatever comes in and
 * is not merged goes to @out in the order of its coming, behind what is held of the same flow, and from there
 * to the application when @out is full or the call ends.
 */
#include "core/net/gro.h"
#include "core/base/clock.h"
#include "core/net/gro_merge.h"
#include "core/net/netdev.h"

#include <stdlib.h>
#include <string.h>

struct bucket {
	uint8_t n;
	uint8_t order[GRO_MAX_HELD]; /* places in @held, the oldest first; behind @n those that are free */
	struct gro_packet held[GRO_MAX_HELD];
};

struct gro {
	struct rx_queue *q;
	unsigned int protocols;
	uint8_t used;		    /* a bit for each bucket that holds something */
	uint64_t now_ms;	    /* when this call began; 0: not looked at yet */
	unsigned int n_out;	    /* records in @out, whole packets */
	struct unapi_pkt *out;	    /* q->batch of them */
	struct unapi_rx_meta *meta; /* as many, or NULL */
	struct bucket buckets[GRO_BUCKETS];
};

struct gro *gro_alloc(struct rx_queue *q, bool meta)
{
	struct gro *g = calloc(1, sizeof(*g));
	unsigned int b, i;

	if (!g)
		return NULL;
	g->q = q;
	g->out = calloc(q->batch, sizeof(*g->out));
	g->meta = meta ? calloc(q->batch, sizeof(*g->meta)) : NULL;
	if (!g->out || (meta && !g->meta)) {
		gro_free(g);
		return NULL;
	}
	for (b = 0; b < GRO_BUCKETS; b++)
		for (i = 0; i < GRO_MAX_HELD; i++)
			g->buckets[b].order[i] = (uint8_t)i;
	return g;
}

void gro_free(struct gro *g)
{
	unsigned int b, i;

	if (!g)
		return;
	for (b = 0; b < GRO_BUCKETS; b++)
		for (i = 0; i < g->buckets[b].n; i++) {
			struct gro_packet *h = &g->buckets[b].held[g->buckets[b].order[i]];

			unapi_pkt_free_bulk(h->rec, h->count);
		}
	free(g->out);
	free(g->meta);
	free(g);
}

void gro_set_protocols(struct gro *g, unsigned int protocols)
{
	g->protocols = protocols;
}

bool gro_held(const struct gro *g)
{
	return g->used;
}

static uint64_t now_ms(void)
{
	return unapi_clock_ns() / NSEC_PER_MSEC;
}

/* Hand over what is in @out. */
static void deliver(struct gro *g)
{
	unsigned int n = g->n_out;

	if (!n)
		return;
	g->n_out = 0;
	g->q->app_fn(g->q->app_arg, g->out, g->meta, n);
}

/* One packet goes to the application, when its turn comes. */
static void emit(struct gro *g, const struct unapi_pkt *rec, const struct unapi_rx_meta *meta, unsigned int n)
{
	if (g->n_out + n > g->q->batch)
		deliver(g);
	memcpy(g->out + g->n_out, rec, n * sizeof(*rec));
	if (g->meta)
		memcpy(g->meta + g->n_out, meta, n * sizeof(*meta));
	g->n_out += n;
}

/* The @i-th oldest of a bucket is not held any more. */
static void release(struct gro *g, struct bucket *b, unsigned int i)
{
	uint8_t place = b->order[i];
	struct gro_packet *h = &b->held[place];

	gro_finish(h);
	if (h->count > 1) {
		stat_add(&g->q->stats.gro_packets, 1);
		stat_add(&g->q->stats.gro_wire_packets, h->count);
	}
	emit(g, h->rec, h->meta, h->count);
	b->n--;
	memmove(&b->order[i], &b->order[i + 1], b->n - i);
	b->order[b->n] = place;
	if (!b->n)
		g->used &= (uint8_t) ~(1u << (b - g->buckets));
}

bool gro_flush(struct gro *g, bool only_old)
{
	uint64_t now = only_old ? now_ms() : 0;
	unsigned int used = g->used;

	for (; used; used &= used - 1) {
		struct bucket *b = &g->buckets[__builtin_ctz(used)];

		while (b->n && !(only_old && b->held[b->order[0]].since_ms == now))
			release(g, b, 0);
	}
	if (!g->n_out)
		return false;
	deliver(g);
	return true;
}

/* Everything between the hosts of @s, whatever the flow. */
static void release_pair(struct gro *g, const struct gro_seg *s)
{
	unsigned int used = g->used, i;

	for (; used; used &= used - 1) {
		struct bucket *b = &g->buckets[__builtin_ctz(used)];

		for (i = 0; i < b->n;)
			if (gro_same_pair(&b->held[b->order[i]], s))
				release(g, b, i);
			else
				i++;
	}
}

static void hold(struct gro *g, struct bucket *b, const struct gro_seg *s, const struct unapi_pkt *p,
		 const struct unapi_rx_meta *meta)
{
	if (b->n == GRO_MAX_HELD)
		release(g, b, 0);
	if (!g->now_ms)
		g->now_ms = now_ms();
	gro_begin(&b->held[b->order[b->n++]], s, p, meta, g->now_ms);
	g->used |= (uint8_t)(1u << (b - g->buckets));
}

/* A packet whose flow is known. */
static void receive_flow(struct gro *g, const struct gro_seg *s, const struct unapi_pkt *p,
			 const struct unapi_rx_meta *meta, unsigned int n)
{
	struct bucket *b = &g->buckets[s->hash >> 29];
	unsigned int i;

	for (i = 0; i < b->n; i++)
		if (gro_same_flow(&b->held[b->order[i]], s, p))
			break;
	if (i < b->n) {
		struct gro_packet *h = &b->held[b->order[i]];

		if (s->kind == GRO_SEGMENT && gro_fits(h, s)) {
			gro_add(h, s, p, meta);
			if (gro_is_last(h, s))
				release(g, b, i);
			return;
		}
		release(g, b, i);
	}
	if (s->kind == GRO_SEGMENT && gro_may_begin(s, p))
		hold(g, b, s, p, meta);
	else
		emit(g, p, meta, n);
}

static unsigned int records_of(const struct unapi_pkt *p)
{
	unsigned int n = 1;

	while (p->flags & UNAPI_PKT_MORE) {
		p++;
		n++;
	}
	return n;
}

void gro_rx(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	struct gro *g = arg;
	unsigned int i, k;
	struct gro_seg s;

	g->now_ms = 0;
	for (i = 0; i < n; i += k) {
		const struct unapi_rx_meta *m = g->meta ? meta + i : NULL;

		k = records_of(&pkts[i]);
		gro_parse(&pkts[i], g->protocols, &s);
		if (s.kind >= GRO_ALONE) {
			receive_flow(g, &s, &pkts[i], m, k);
			continue;
		}
		if (s.kind == GRO_OF_PAIR)
			release_pair(g, &s);
		emit(g, &pkts[i], m, k);
	}
	deliver(g);
}
