/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the interrupt's eventfd being written to the poll method being entered, against the least that a
 *program could do: a thread in epoll_wait() over the same kind of descriptor.
 *
 *	napi_wake [PAIRS]
 *
 * One interrupt each for the bare loop, for a context on a thread of the library's, and for an instance with
 *a thread of its own, in turn, so that all see the same machine; all three on one CPU, the writer on another.
 * Prints the median of each in nanoseconds, and its ratio to the bare loop's.
 */
#include "core/napi/internal.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define SETTLE_NS 150000 /* for a subject to have gone back to sleep */

struct subject {
	const char *name;
	int fd;
	uint64_t entered; /* TSC; 0 until then */
	struct napi_struct n;
	uint64_t *took;
};

static struct subject subjects[3] = {{"bare epoll loop"}, {"context"}, {"thread of its own"}};

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, unapi_reason());
	exit(1);
}

static void *bare(void *arg)
{
	struct subject *s = arg;
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, s->fd, &ev))
		fail("epoll");
	while (epoll_wait(ep, &ev, 1, -1) == 1)
		__atomic_store_n(&s->entered, unapi_cycles(), __ATOMIC_RELEASE);
	return NULL;
}

static int poll_stamp(struct napi_struct *n, int budget)
{
	struct subject *s = container_of(n, struct subject, n);
	uint64_t now = unapi_cycles();

	napi_complete_done(n, 0);
	__atomic_store_n(&s->entered, now, __ATOMIC_RELEASE);
	return 0;
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set); /* with one CPU all share it, which the ratios bear */
}

static void start(struct subject *s, struct unapi_context *c, int cpu)
{
	struct unapi_thread_conf conf = {.cpu = cpu, .numa_node = -1};
	pthread_t t;

	s->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (s == &subjects[0]) {
		pin(cpu); /* which the thread inherits */
		if (pthread_create(&t, NULL, bare, s))
			fail("thread");
		pthread_detach(t);
		return;
	}
	if (unapi_napi_add(&s->n, c, "wake", poll_stamp, NAPI_POLL_WEIGHT) ||
	    unapi_napi_set_irq(&s->n, s->fd, NULL))
		fail(s->name);
	if (s == &subjects[2] && (unapi_napi_set_thread_conf(&s->n, &conf) ||
				  napi_set_threaded(&s->n, NETDEV_NAPI_THREADED_ENABLED)))
		fail(s->name);
	if (napi_enable(&s->n))
		fail(s->name);
}

static uint64_t interrupt(struct subject *s)
{
	struct timespec settle = {.tv_nsec = SETTLE_NS};
	uint64_t one = 1, t, in;

	nanosleep(&settle, NULL);
	s->entered = 0;
	t = unapi_cycles();
	if (write(s->fd, &one, sizeof(one)) != sizeof(one))
		fail("eventfd");
	while (!(in = __atomic_load_n(&s->entered, __ATOMIC_ACQUIRE)))
		cpu_relax();
	return in - t;
}

static int ascending(const void *a, const void *b)
{
	return *(const uint64_t *)a < *(const uint64_t *)b ? -1 : *(const uint64_t *)a > *(const uint64_t *)b;
}

int main(int argc, char **argv)
{
	unsigned long pairs = argc > 1 ? strtoul(argv[1], NULL, 0) : 2000, i;
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	struct unapi_context *c;
	double median[3];
	unsigned int k;

	if (!pairs || pairs > 10000000) {
		fprintf(stderr, "usage: napi_wake [PAIRS]\n");
		return 2;
	}
	if (unapi_context_create(NULL, &c) || unapi_context_start(c, cpus - 1))
		fail("context");
	for (k = 0; k < 3; k++) {
		start(&subjects[k], c, cpus - 1);
		subjects[k].took = calloc(pairs, sizeof(uint64_t));
		if (!subjects[k].took)
			fail("memory");
	}
	pin(0);
	for (i = 0; i < pairs; i++)
		for (k = 0; k < 3; k++)
			subjects[k].took[i] = interrupt(&subjects[k]);
	for (k = 0; k < 3; k++) {
		qsort(subjects[k].took, pairs, sizeof(uint64_t), ascending);
		median[k] = (double)unapi_cycles_to_ns(subjects[k].took[pairs / 2]);
		printf("%s: %.0f ns, %.2f\n", subjects[k].name, median[k], median[k] / median[0]);
	}
	return 0;
}
