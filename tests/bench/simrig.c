/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/simrig.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TURNS	 16 /* of polling, between looks at the context */
#define RETRY_NS (int64_t) NSEC_PER_MSEC

const char *const simrig_modes[NR_SIMRIG_MODES] = {"interrupt", "deferred", "threaded", "threaded-busy",
						   "caller"};

void simrig_check(int rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, unapi_reason());
	exit(1);
}

/* An application that costs something, the same whatever the clock does: each multiplication waits for the
 * one before. */
static void work(unsigned int n)
{
	for (uint64_t x = 1; n; n--)
		__asm__ volatile("imul %0, %0" : "+r"(x));
}

static void forward(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	struct simrig_queue *q = arg;
	unsigned int sent;

	work(n * q->rig->work);
	sent = unapi_tx_burst(q->txq, pkts, n);
	WRITE_ONCE(q->packets, q->packets + sent);
	if (unlikely(sent < n)) {
		WRITE_ONCE(q->dropped, q->dropped + n - sent);
		unapi_pkt_free_bulk(pkts + sent, n - sent);
	}
}

void simrig_up(struct simrig *r, const char *options, unsigned int queues)
{
	struct unapi_dev_conf conf = {.rxq = queues, .txq = queues, .ctx = &r->ctx, .nr_ctx = 1};
	char spec[400];

	memset(r, 0, sizeof(*r));
	r->queues = queues;
	/* Memory, where there is some: a disk would keep the model waiting. */
	snprintf(r->stats, sizeof(r->stats), "%s/unapi-bench-%d.json",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm", (int)getpid());
	snprintf(spec, sizeof(spec), "sim:igb,stats=%s,stats-ms=20,%s", r->stats, options);
	simrig_check(unapi_context_create(NULL, &r->ctx), "context");
	simrig_check(unapi_dev_open(spec, &r->dev), spec);
	simrig_check(unapi_dev_configure(r->dev, &conf), "configure");
	for (unsigned int i = 0; i < queues; i++) {
		struct simrig_queue *q = &r->q[i];

		*q = (struct simrig_queue){
			.rig = r, .napi = unapi_dev_rxq_napi(r->dev, i), .txq = unapi_dev_txq(r->dev, i)};
		simrig_check(unapi_txq_claim(q->txq, q->napi), "claim");
		simrig_check(unapi_dev_set_rx(r->dev, i, forward, q), "set_rx");
	}
	simrig_check(unapi_context_set_poller(r->ctx, true), "poller");
	simrig_check(unapi_context_set_event_poller(r->ctx, true), "event poller");
	simrig_check(unapi_dev_start(r->dev), "start");
}

enum { IDLE, WAITING, POLLING };

/* As an event loop's wait with busy polling; who finds nothing is left to its timer and its interrupt. */
static int wait_for(struct simrig_queue *q)
{
	if (!q->quiet)
		q->quiet = unapi_mode_wait(q->napi, READ_ONCE(q->rig->wait_ns)) <= 0;
	return q->quiet ? IDLE : POLLING;
}

/* What this thread has to do. Queues that share an instance have it polled by the first. */
static int poll_mine(struct simrig *r)
{
	int has = IDLE;

	for (unsigned int i = 0; i < r->queues; i++) {
		struct simrig_queue *q = &r->q[i];

		if (!q->mine && unapi_mode_wants_wait(q->napi)) {
			if (wait_for(q) == POLLING)
				has = POLLING;
			continue;
		}
		if (!q->mine && unapi_napi_wants_poll(q->napi)) {
			q->mine = unapi_napi_poll_begin(q->napi) == 0;
			if (!q->mine && has == IDLE)
				has = WAITING; /* somebody else has it for a moment */
		}
		if (q->mine && unapi_napi_poll(q->napi, NAPI_POLL_WEIGHT) == -ECANCELED)
			q->mine = false;
		if (q->mine)
			has = POLLING;
	}
	return has;
}

static void rest(struct simrig *r)
{
	uint64_t ns = READ_ONCE(r->rest_ns);

	if (unlikely(ns)) {
		unapi_clock_sleep(ns);
		WRITE_ONCE(r->rest_ns, 0);
	}
}

/* Whoever changes a mode wakes the context. */
void simrig_run(struct simrig *r)
{
	unsigned int turn = 0;

	while (!__atomic_load_n(&r->end, __ATOMIC_ACQUIRE)) {
		int has, rc;

		rest(r);
		has = poll_mine(r);
		if (has == POLLING && ++turn % TURNS)
			continue;
		rc = unapi_context_run(r->ctx, has == POLLING ? 0 : has == WAITING ? RETRY_NS : -1);
		if (rc != -EINTR && rc != -EBUSY)
			simrig_check(rc, "run");
		for (unsigned int i = 0; rc > 0 && i < r->queues; i++)
			r->q[i].quiet = false;
	}
}

void simrig_end(struct simrig *r)
{
	__atomic_store_n(&r->end, true, __ATOMIC_RELEASE);
	unapi_context_wake(r->ctx);
}

void simrig_rest(struct simrig *r, uint64_t ns)
{
	WRITE_ONCE(r->rest_ns, ns);
	unapi_context_wake(r->ctx);
	while (READ_ONCE(r->rest_ns))
		unapi_clock_sleep(NSEC_PER_MSEC);
}

void simrig_poll_by(struct simrig_queue *q, enum simrig_mode mode, uint32_t defer, uint64_t timeout_ns)
{
	static const enum netdev_napi_threaded threaded[NR_SIMRIG_MODES] = {
		[BY_THREAD] = NETDEV_NAPI_THREADED_ENABLED,
		[BY_THREAD_BUSY] = NETDEV_NAPI_THREADED_BUSY_POLL};
	struct unapi_napi_params p = {.given = UNAPI_NAPI_THREADED | UNAPI_NAPI_DEFER_HARD_IRQS |
					       UNAPI_NAPI_GRO_FLUSH_TIMEOUT,
				      .threaded = threaded[mode],
				      .defer_hard_irqs = defer,
				      .gro_flush_timeout = timeout_ns};

	simrig_check(unapi_napi_set(q->napi, &p), "napi settings");
	simrig_check(unapi_napi_set_mode(q->napi, mode == BY_CALLER ? UNAPI_POLL_BUSY : UNAPI_POLL_INTERRUPT),
		     "mode");
	q->mode = mode;
}

uint64_t simrig_packets(const struct simrig *r)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < r->queues; i++)
		sum += READ_ONCE(r->q[i].packets);
	return sum;
}

static bool read_figures(const char *path, struct simrig_figures *f)
{
	json_t *o = json_load_file(path, 0, NULL);
	const char *fault = NULL, *misuse = NULL;

	memset(f, 0, sizeof(*f));
	if (!o)
		return false;
	if (json_unpack(o,
			"{s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
			"s:I, s:I, s:I, "
			"s:s, s:s}",
			"drained", &f->drained, "final", &f->final, "pid", &f->pid, "tx", &f->tx, "rx",
			&f->rx, "lost", &f->lost, "overrun", &f->overrun, "dup", &f->dup, "reorder",
			&f->reorder, "corrupt", &f->corrupt, "foreign", &f->foreign, "rx_dropped",
			&f->rx_dropped, "dma_faults", &f->dma_faults, "driver_errors", &f->driver_errors,
			"model_cpu_ns", &f->model_cpu_ns, "now_ns", &f->now_ns, "p50_ns", &f->p50_ns,
			"p99_ns", &f->p99_ns, "p999_ns", &f->p999_ns, "last_dma_fault", &fault,
			"last_driver_error", &misuse)) {
		fprintf(stderr, "%s: not what the simulated NIC used to write\n", path);
		exit(1);
	}
	snprintf(f->complaint, sizeof(f->complaint), "%s%s", fault, misuse);
	json_decref(o);
	return true;
}

bool simrig_figures(const struct simrig *r, struct simrig_figures *f)
{
	return read_figures(r->stats, f);
}

void simrig_phase(const struct simrig *r, int pid, unsigned int n, struct simrig_figures *f)
{
	uint64_t until = unapi_clock_ns() + 10 * NSEC_PER_SEC;
	char path[80];

	snprintf(path, sizeof(path), "%s.%u", r->stats, n);
	kill(pid, SIGUSR1);
	while (!read_figures(path, f)) {
		if (unapi_clock_ns() > until) {
			fprintf(stderr, "the simulated NIC did not end its phase %u\n", n);
			exit(1);
		}
		unapi_clock_sleep(NSEC_PER_MSEC);
	}
	unlink(path);
}

unsigned int simrig_down(struct simrig *r, struct simrig_figures *last)
{
	struct unapi_page_pool_info info;
	unsigned int missing = 0;

	/* what this thread polls it lets go by itself */
	for (unsigned int i = 0; i < r->queues; i++)
		simrig_poll_by(&r->q[i], BY_INTERRUPT, 0, 0);
	simrig_check(unapi_dev_stop(r->dev), "stop");
	for (unsigned int i = 0; i < r->queues; i++) {
		unapi_page_pool_get_info(unapi_dev_rxq_pool(r->dev, i), &info);
		missing += info.inflight;
	}
	unapi_context_set_poller(r->ctx, false);
	unapi_context_set_event_poller(r->ctx, false);
	unapi_dev_close(r->dev);
	unapi_context_destroy(r->ctx);
	if (!simrig_figures(r, last) || !last->final) {
		fprintf(stderr, "the simulated NIC left no last figures\n");
		exit(1);
	}
	unlink(r->stats);
	return missing;
}
