/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/simnic/rss.h"

/* The 32 bits of the key that start at bit @at. */
static uint32_t window(const uint8_t *key, unsigned int at)
{
	uint64_t bits = 0;

	for (unsigned int i = 0; i < 5; i++)
		bits = bits << 8 | (at / 8 + i < RSS_KEY_BYTES ? key[at / 8 + i] : 0);
	return (uint32_t)(bits >> (8 - at % 8));
}

void rss_set_key(struct rss *r, const uint8_t key[RSS_KEY_BYTES])
{
	for (unsigned int i = 0; i < RSS_INPUT_BYTES; i++) {
		for (unsigned int value = 0; value < 256; value++) {
			uint32_t sum = 0;

			for (unsigned int bit = 0; bit < 8; bit++) {
				if (value & (0x80u >> bit))
					sum ^= window(key, 8 * i + bit);
			}
			r->part[i][value] = sum;
		}
	}
}
