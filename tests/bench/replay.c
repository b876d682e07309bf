/* SPDX-License-Identifier: BSD-3-Clause */
/* The device of the counted and the timed passes: it fills and empties rings, and does nothing else. */
#include "tests/bench/replay.h"
#include "drivers/common/adv_desc.h"

#define FRAME	 60u  /* a frame of 64 bytes less its CRC */
#define FRAGMENT 500u /* of a packet of several */

/* A burst arrives. */
REPLAY_ALONE void device_rx(struct replay *r)
{
	uint64_t len = (uint64_t)(r->conf.frags > 1 ? FRAGMENT : FRAME) << ADV_RXD_LEN_SHIFT;
	uint32_t tail = *r->rx_tail, frag = 0;

	for (uint32_t n = r->conf.burst * r->conf.frags; n; n--) {
		struct replay_desc *d = &r->rx[r->rx_head];

		if (r->rx_head == tail) {
			r->starved++;
			return;
		}
		frag = frag + 1 == r->conf.frags ? 0 : frag + 1;
		d->lo = 0x1234567800000000ULL;
		d->hi = len | ADV_RXD_DD | (frag ? 0 : ADV_RXD_EOP);
		r->rx_head = replay_after(r, r->rx_head);
	}
}

/* Everything is sent. */
REPLAY_ALONE void device_tx(struct replay *r)
{
	uint32_t tail = *r->tx_tail;

	for (; r->tx_head != tail; r->tx_head = replay_after(r, r->tx_head)) {
		struct replay_desc *d = &r->tx[r->tx_head];

		r->sent += !!(d->hi & ADV_TXD_EOP);
		if (d->hi & ADV_TXD_RS)
			d->hi = ADV_TXD_DD;
	}
}

REPLAY_ALONE void replay_steady(struct replay *r, unsigned long rounds)
{
	while (rounds--) {
		device_rx(r);
		r->forwarded += r->conf.driver->forward(r);
		device_tx(r);
	}
}
