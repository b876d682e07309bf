/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Forwarding over vfio-user, from end to end: the igb driver on the simulated NIC, whose generator sends and
 * judges. What it takes is measured for a while in the middle; then all that was sent must have come back.
 *
 *	sim_forward MODE QUEUES RATE MS [OPTIONS [WORK]]
 *
 * MODE is interrupt, deferred, threaded, threaded-busy or caller; RATE in packets a second, 0 for as many as
 * there is room for, "none" for none any more: a few came before. Prints one JSON object. CPU is of this
 *process: the model is another one, told apart.
 *
 * With WORK the application spends so many multiplications on each packet, the driver and the model have a
 *CPU each, and packets may be missing in the end if the device says so: with "lossy" among OPTIONS this is
 *overload.
 */
#include "tests/bench/apart.h"
#include "tests/bench/simrig.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define WARM_MS	   300
#define QUIET_MS   4500 /* after the last packet: two ticks for housekeeping are over */
#define LEAVE_MS   200
#define PATIENCE   (20 * NSEC_PER_SEC)
#define DEFER	   2
#define TIMEOUT_NS (50 * NSEC_PER_USEC)

struct snapshot {
	uint64_t ns, cpu_ns, sleeps, packets, irqs, polls, empty_polls, missed;
	long long model_ns, model_cpu_ns, offered, delivered;
};

struct bench {
	struct simrig rig;
	enum simrig_mode mode;
	unsigned int warm, ms, work;
	bool lossy;		   /* the sender does not wait */
	bool first;		   /* it all comes before other programs */
	int model_cpu, driver_cpu; /* -1: any */
	uint64_t missed;	   /* by the device, as its driver has counted until the end */
	struct snapshot from, to;
};

/* What looking at the other figures takes is not to be among these. */
static void take_cpu(struct snapshot *s)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	s->cpu_ns = (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * NSEC_PER_SEC +
		    (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * NSEC_PER_USEC;
	s->sleeps = (uint64_t)u.ru_nvcsw;
	s->ns = unapi_clock_ns();
}

static uint64_t missed(const struct bench *b)
{
	struct unapi_dev_stats st;

	unapi_dev_get_stats(b->rig.dev, &st);
	return st.rx_missed;
}

static void take_counts(struct bench *b, struct snapshot *s)
{
	struct unapi_napi_stats st;
	struct simrig_figures f;

	s->packets = simrig_packets(&b->rig);
	for (unsigned int i = 0; unapi_dev_napi(b->rig.dev, i); i++) {
		unapi_napi_get_stats(unapi_dev_napi(b->rig.dev, i), &st);
		s->irqs += st.irqs;
		s->polls += st.polls;
		s->empty_polls += st.empty_polls;
	}
	s->missed = missed(b);
	simrig_figures(&b->rig, &f);
	s->model_ns = f.now_ns;
	s->model_cpu_ns = f.model_cpu_ns;
	s->offered = f.tx;
	s->delivered = f.rx;
}

/* The thread that takes the figures is on the model's CPU, which spins. */
static void *control(void *arg)
{
	struct bench *b = arg;
	bool defers = b->mode == BY_DEFERRED;
	uint64_t until;
	struct simrig_figures f;

	if (b->work)
		apart_place(0, b->model_cpu, 2);
	for (unsigned int i = 0; i < b->rig.queues; i++) {
		struct unapi_thread_conf where = {.cpu = b->driver_cpu,
						  .numa_node = -1,
						  .policy = b->first ? SCHED_RR : SCHED_OTHER,
						  .priority = b->first};

		simrig_check(unapi_napi_set_thread_conf(b->rig.q[i].napi, &where), "the thread's CPU");
		simrig_poll_by(&b->rig.q[i], b->mode, defers ? DEFER : 0, defers ? TIMEOUT_NS : 0);
	}
	unapi_clock_sleep(b->warm * NSEC_PER_MSEC);
	take_counts(b, &b->from);
	take_cpu(&b->from);
	unapi_clock_sleep(b->ms * NSEC_PER_MSEC);
	take_cpu(&b->to);
	take_counts(b, &b->to);
	until = unapi_clock_ns() + PATIENCE;
	do
		unapi_clock_sleep(20 * NSEC_PER_MSEC);
	while ((!simrig_figures(&b->rig, &f) || !f.drained) && unapi_clock_ns() < until);
	b->missed = missed(b);
	simrig_end(&b->rig);
	return NULL;
}

static double per(uint64_t what, uint64_t packets)
{
	return packets ? (double)what / (double)packets : 0;
}

static double rate(long long what, long long ns)
{
	return ns > 0 ? (double)what * 1e9 / (double)ns : 0;
}

static void report(const struct bench *b, const struct simrig_figures *f)
{
	const struct snapshot *x = &b->from, *y = &b->to;
	uint64_t n = y->packets - x->packets, ns = y->ns - x->ns;
	long long model_ns = y->model_ns - x->model_ns;

	printf("{\"mode\": \"%s\", \"queues\": %u, \"pps\": %.0f, \"cpu_percent\": %.1f, "
	       "\"cpu_ns_a_packet\": %.0f, \"sleeps_a_second\": %.0f, "
	       "\"irqs_a_packet\": %.4f, \"polls_a_packet\": %.4f, \"empty_polls_a_packet\": %.4f, "
	       "\"p50_us\": %.1f, \"p99_us\": %.1f, \"model_cpu_percent\": %.1f, "
	       "\"offered_pps\": %.0f, \"delivered_pps\": %.0f, \"missed_pps\": %.0f, \"irqs_a_second\": "
	       "%.0f}\n",
	       simrig_modes[b->mode], b->rig.queues, (double)n * 1e9 / (double)ns,
	       (double)(y->cpu_ns - x->cpu_ns) * 100 / (double)ns, per(y->cpu_ns - x->cpu_ns, n),
	       (double)(y->sleeps - x->sleeps - 1) * 1e9 / (double)ns, /* without this thread's own */
	       per(y->irqs - x->irqs, n), per(y->polls - x->polls, n),
	       per(y->empty_polls - x->empty_polls, n), (double)f->p50_ns / 1000, (double)f->p99_ns / 1000,
	       model_ns > 0 ? (double)(y->model_cpu_ns - x->model_cpu_ns) * 100 / (double)model_ns : 0.0,
	       rate(y->offered - x->offered, model_ns), rate(y->delivered - x->delivered, model_ns),
	       rate((long long)(y->missed - x->missed), (long long)ns),
	       rate((long long)(y->irqs - x->irqs), (long long)ns));
}

static bool parse(struct bench *b, int argc, char **argv, char *spec, size_t size)
{
	unsigned int mode = 0, ms = argc > 4 ? (unsigned int)strtoul(argv[4], NULL, 0) : 0;

	while (argc > 4 && mode < NR_SIMRIG_MODES && strcmp(simrig_modes[mode], argv[1]))
		mode++;
	if (argc < 5 || mode == NR_SIMRIG_MODES || !ms || !atoi(argv[2]) || atoi(argv[2]) > SIMRIG_QUEUES)
		return false;
	b->mode = mode;
	b->ms = ms;
	b->warm = strcmp(argv[3], "none") ? WARM_MS : QUIET_MS;
	b->lossy = argc > 5 && strstr(argv[5], "lossy");
	b->work = argc > 6 ? (unsigned int)strtoul(argv[6], NULL, 0) : 0;
	snprintf(spec, size, "%s,wire=gen:rate=%llu:time=%u:flows=%d", argc > 5 ? argv[5] : "doorbell=msg",
		 strtoull(argv[3], NULL, 0), b->warm == WARM_MS ? WARM_MS + ms + LEAVE_MS : 100,
		 4 * atoi(argv[2]));
	return true;
}

static void keep_apart(struct bench *b)
{
	struct simrig_figures f;

	b->rig.work = b->work;
	b->driver_cpu = apart_cpu(0);
	b->model_cpu = apart_cpu(1);
	simrig_check(simrig_figures(&b->rig, &f) ? 0 : -1, "the model has not written its pid");
	b->first = apart_place((int)f.pid, b->model_cpu, 1);
	apart_place(0, b->driver_cpu, 1);
}

int main(int argc, char **argv)
{
	static struct bench bench __cacheline_aligned;
	struct bench *b = &bench;
	struct simrig_figures last;
	unsigned int missing;
	long long dropped = 0;
	char spec[256];
	pthread_t t;

	if (!parse(b, argc, argv, spec, sizeof(spec))) {
		fprintf(stderr, "usage: sim_forward interrupt|deferred|threaded|threaded-busy|caller "
				"QUEUES RATE MS [OPTIONS [WORK]]\n");
		return 2;
	}
	b->driver_cpu = -1;
	simrig_up(&b->rig, spec, (unsigned int)atoi(argv[2]));
	if (b->work)
		keep_apart(b);
	if (pthread_create(&t, NULL, control, b))
		return 1;
	simrig_run(&b->rig);
	pthread_join(t, NULL);
	missing = simrig_down(&b->rig, &last);
	for (unsigned int i = 0; i < b->rig.queues; i++)
		dropped += b->rig.q[i].dropped;
	/* Under overload what is lost found no descriptor, of which the driver knows the same number, or no
	 * room to be sent, when the model stood still. */
	if (!last.drained || last.lost != last.overrun + dropped || b->missed != (uint64_t)last.overrun ||
	    (last.lost && !b->lossy) || last.dup || last.reorder || last.corrupt || missing ||
	    last.complaint[0]) {
		fprintf(stderr,
			"not all is well: sent %lld, back %lld, lost %lld (no descriptor %lld, as the driver "
			"says "
			"%llu; no room to be sent %lld), doubled %lld, reordered %lld, corrupt %lld, buffers "
			"missing %u %s\n",
			last.tx, last.rx, last.lost, last.overrun, (unsigned long long)b->missed, dropped,
			last.dup, last.reorder, last.corrupt, missing, last.complaint);
		return 1;
	}
	report(b, &last);
	return 0;
}
