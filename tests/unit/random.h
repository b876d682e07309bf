/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers that look random and repeat: xorshift (Marsaglia 2003). A test sets @seed, never to 0. */
#ifndef UNAPI_TEST_RANDOM_H
#define UNAPI_TEST_RANDOM_H

#include <stdint.h>

static uint64_t seed;

static inline uint64_t rnd64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static inline uint32_t rnd(uint32_t below)
{
	return (uint32_t)(rnd64() >> 16) % below;
}

#endif
