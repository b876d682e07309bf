/* SPDX-License-Identifier: BSD-3-Clause */
/* What a train consists of. */
#ifndef SIMNIC_TRAIN_FRAME_H
#define SIMNIC_TRAIN_FRAME_H

#include <stdint.h>

#define TRAIN_FRAME_MAX	  154u
#define TRAIN_TCP_PAYLOAD 100u

enum train_kind {
	TRAIN_ETH, /* of an ethertype that nobody aggregates */
	TRAIN_TCP, /* in-order segments of one flow: each continues the one before it, and nothing asks to be
		      delivered at once */
};

/* Frame number @n of all of its kind, to @mac. Returns its length, without FCS. */
uint32_t train_frame(uint8_t *f, enum train_kind kind, const uint8_t *mac, uint32_t n);

#endif
