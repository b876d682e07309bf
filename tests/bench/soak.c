/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * N numbered packets through the simulated NIC and back, while it is changed all the time how each queue's
 * instance is polled. None may be lost, doubled, changed, or overtake another of its flow.
 *
 *	soak N [QUEUES [OPTIONS [SEED]]]
 *
 * OPTIONS are the simulated NIC's, doorbell=mmap if none are given. Says what it did as one JSON object.
 */
#include "tests/bench/simrig.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define STALL_NS (20 * NSEC_PER_SEC) /* nothing moves for so long: something sleeps that should not */

struct soak {
	struct simrig rig;
	uint64_t count, changes[NR_SIMRIG_MODES], packets[NR_SIMRIG_MODES];
	uint32_t random;
};

static uint32_t any(struct soak *s, uint32_t below)
{
	s->random = s->random * 1664525 + 1013904223; /* Numerical Recipes' */
	return (uint32_t)((uint64_t)s->random * below >> 32);
}

/* Two of all spin at most, as every one takes a whole CPU from the others. */
static bool too_many_spin(const struct soak *s)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->rig.queues; i++)
		n += s->rig.q[i].mode == BY_THREAD_BUSY;
	return n >= 2;
}

static void change_one(struct soak *s)
{
	static const uint64_t timeouts[] = {1000, 20000, 100000, 1000000};
	struct simrig_queue *q = &s->rig.q[any(s, s->rig.queues)];
	enum simrig_mode mode = any(s, NR_SIMRIG_MODES);
	bool defer = mode == BY_DEFERRED || any(s, 4) == 0;

	if (mode == BY_THREAD_BUSY && too_many_spin(s))
		mode = BY_INTERRUPT;
	s->changes[mode]++;
	simrig_poll_by(q, mode, defer ? 1 + any(s, 3) : 0, defer ? timeouts[any(s, 4)] : 0);
}

/* What each queue moved since the last look is charged to its mode. */
static void charge(struct soak *s, uint64_t *seen)
{
	for (unsigned int i = 0; i < s->rig.queues; i++) {
		uint64_t now = READ_ONCE(s->rig.q[i].packets);

		s->packets[s->rig.q[i].mode] += now - seen[i];
		seen[i] = now;
	}
}

static void tell_stall(struct soak *s)
{
	fprintf(stderr, "nothing moved for %u s, after %" PRIu64 " packets of %" PRIu64 "\n",
		(unsigned int)(STALL_NS / NSEC_PER_SEC), simrig_packets(&s->rig), s->count);
	for (unsigned int i = 0; i < s->rig.queues; i++)
		fprintf(stderr, "queue %u: %s, state %#lx, %" PRIu64 " packets\n", i,
			simrig_modes[s->rig.q[i].mode], s->rig.q[i].napi->state, s->rig.q[i].packets);
	exit(1);
}

static void *control(void *arg)
{
	struct soak *s = arg;
	uint64_t seen[SIMRIG_QUEUES] = {0}, last = 0, moved = unapi_clock_ns();
	struct simrig_figures f;

	for (;;) {
		uint64_t sum;

		unapi_clock_sleep((1 + any(s, 4)) * NSEC_PER_MSEC);
		charge(s, seen);
		change_one(s);
		sum = simrig_packets(&s->rig);
		if (sum != last) {
			last = sum;
			moved = unapi_clock_ns();
		}
		if (unapi_clock_ns() - moved > STALL_NS)
			tell_stall(s);
		/* the model's file is looked at only where it may say that all is over */
		if (sum >= s->count && simrig_figures(&s->rig, &f) && f.drained)
			break;
		/* so it is if some were lost */
		if (unapi_clock_ns() - moved > 2 * NSEC_PER_SEC && simrig_figures(&s->rig, &f) && f.drained)
			break;
	}
	charge(s, seen);
	simrig_end(&s->rig);
	return NULL;
}

static uint64_t violations(struct simrig *r)
{
	struct unapi_napi_stats st;
	uint64_t n = 0;

	for (unsigned int i = 0; i < r->queues; i++) {
		unapi_napi_get_stats(r->q[i].napi, &st);
		n += st.violations;
	}
	return n;
}

static bool report(struct soak *s, const struct simrig_figures *f, unsigned int missing, uint64_t broken,
		   double seconds)
{
	uint64_t dropped = 0;
	bool good;

	for (unsigned int i = 0; i < s->rig.queues; i++)
		dropped += s->rig.q[i].dropped;
	good = f->tx == (long long)s->count && f->rx == f->tx && !f->lost && !f->dup && !f->reorder &&
	       !f->corrupt && !f->foreign && !f->rx_dropped && !f->dma_faults && !f->driver_errors &&
	       !dropped && !missing && !broken;
	printf("{\"bench\": \"soak\", \"good\": %s, \"sent\": %lld, \"back\": %lld, \"lost\": %lld, "
	       "\"doubled\": %lld, "
	       "\"reordered\": %lld, \"corrupt\": %lld, \"foreign\": %lld, \"dropped\": %" PRIu64
	       ", \"device_dropped\": %lld, \"buffers_missing\": %u, \"violations\": %" PRIu64
	       ", \"dma_faults\": %lld, \"driver_errors\": %lld, \"queues\": %u, \"seconds\": %.1f, \"pps\": "
	       "%.0f, "
	       "\"packets_by\": {",
	       good ? "true" : "false", f->tx, f->rx, f->lost, f->dup, f->reorder, f->corrupt, f->foreign,
	       dropped, f->rx_dropped, missing, broken, f->dma_faults, f->driver_errors, s->rig.queues,
	       seconds, (double)f->rx / seconds);
	for (unsigned int m = 0; m < NR_SIMRIG_MODES; m++)
		printf("%s\"%s\": %" PRIu64, m ? ", " : "", simrig_modes[m], s->packets[m]);
	printf("}, \"changes_to\": {");
	for (unsigned int m = 0; m < NR_SIMRIG_MODES; m++)
		printf("%s\"%s\": %" PRIu64, m ? ", " : "", simrig_modes[m], s->changes[m]);
	printf("}}\n");
	if (f->complaint[0])
		fprintf(stderr, "the simulated NIC: %s\n", f->complaint);
	return good;
}

int main(int argc, char **argv)
{
	static struct soak soak __cacheline_aligned;
	struct soak *s = &soak;
	unsigned int queues = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 0) : 4, missing;
	const char *options = argc > 3 ? argv[3] : "doorbell=mmap";
	struct simrig_figures last;
	uint64_t started, broken;
	char spec[200];
	pthread_t t;
	double took;

	*s = (struct soak){.count = argc > 1 ? strtoull(argv[1], NULL, 0) : 0,
			   .random = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 0) : 1};
	if (!s->count || !queues || queues > 9) { /* up to 9 every queue has an instance of its own */
		fprintf(stderr, "usage: soak N [QUEUES [OPTIONS [SEED]]]; at most 9 queues\n");
		return 2;
	}
	snprintf(spec, sizeof(spec), "%s,wire=gen:count=%" PRIu64 ":flows=%u", options, s->count, 4 * queues);
	simrig_up(&s->rig, spec, queues);
	started = unapi_clock_ns();
	if (pthread_create(&t, NULL, control, s))
		return 1;
	simrig_run(&s->rig);
	pthread_join(t, NULL);
	took = (double)(unapi_clock_ns() - started) / (double)NSEC_PER_SEC;
	broken = violations(&s->rig);
	missing = simrig_down(&s->rig, &last);
	return report(s, &last, missing, broken, took) ? 0 : 1;
}
