/* SPDX-License-Identifier: BSD-3-Clause */
/* A traffic generator and judge: numbered frames go in, and every frame that comes back is checked.
 *
 * A flow is a UDP conversation whose addresses are chosen so that RSS sends it to one certain queue; all
 * enabled queues get flows in turn. Closed loop: a frame enters only if its queue has a descriptor and its
 * flow has less than its share of half a ring outstanding. A flow that cannot send and hears nothing for a
 * second has lost what is outstanding; should that come after all, it is taken off the losses again.
 */
#include "apps/simnic/hist.h"
#include "apps/simnic/igb.h"
#include "apps/simnic/options.h"
#include "apps/simnic/wire.h"
#include "core/base/clock.h"
#include "core/base/reason.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define SPAN	     8192u /* sequence numbers a flow remembers: more than any ring */
#define PAYLOAD_AT   42u
#define STAMP_LEN    18u
#define PATTERN_AT   (PAYLOAD_AT + STAMP_LEN)
#define GIVE_UP_NS   NSEC_PER_SEC
#define STALL_LOOK   (200 * NSEC_PER_MSEC)
#define ROUTE_TRIES  4096u
#define BURST	     8u
#define ARREARS	     64u /* frames */
#define DEFAULT_FLOW 2u	 /* for each queue */

/* What a frame carries behind its UDP header: as small as a 64-byte frame demands. */
struct stamp {
	uint16_t flow;
	uint32_t seq;
	uint64_t cycles;
	uint32_t check;
} __attribute__((packed));

struct flow {
	uint32_t next, base, high; /* to send next; oldest outstanding; behind the newest that came back */
	uint32_t outstanding;
	uint32_t window;
	unsigned int queue;
	uint32_t serial; /* the RSS configuration that it was routed for */
	uint64_t heard;	 /* cycles at the last return */
	uint8_t *frame;
	uint64_t back[SPAN / 64]; /* came back, by sequence number */
};

struct gen {
	struct flow *flows;
	uint8_t *frames;
	unsigned int nr_flows, turn;
	uint32_t len; /* of a frame, without FCS */
	uint32_t salt;
	uint32_t serial; /* the RSS configuration that all flows were laid out for */
	/* when */
	uint64_t started, stopped, finished, stall_since;
	double tokens;
	uint64_t tokens_at;
	uint64_t ns_per_2_32_cycles, give_up_cycles;
	/* what */
	uint64_t tx, rx, lost, dup, reorder, corrupt, foreign, overrun, stall_ns, outstanding;
	unsigned int phase;
	struct hist latency;
};

static uint32_t check_of(const struct gen *g, const struct stamp *s)
{
	uint64_t x = s->cycles ^ ((uint64_t)s->seq << 20) ^ ((uint64_t)s->flow << 52) ^ g->salt;

	x *= 0x9e3779b97f4a7c15ull;
	return (uint32_t)(x >> 32) ^ (uint32_t)x;
}

static bool was_back(const struct flow *f, uint32_t seq)
{
	return f->back[seq % SPAN / 64] >> seq % 64 & 1;
}

/* ---- laying out the flows */

static int alloc_flows(struct wire *w, unsigned int n)
{
	struct gen *g = w->priv;

	free(g->flows);
	free(g->frames);
	g->nr_flows = 0;
	g->flows = calloc(n, sizeof(*g->flows));
	g->frames = calloc(n, g->len);
	if (!g->flows || !g->frames)
		return unapi_fail(ENOMEM, "wire=gen: no memory for %u flows", n);
	g->nr_flows = n;
	for (unsigned int i = 0; i < n; i++)
		g->flows[i].frame = g->frames + (size_t)i * g->len;
	return 0;
}

static void build_frame(struct wire *w, struct flow *f, unsigned int n)
{
	struct gen *g = w->priv;
	uint8_t *p = f->frame, *ip = p + ETH_HLEN, *udp = ip + 20;

	memcpy(p, &w->nic->reg[E1000_RAL(0) / 4], 4);
	memcpy(p + 4, &w->nic->reg[E1000_RAH(0) / 4], 2);
	memcpy(p + 6, "\x02\x00\x00\x00\x00\x01", 6);
	put_be16(p + 12, 0x0800);
	memset(ip, 0, 20);
	ip[0] = 0x45;
	put_be16(ip + 2, (uint16_t)(g->len - ETH_HLEN));
	ip[8] = 64;
	ip[9] = 17;
	put_be32(ip + 12, 0xc6120000 + (n & 0xffff)); /* 198.18.0.0/15 is for benchmarks: RFC 2544 */
	put_be32(ip + 16, 0xc6130001);
	put_be16(ip + 10, (uint16_t)~csum_fold(csum_add(0, ip, 20)));
	put_be16(udp, (uint16_t)(1024 + n));
	put_be16(udp + 2, 9);
	put_be16(udp + 4, (uint16_t)(g->len - ETH_HLEN - 20));
	put_be16(udp + 6, 0);
	for (uint32_t i = PATTERN_AT; i < g->len; i++)
		p[i] = (uint8_t)(i * 7 + n);
}

/* Find addresses that RSS sends to @queue. If there are none (a table without that queue) what was tried last
 * will do. */
static void route_flow(struct wire *w, struct flow *f, unsigned int id, unsigned int queue,
		       unsigned int sharers)
{
	struct gen *g = w->priv;
	uint32_t room;

	for (unsigned int i = 0; i < ROUTE_TRIES; i++) {
		build_frame(w, f, id + i * g->nr_flows);
		f->queue = igb_rx_queue_of(w->nic, f->frame, g->len);
		if (f->queue == queue)
			break;
	}
	room = w->nic->rx[f->queue].ring.count / 2 / sharers;
	f->window = room ? room : 1;
	f->serial = w->nic->rss_serial;
}

static void give_up(struct gen *g, struct flow *f)
{
	g->lost += f->outstanding;
	g->outstanding -= f->outstanding;
	f->outstanding = 0;
	f->base = f->next;
}

/* A queue that was off for a moment gets the flows that it had. */
static bool still_goes_to(struct wire *w, const struct flow *f, unsigned int queue)
{
	struct gen *g = w->priv;

	return f->window && f->queue == queue && igb_rx_queue_of(w->nic, f->frame, g->len) == queue;
}

/* Give every queue its flows. Those with frames on the way keep their queue until these are back, so that
 * none overtakes. */
static bool layout(struct wire *w)
{
	struct gen *g = w->priv;
	unsigned int queues[E1000_MAX_QUEUES], n = 0, want;
	bool all = true;

	for (unsigned int q = 0; q < E1000_MAX_QUEUES; q++) {
		if (w->nic->rx[q].ring.enabled)
			queues[n++] = q;
	}
	if (!n)
		return false;
	want = w->opt->flows ? w->opt->flows : n * DEFAULT_FLOW;
	if (want != g->nr_flows && !g->outstanding && alloc_flows(w, want))
		return false;
	for (unsigned int i = 0; i < g->nr_flows; i++) {
		struct flow *f = &g->flows[i];

		if (f->serial == w->nic->rss_serial && f->window)
			continue;
		if (want == g->nr_flows && still_goes_to(w, f, queues[i % n])) {
			f->serial = w->nic->rss_serial;
			continue;
		}
		if (f->outstanding && unapi_cycles() - f->heard > g->give_up_cycles)
			give_up(g, f);
		if (f->outstanding)
			all = false;
		else
			route_flow(w, f, i, queues[i % n], (g->nr_flows + n - 1) / n);
	}
	if (all && want == g->nr_flows)
		g->serial = w->nic->rss_serial;
	return g->nr_flows;
}

/* ---- sending */

static bool may_send(struct wire *w, struct flow *f)
{
	struct gen *g = w->priv;

	if (f->serial != w->nic->rss_serial)
		return false; /* its frames are on their way through the old layout */
	if (w->opt->lossy) {
		if (f->next - f->base >= SPAN / 2)
			give_up(g, f);
		return true;
	}
	if (f->outstanding < f->window && f->next - f->base < SPAN / 2)
		return igb_rx_room(w->nic, f->queue, g->len);
	if (unapi_cycles() - f->heard > g->give_up_cycles)
		give_up(g, f);
	return false;
}

/* The sender does not wait: its frame is lost for want of a descriptor. It never gets a number, which would
 * only have to be waited for. */
static void overrun(struct wire *w, const struct flow *f)
{
	struct gen *g = w->priv;

	igb_rx_overrun(w->nic, f->queue);
	g->tx++;
	g->lost++;
	g->overrun++;
}

static bool send_one(struct wire *w, struct flow *f)
{
	struct gen *g = w->priv;
	struct stamp s = {.flow = (uint16_t)(f - g->flows), .seq = f->next};
	enum igb_rx_result did;

	/* Looked at first: under overload nearly every frame is lost, and what that takes is taken from those
	 * that are not. */
	if (w->opt->lossy && !igb_rx_room(w->nic, f->queue, g->len)) {
		overrun(w, f);
		return true;
	}
	s.cycles = unapi_cycles();
	s.check = check_of(g, &s);
	memcpy(f->frame + PAYLOAD_AT, &s, sizeof(s));
	if (!f->outstanding)
		f->heard = s.cycles;
	f->back[f->next % SPAN / 64] &= ~(1ull << f->next % 64);
	/* Counted before: a NIC that loops it back at once answers from inside the call. */
	f->next++;
	f->outstanding++;
	g->outstanding++;
	g->tx++;
	did = igb_rx(w->nic, f->frame, g->len);
	if (likely(did == IGB_RX_TAKEN))
		return true;
	f->next--;
	f->outstanding--;
	g->outstanding--;
	g->tx--;
	if (!w->opt->lossy)
		return false;
	if (did == IGB_RX_BUSY) {
		overrun(w, f);
	} else { /* filtered: the NIC has counted it */
		g->tx++;
		g->lost++;
	}
	return true;
}

static void stop(struct gen *g)
{
	if (!g->stopped)
		g->stopped = unapi_clock_ns();
}

/* What could not be sent in time is not made up for in a flood; a sender who does not wait owes a
 * millisecond. */
static double arrears(const struct sim_options *o)
{
	uint64_t ms = o->lossy ? o->rate / 1000 : 0;

	return (double)(ms > ARREARS ? ms : ARREARS);
}

/* How many frames the rate, the count and the time allow now, at most @budget. */
static unsigned int allowance(struct wire *w, uint64_t now, unsigned int budget)
{
	struct gen *g = w->priv;
	const struct sim_options *o = w->opt;

	if (!g->started)
		g->started = g->tokens_at = now;
	if ((o->count && g->tx >= o->count) || (o->time && now - g->started >= o->time * NSEC_PER_MSEC))
		stop(g);
	if (g->stopped)
		return 0;
	if (o->count && o->count - g->tx < budget)
		budget = (unsigned int)(o->count - g->tx);
	if (o->rate) {
		g->tokens += (double)(now - g->tokens_at) * (double)o->rate / (double)NSEC_PER_SEC;
		g->tokens_at = now;
		g->tokens = g->tokens < arrears(o) ? g->tokens : arrears(o);
		if (g->tokens < budget)
			budget = (unsigned int)g->tokens;
	}
	return budget;
}

static void account_stall(struct gen *g, uint64_t now, bool stalled)
{
	if (g->stall_since)
		g->stall_ns += now - g->stall_since;
	g->stall_since = stalled ? now : 0;
}

static void finish(struct gen *g, uint64_t now)
{
	if (!g->stopped || g->finished)
		return;
	if (g->outstanding && now - g->stopped < GIVE_UP_NS)
		return;
	for (unsigned int i = 0; i < g->nr_flows; i++)
		give_up(g, &g->flows[i]);
	g->finished = now;
}

static unsigned int gen_poll(struct wire *w, unsigned int budget)
{
	struct gen *g = w->priv;
	uint64_t now = unapi_clock_ns();
	unsigned int sent = 0, allowed, idle = 0;

	finish(g, now);
	w->urgent = false;
	if (g->stopped || !igb_rx_enabled(w->nic) || (g->serial != w->nic->rss_serial && !layout(w))) {
		account_stall(g, now, false);
		return 0;
	}
	allowed = allowance(w, now, budget);
	/* An open loop has its times, and whoever got this CPU from us would have it for milliseconds. */
	w->urgent = w->opt->lossy && w->opt->rate && !g->stopped;
	while (sent < allowed && idle < g->nr_flows) {
		struct flow *f = &g->flows[g->turn];
		unsigned int n = 0;

		while (n < BURST && sent + n < allowed && may_send(w, f) && send_one(w, f))
			n++;
		sent += n;
		idle = n ? 0 : idle + 1;
		g->turn = g->turn + 1 == g->nr_flows ? 0 : g->turn + 1;
	}
	g->tokens -= w->opt->rate ? sent : 0;
	account_stall(g, now, allowed && !sent);
	return sent;
}

static uint64_t gen_next(const struct wire *w)
{
	const struct gen *g = w->priv;
	uint64_t next = UINT64_MAX;

	if (g->finished || !igb_rx_enabled(w->nic))
		return next;
	if (g->stopped)
		return g->stopped + GIVE_UP_NS;
	if (w->opt->time && g->started)
		next = g->started + w->opt->time * NSEC_PER_MSEC;
	if (g->stall_since && g->outstanding && g->stall_since + STALL_LOOK < next)
		next = g->stall_since + STALL_LOOK;
	if (w->opt->rate && !g->stall_since) {
		double need = g->tokens < 1 ? 1 - g->tokens : 0;
		uint64_t at =
			g->tokens_at + (uint64_t)(need * (double)NSEC_PER_SEC / (double)w->opt->rate) + 1;

		next = at < next ? at : next;
	}
	return next;
}

/* ---- what comes back */

static void account_return(struct gen *g, struct flow *f, const struct stamp *s)
{
	uint64_t now = unapi_cycles();
	uint32_t age = f->next - s->seq; /* 1 for the newest */

	if (age - 1 >= SPAN - 1) { /* never sent, or forgotten long ago */
		g->corrupt++;
		return;
	}
	if (was_back(f, s->seq)) {
		g->dup++;
		return;
	}
	f->back[s->seq % SPAN / 64] |= 1ull << s->seq % 64;
	g->rx++;
	if ((int32_t)(s->seq - f->base) < 0) {
		g->lost--; /* given up too early */
	} else {
		f->outstanding--;
		g->outstanding--;
	}
	if ((int32_t)(s->seq - f->high) < 0)
		g->reorder++;
	else
		f->high = s->seq + 1;
	while (f->base != f->next && was_back(f, f->base))
		f->base++;
	f->heard = now;
	hist_add(&g->latency, (uint64_t)(((__uint128_t)(now - s->cycles) * g->ns_per_2_32_cycles) >> 32));
}

static int gen_send(struct wire *w, const uint8_t *frame, uint32_t len)
{
	struct gen *g = w->priv;
	struct stamp s;
	struct flow *f;

	/* 198.18.0.0/15 to the discard port marks a frame as one of ours. */
	if (len < PATTERN_AT || get_be16(frame + 12) != 0x0800 || get_be16(frame + 26) != 0xc612 ||
	    get_be16(frame + 36) != 9) {
		g->foreign++;
		return 0;
	}
	memcpy(&s, frame + PAYLOAD_AT, sizeof(s));
	if (s.flow >= g->nr_flows || s.check != check_of(g, &s)) {
		g->corrupt++;
		return 0;
	}
	f = &g->flows[s.flow];
	/* The Ethernet header is the forwarder's to change; everything else is as it was sent. */
	if (len != g->len || memcmp(frame + ETH_HLEN, f->frame + ETH_HLEN, PAYLOAD_AT - ETH_HLEN) ||
	    memcmp(frame + PATTERN_AT, f->frame + PATTERN_AT, len - PATTERN_AT))
		g->corrupt++;
	account_return(g, f, &s);
	return 0;
}

/* ---- life */

static int gen_open(struct wire *w, const char *arg)
{
	struct gen *g = calloc(1, sizeof(*g));
	int rc;

	if (!g)
		return unapi_fail(ENOMEM, "wire=gen: no memory");
	w->priv = g;
	/* The options are the server's own; the wire's argument is another place to write them. */
	rc = sim_option_list(w->opt, arg);
	if (rc)
		return rc;
	g->len = w->opt->size - ETH_FCS_LEN;
	g->salt = (uint32_t)unapi_cycles(); /* frames of an earlier run are not ours */
	g->ns_per_2_32_cycles = unapi_cycles_to_ns(1ull << 32);
	g->give_up_cycles = (uint64_t)(((__uint128_t)GIVE_UP_NS << 32) / g->ns_per_2_32_cycles);
	g->phase = 1;
	w->carrier = true;
	return 0;
}

static void gen_close(struct wire *w)
{
	struct gen *g = w->priv;

	if (g) {
		free(g->flows);
		free(g->frames);
	}
	free(g);
}

void gen_stop(struct wire *w)
{
	stop(w->priv);
}

bool gen_finished(const struct wire *w)
{
	return ((const struct gen *)w->priv)->finished;
}

void gen_new_phase(struct wire *w)
{
	struct gen *g = w->priv;

	memset(&g->latency, 0, sizeof(g->latency));
	g->phase++;
}

void gen_json(const struct wire *w, FILE *f)
{
	const struct gen *g = w->priv;
	const struct hist *h = &g->latency;

	fprintf(f,
		"\"phase\": %u, \"drained\": %s, \"flows\": %u, \"tx\": %" PRIu64 ", \"rx\": %" PRIu64
		", \"lost\": %" PRIu64 ", \"dup\": %" PRIu64 ", \"reorder\": %" PRIu64
		", \"corrupt\": %" PRIu64 ", \"foreign\": %" PRIu64 ", \"overrun\": %" PRIu64
		", \"outstanding\": %" PRIu64 ", \"stall_ns\": %" PRIu64 ", \"latency_count\": %" PRIu64
		", \"p50_ns\": %" PRIu64 ", \"p99_ns\": %" PRIu64 ", \"p999_ns\": %" PRIu64
		", \"max_ns\": %" PRIu64 ", ",
		g->phase, g->finished ? "true" : "false", g->nr_flows, g->tx, g->rx, g->lost, g->dup,
		g->reorder, g->corrupt, g->foreign, g->overrun, g->outstanding, g->stall_ns, h->count,
		hist_quantile(h, 500), hist_quantile(h, 990), hist_quantile(h, 999), h->max);
}

const struct wire_ops wire_gen = {.name = "gen",
				  .open = gen_open,
				  .send = gen_send,
				  .poll = gen_poll,
				  .next = gen_next,
				  .close = gen_close};
