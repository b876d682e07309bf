/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests and responses: the simulated NIC's generator sends requests at a rate, an application works on
 *each for a fixed time and sends it back, in one mode of the library after the other.
 *
 *	latency RATE MS ROUNDS WORK [MODE...]
 *
 * RATE in requests a second, 0: as many as there is room for; MS how long each mode is measured in each of
 *the ROUNDS, in which the modes take turns; WORK in multiplications a request; no MODE: all. Prints a JSON
 *object for each mode and round. CPU is that of this process, all its threads; the model is another one.
 */
#include "tests/bench/apart.h"
#include "tests/bench/simrig.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Who is real-time and never sleeps is stopped by the kernel for 50 ms of each second, if others want the
 * CPU. They get it before each measurement, so that it is not in the middle of one. */
#define REST_NS	       (60 * NSEC_PER_MSEC)
#define SETTLE_NS      (200 * NSEC_PER_MSEC)
#define PATIENCE       (20 * NSEC_PER_SEC)
/* How long an event loop busy polls before it sleeps: what the measurements for Linux's IRQ suspension had,
 * 64 us for preferred busy polling and none for suspension. */
#define PREFER_WAIT_NS (64 * NSEC_PER_USEC)

struct counts {
	uint64_t ns, cpu_ns, irqs, polls, work;
};

struct bench {
	struct simrig rig;
	struct napi_struct *napi;
	enum unapi_mode modes[UNAPI_NR_MODES];
	unsigned int nr_modes, ms, rounds, phase;
	int model, model_cpu;
	uint64_t missed;
};

static void count(const struct bench *b, struct counts *c)
{
	struct unapi_napi_stats st;
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	c->ns = unapi_clock_ns();
	c->cpu_ns = (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * NSEC_PER_SEC +
		    (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * NSEC_PER_USEC;
	unapi_napi_get_stats(b->napi, &st);
	c->irqs = st.irqs;
	c->polls = st.polls;
	c->work = st.work;
}

static void set_mode(struct bench *b, enum unapi_mode mode)
{
	WRITE_ONCE(b->rig.wait_ns, mode == UNAPI_MODE_PREFER_BUSY ? PREFER_WAIT_NS : 0);
	simrig_check(unapi_mode_set(b->napi, mode, NULL), unapi_mode_name(mode));
}

static void next_phase(struct bench *b, struct simrig_figures *f)
{
	simrig_phase(&b->rig, b->model, ++b->phase, f);
}

static void measure(struct bench *b, unsigned int round, enum unapi_mode mode)
{
	struct simrig_figures before, f;
	struct unapi_mode_info info;
	struct counts x, y;
	double seconds, s;

	set_mode(b, UNAPI_MODE_INTERRUPT);
	simrig_rest(&b->rig, REST_NS);
	set_mode(b, mode);
	unapi_clock_sleep(SETTLE_NS);
	next_phase(b, &before);
	count(b, &x);
	unapi_clock_sleep(b->ms * NSEC_PER_MSEC);
	count(b, &y);
	next_phase(b, &f);
	unapi_mode_get(b->napi, &info);
	if (info.asked != mode || info.in_force != mode || y.work == x.work) {
		fprintf(stderr, "asked for mode %s, %s is in force, %llu packets\n", unapi_mode_name(mode),
			unapi_mode_name(info.in_force), (unsigned long long)(y.work - x.work));
		exit(1);
	}
	seconds = (double)(y.ns - x.ns) / 1e9;
	s = (double)(f.now_ns - before.now_ns) / 1e9;
	printf("{\"mode\": \"%s\", \"round\": %u, \"chosen\": \"%s\", \"offered_pps\": %.0f, \"pps\": %.0f, "
	       "\"cpu_percent\": %.1f, \"irqs_a_second\": %.0f, \"polls_a_packet\": %.4f, \"p50_us\": %.1f, "
	       "\"p99_us\": %.1f, \"p999_us\": %.1f}\n",
	       unapi_mode_name(mode), round, unapi_mode_name(info.chosen), (double)(f.tx - before.tx) / s,
	       (double)(f.rx - before.rx) / s, (double)(y.cpu_ns - x.cpu_ns) / 1e7 / seconds,
	       (double)(y.irqs - x.irqs) / seconds, (double)(y.polls - x.polls) / (double)(y.work - x.work),
	       (double)f.p50_ns / 1e3, (double)f.p99_ns / 1e3, (double)f.p999_ns / 1e3);
	fflush(stdout);
}

static void *control(void *arg)
{
	struct bench *b = arg;
	uint64_t until;
	struct simrig_figures f;
	struct unapi_dev_stats st;

	/* On the model's CPU, and before it, for the moments in which it has to do something. */
	apart_place(0, b->model_cpu, 2);
	for (unsigned int round = 0; round < b->rounds; round++)
		for (unsigned int i = 0; i < b->nr_modes; i++)
			measure(b, round, b->modes[i]);
	set_mode(b, UNAPI_MODE_INTERRUPT);
	simrig_check(kill(b->model, SIGUSR2), "the model is not there"); /* no further requests */
	until = unapi_clock_ns() + PATIENCE;
	do
		unapi_clock_sleep(20 * NSEC_PER_MSEC);
	while ((!simrig_figures(&b->rig, &f) || !f.drained) && unapi_clock_ns() < until);
	unapi_dev_get_stats(b->rig.dev, &st);
	b->missed = st.rx_missed;
	simrig_end(&b->rig);
	return NULL;
}

/* A CPU for the driver and one for the model; as root both before other programs. */
static void keep_apart(struct bench *b)
{
	struct unapi_thread_conf where = {.numa_node = -1, .policy = SCHED_OTHER};
	struct simrig_figures f;

	b->model_cpu = apart_cpu(1);
	where.cpu = apart_cpu(0);
	simrig_check(simrig_figures(&b->rig, &f) ? 0 : -1, "the model has not written its pid");
	b->model = (int)f.pid;
	if (apart_place(b->model, b->model_cpu, 1)) {
		where.policy = SCHED_RR;
		where.priority = 1;
	}
	apart_place(0, where.cpu, 1);
	simrig_check(unapi_napi_set_thread_conf(b->napi, &where), "the thread's CPU");
}

static bool parse(struct bench *b, int argc, char **argv, char *spec, size_t size)
{
	if (argc < 5 || argc - 5 > UNAPI_NR_MODES)
		return false;
	b->ms = (unsigned int)strtoul(argv[2], NULL, 0);
	b->rounds = (unsigned int)strtoul(argv[3], NULL, 0);
	for (int i = 5; i < argc; i++)
		if (unapi_mode_parse(argv[i], &b->modes[b->nr_modes++]))
			return false;
	for (; argc == 5 && b->nr_modes < UNAPI_NR_MODES; b->nr_modes++)
		b->modes[b->nr_modes] = (enum unapi_mode)b->nr_modes;
	/* Figures only when they are asked for: a file written takes longer than a request. */
	snprintf(spec, size, "doorbell=msg,stats-ms=3600000,wire=gen:rate=%llu:flows=4",
		 strtoull(argv[1], NULL, 0));
	return b->ms && b->rounds;
}

int main(int argc, char **argv)
{
	static struct bench bench __cacheline_aligned;
	struct bench *b = &bench;
	struct simrig_figures last;
	unsigned int missing;
	char spec[256];
	pthread_t t;

	if (!parse(b, argc, argv, spec, sizeof(spec))) {
		fprintf(stderr, "usage: latency RATE MS ROUNDS WORK [MODE...]\n");
		return 2;
	}
	simrig_up(&b->rig, spec, 1);
	b->rig.work = (unsigned int)strtoul(argv[4], NULL, 0);
	b->napi = b->rig.q[0].napi;
	keep_apart(b);
	if (pthread_create(&t, NULL, control, b))
		return 1;
	simrig_run(&b->rig);
	pthread_join(t, NULL);
	missing = simrig_down(&b->rig, &last);
	if (!last.drained || last.lost || last.dup || last.reorder || last.corrupt || missing || b->missed ||
	    last.complaint[0]) {
		fprintf(stderr,
			"not all is well: sent %lld, back %lld, lost %lld, doubled %lld, reordered %lld, "
			"corrupt %lld, "
			"buffers missing %u %s\n",
			last.tx, last.rx, last.lost, last.dup, last.reorder, last.corrupt, missing,
			last.complaint);
		return 1;
	}
	return 0;
}
