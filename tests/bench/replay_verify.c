/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The verifying pass: the device numbers what it puts into buffers, varies lengths, tags and hashes, and
 * remembers all of it; what the driver then shows and what it sends must be that, in order.
 */
#include "tests/bench/replay.h"
#include "drivers/common/adv_desc.h"

#include <stdio.h>
#include <string.h>

#define STAMP_LEN 8u

const char *const replay_wrongs[NR_WRONGS] = {
	[RIGHT] = "right",
	[WRONG_RX_LENGTH] = "rx length",
	[WRONG_RX_ADDRESS] = "rx address",
	[WRONG_RX_DATA] = "rx data",
	[WRONG_RX_ORDER] = "rx order",
	[WRONG_RX_LOST] = "rx lost",
	[WRONG_RX_END] = "rx end",
	[WRONG_RX_VLAN] = "rx VLAN",
	[WRONG_RX_HASH] = "rx hash",
	[WRONG_TX_LENGTH] = "tx length",
	[WRONG_TX_TOTAL] = "tx total",
	[WRONG_TX_ADDRESS] = "tx address",
	[WRONG_TX_DATA] = "tx data",
	[WRONG_TX_LOST] = "tx lost",
	[WRONG_TX_END] = "tx end",
	[WRONG_TX_NO_RS] = "tx RS",
};

static void expect(struct replay *r, bool ok, enum replay_wrong which, uint64_t at, uint64_t is,
		   uint64_t should)
{
	if (!ok && !r->what[0])
		snprintf(r->what, sizeof(r->what), "%s: descriptor %llu: %#llx, not %#llx",
			 replay_wrongs[which], (unsigned long long)at, (unsigned long long)is,
			 (unsigned long long)should);
}

/* One fault, in the middle of the pass. */
static bool goes_wrong(struct replay *r, enum replay_wrong which, uint64_t at)
{
	if (r->wrong != which || at < 1000)
		return false;
	r->wrong = RIGHT;
	return true;
}

static struct replay_given *given(struct replay *r, uint64_t n)
{
	return &r->given[n % REPLAY_MAX_RING];
}

static uint32_t length_of(const struct replay *r, uint64_t packet, uint32_t frag)
{
	return r->conf.frags == 1 ? 60 + (uint32_t)(packet * 7 % 1455)
				  : 60 + (uint32_t)((packet * 7 + frag * 13) % 300);
}

/* One slot: what the device did, and what it says it did. */
static void receive_slot(struct replay *r, uint32_t frag)
{
	struct replay_desc *d = &r->rx[r->rx_head];
	struct replay_given *g = given(r, r->nr_given);
	uint64_t n = r->nr_given, len, stamp;

	g->data = r->conf.driver->at(r, d->lo);
	if (!g->data) {
		expect(r, false, WRONG_RX_ADDRESS, n, d->lo, 0);
		return;
	}
	g->len = length_of(r, r->packets, frag);
	g->total = 0;
	for (uint32_t i = 0; i < r->conf.frags; i++)
		g->total += length_of(r, r->packets, i);
	g->last = frag + 1 == r->conf.frags;
	g->hash = (uint32_t)(n * 2654435761u);
	g->vlan = (uint16_t)(n * 31);
	g->stamp = n;
	stamp = n + ((uint64_t)goes_wrong(r, WRONG_RX_DATA, n) << 40);
	memcpy(g->data, &stamp, STAMP_LEN);
	len = g->len + goes_wrong(r, WRONG_RX_LENGTH, n);
	if (goes_wrong(r, WRONG_RX_ADDRESS, n))
		g->data += 64;
	d->lo = (uint64_t)(g->hash + goes_wrong(r, WRONG_RX_HASH, n)) << 32;
	d->hi = len << ADV_RXD_LEN_SHIFT |
		(uint64_t)(uint16_t)(g->vlan + goes_wrong(r, WRONG_RX_VLAN, n)) << 48 | ADV_RXD_DD |
		(g->last ? ADV_RXD_EOP : 0);
	if (goes_wrong(r, WRONG_RX_END, n)) {
		g->last = !g->last;
	} else if (goes_wrong(r, WRONG_RX_ORDER, n)) {
		struct replay_given swap = *given(r, n - 1);

		*given(r, n - 1) = *g;
		*g = swap;
	}
	r->nr_given++;
	r->rx_head = replay_after(r, r->rx_head);
}

static void receive(struct replay *r)
{
	for (uint32_t i = 0; i < r->conf.burst; i++, r->packets++)
		for (uint32_t frag = 0; frag < r->conf.frags; frag++) {
			if (r->rx_head == *r->rx_tail) {
				r->starved++;
				return;
			}
			receive_slot(r, frag);
		}
}

void replay_saw(struct replay *r, const void *data, uint32_t len, bool last, uint16_t vlan, uint32_t hash)
{
	const struct replay_given *g = given(r, r->nr_seen);
	uint64_t n = r->nr_seen, stamp;

	if (n + 1 == r->nr_given && goes_wrong(r, WRONG_RX_LOST, n))
		return;
	memcpy(&stamp, data, STAMP_LEN);
	expect(r, n < r->nr_given, WRONG_RX_LOST, n, n, r->nr_given);
	/* The number says whether it is this packet at all, so it is looked at first: any other fault of
	 * order would show as a wrong address. */
	expect(r, stamp == g->stamp, stamp < r->nr_given ? WRONG_RX_ORDER : WRONG_RX_DATA, n, stamp,
	       g->stamp);
	expect(r, data == g->data, WRONG_RX_ADDRESS, n, (uintptr_t)data, (uintptr_t)g->data);
	expect(r, len == g->len, WRONG_RX_LENGTH, n, len, g->len);
	expect(r, last == g->last, WRONG_RX_END, n, last, g->last);
	expect(r, vlan == g->vlan, WRONG_RX_VLAN, n, vlan, g->vlan);
	expect(r, !r->conf.meta || hash == g->hash, WRONG_RX_HASH, n, hash, g->hash);
	r->nr_seen++;
}

static void send_slot(struct replay *r, struct replay_desc *d)
{
	uint64_t n = r->nr_sent, len, total, stamp = 0, hi = d->hi;
	const struct replay_given *g = given(r, n);
	const uint8_t *data = r->conf.driver->at(r, d->lo);
	bool last = hi & ADV_TXD_EOP;

	len = (hi & 0xffff) - goes_wrong(r, WRONG_TX_LENGTH, n);
	total = (hi >> ADV_TXD_PAYLEN_SHIFT) + goes_wrong(r, WRONG_TX_TOTAL, n);
	if (data && goes_wrong(r, WRONG_TX_ADDRESS, n))
		data += 64;
	if (data)
		memcpy(&stamp, data, STAMP_LEN);
	stamp += goes_wrong(r, WRONG_TX_DATA, n);
	last ^= goes_wrong(r, WRONG_TX_END, n);

	expect(r, n < r->nr_given, WRONG_TX_LOST, n, n, r->nr_given);
	expect(r, data == g->data, WRONG_TX_ADDRESS, n, (uintptr_t)data, (uintptr_t)g->data);
	expect(r, stamp == g->stamp, WRONG_TX_DATA, n, stamp, g->stamp);
	expect(r, len == g->len, WRONG_TX_LENGTH, n, len, g->len);
	expect(r, total == g->total, WRONG_TX_TOTAL, n, total, g->total);
	expect(r, last == g->last, WRONG_TX_END, n, last, g->last);
	r->nr_sent++;
	if (hi & ADV_TXD_RS)
		d->hi = ADV_TXD_DD;
}

static void send(struct replay *r)
{
	uint32_t tail = *r->tx_tail;
	bool rs = true;

	while (r->tx_head != tail) {
		struct replay_desc *d = &r->tx[r->tx_head];

		rs = d->hi & ADV_TXD_RS;
		r->tx_head = replay_after(r, r->tx_head);
		if (r->tx_head == tail && goes_wrong(r, WRONG_TX_LOST, r->nr_sent))
			continue;
		send_slot(r, d);
	}
	/* Without it, what was sent last would come back only with later traffic. */
	rs &= !goes_wrong(r, WRONG_TX_NO_RS, r->nr_sent);
	expect(r, rs, WRONG_TX_NO_RS, r->nr_sent, rs, true);
}

bool replay_verify(struct replay *r, unsigned long rounds)
{
	r->conf.driver->verify(r);
	while (rounds-- && !r->what[0]) {
		receive(r);
		r->forwarded += r->conf.driver->forward(r);
		send(r);
		expect(r, r->nr_seen == r->nr_given, WRONG_RX_LOST, r->nr_given, r->nr_seen, r->nr_given);
		expect(r, r->nr_sent == r->nr_given, WRONG_TX_LOST, r->nr_given, r->nr_sent, r->nr_given);
	}
	expect(r, !r->starved, WRONG_RX_LOST, r->nr_given, r->starved, 0);
	return !r->what[0];
}
