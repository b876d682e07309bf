/* SPDX-License-Identifier: BSD-3-Clause */
/* The Toeplitz hash of receive-side scaling (82576 datasheet 7.1.1.7; "Verifying the RSS hash calculation",
 * Microsoft). */
#ifndef SIMNIC_RSS_H
#define SIMNIC_RSS_H

#include <stdint.h>

#define RSS_KEY_BYTES	40
#define RSS_INPUT_BYTES 36 /* two IPv6 addresses and two ports */

struct rss {
	/* What each value of each input byte contributes; the hash is linear. */
	uint32_t part[RSS_INPUT_BYTES][256];
};

void rss_set_key(struct rss *r, const uint8_t key[RSS_KEY_BYTES]);

static inline uint32_t rss_hash(const struct rss *r, const uint8_t *input, unsigned int len)
{
	uint32_t hash = 0;

	for (unsigned int i = 0; i < len; i++)
		hash ^= r->part[i][input[i]];
	return hash;
}

#endif
