/* SPDX-License-Identifier: BSD-3-Clause */
/* Time. Everything that waits or measures takes it from here, so that a test can run on a clock of its own.
 */
#ifndef UNAPI_CORE_CLOCK_H
#define UNAPI_CORE_CLOCK_H

#include <stdint.h>
#include <unapi/error.h>

#define NSEC_PER_SEC  1000000000ULL
#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_USEC 1000ULL

/* Monotonic nanoseconds (CLOCK_MONOTONIC), or what the virtual clock says. */
uint64_t unapi_clock_ns(void);

/* Sleep for at least @ns; on the virtual clock, advance it by @ns instead. */
void unapi_clock_sleep(uint64_t ns);

/* For tests: replace the clock for the whole process. NULL restores the real one. Not thread safe. */
void unapi_clock_set_virtual(uint64_t *now);
extern uint64_t *unapi_virtual_now
	__attribute__((visibility("hidden"))); /* what was set, NULL on the real clock */

/* The time stamp counter: cheap, monotonic on one machine, its rate given by unapi_cycles_to_ns(). On the
 * virtual clock a cycle is a nanosecond. */
static inline uint64_t unapi_cycles(void)
{
	if (__builtin_expect(unapi_virtual_now != 0, 0))
		return __atomic_load_n(unapi_virtual_now, __ATOMIC_RELAXED);
	return __builtin_ia32_rdtsc();
}

/* Convert a difference of unapi_cycles(); calibrated once against CLOCK_MONOTONIC, good to about 0.1 %. */
UNAPI_API uint64_t unapi_cycles_to_ns(uint64_t cycles);
uint64_t unapi_ns_to_cycles(uint64_t ns);

#endif
