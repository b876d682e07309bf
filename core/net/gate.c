/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/net/gate.h"
#include "core/base/clock.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_once_t registered = PTHREAD_ONCE_INIT;
static bool have_membarrier;

static int membarrier(int cmd)
{
	return (int)syscall(SYS_membarrier, cmd, 0, 0);
}

static void register_membarrier(void)
{
	have_membarrier = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

/* A full fence in every running thread of the process; one that does not run had it when it was switched out.
 */
static void fence_all_threads(void)
{
	if (have_membarrier)
		membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

/* Inside a gate nothing blocks, so its user is gone in microseconds, unless it was preempted: then sleep,
 * since a spinning thread of higher priority would keep it from ever leaving. */
static bool wait_idle(const struct gate *g, uint64_t deadline)
{
	unsigned int spins = 0;

	while (__atomic_load_n(&g->busy, __ATOMIC_SEQ_CST)) {
		if (++spins < 1000) {
			cpu_relax();
			continue;
		}
		if (unapi_clock_ns() >= deadline)
			return false;
		unapi_clock_sleep(20 * NSEC_PER_USEC);
	}
	return true;
}

void gate_init(struct gate *g)
{
	pthread_once(&registered, register_membarrier);
	*g = (struct gate){.fenced = !have_membarrier};
}

void gate_open(struct gate *g)
{
	__atomic_store_n(&g->open, g->fenced ? GATE_OPEN_FENCED : GATE_OPEN, __ATOMIC_RELEASE);
}

bool __attribute__((noinline)) gate_enter_slowly(struct gate *g)
{
	/* shut, or the store of busy has to be seen before open is read again */
	__atomic_store_n(&g->busy, true, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&g->open, __ATOMIC_SEQ_CST) == GATE_OPEN_FENCED)
		return true;
	WRITE_ONCE(g->busy, false);
	return false;
}

int gates_shut(struct gate *const *g, unsigned int n, uint64_t timeout_ns)
{
	uint64_t deadline = unapi_clock_ns() + timeout_ns;
	unsigned int i;

	for (i = 0; i < n; i++)
		__atomic_store_n(&g[i]->open, GATE_SHUT, __ATOMIC_SEQ_CST);
	fence_all_threads();
	for (i = 0; i < n; i++) {
		if (wait_idle(g[i], deadline))
			continue;
		return -ETIMEDOUT;
	}
	return 0;
}

void gate_wait(struct gate *g)
{
	bool idle = false;

	/* What the caller unlinked has to be seen before busy is looked at, as gates_shut() does by its store
	 * of open; without membarrier(2) by an exchange that changes nothing. */
	if (unlikely(g->fenced))
		__atomic_compare_exchange_n(&g->busy, &idle, false, false, __ATOMIC_SEQ_CST,
					    __ATOMIC_SEQ_CST);
	else
		fence_all_threads();
	wait_idle(g, UINT64_MAX);
}
