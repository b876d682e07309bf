/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/base/clock.h"
#include "core/base/compiler.h"

#include <pthread.h>
#include <time.h>

uint64_t *unapi_virtual_now;

static pthread_once_t calibrated = PTHREAD_ONCE_INIT;
static uint64_t base_cycles, base_ns;
static uint64_t cycles_per_ms; /* 0 until calibrate() has run */

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t unapi_clock_ns(void)
{
	return unapi_virtual_now ? __atomic_load_n(unapi_virtual_now, __ATOMIC_RELAXED) : monotonic_ns();
}

void unapi_clock_sleep(uint64_t ns)
{
	struct timespec ts = {.tv_sec = (time_t)(ns / NSEC_PER_SEC), .tv_nsec = (long)(ns % NSEC_PER_SEC)};

	if (unapi_virtual_now)
		__atomic_fetch_add(unapi_virtual_now, ns, __ATOMIC_RELAXED);
	else
		nanosleep(&ts, NULL);
}

void unapi_clock_set_virtual(uint64_t *now)
{
	unapi_virtual_now = now;
}

static void calibrate(void)
{
	uint64_t ns;

	base_cycles = __builtin_ia32_rdtsc();
	base_ns = monotonic_ns();
	do {
		ns = monotonic_ns();
	} while (ns - base_ns < 2 * NSEC_PER_MSEC);
	cycles_per_ms = (__builtin_ia32_rdtsc() - base_cycles) * NSEC_PER_MSEC / (ns - base_ns);
}

uint64_t unapi_cycles_to_ns(uint64_t cycles)
{
	if (unapi_virtual_now)
		return cycles;
	pthread_once(&calibrated, calibrate);
	return (uint64_t)((__uint128_t)cycles * NSEC_PER_MSEC / cycles_per_ms);
}

uint64_t unapi_ns_to_cycles(uint64_t ns)
{
	if (unapi_virtual_now)
		return ns;
	pthread_once(&calibrated, calibrate);
	return (uint64_t)((__uint128_t)ns * cycles_per_ms / NSEC_PER_MSEC);
}
