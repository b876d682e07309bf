/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threaded NAPI: an instance polled by a thread of its own (net/core/dev.c napi_threaded_poll()).
 *
 * The thread runs a private context in which only this instance lives, so that its vector, its timer and
 * requests of other threads reach it as they reach any context. What differs from a softnet context is the
 * loop: no budget but the weight, no squeeze, and on request it busy polls. To get or lose the thread is to
 * move, with what a move guarantees.
 */
#include "core/napi/internal.h"

#include <errno.h>
#include <numa.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool on_own_thread(const struct napi_struct *n)
{
	return n->own && pthread_equal(n->own->thread, pthread_self());
}

/* One turn of napi_threaded_poll(). */
void napi_thread_poll(struct unapi_context *c)
{
	struct napi_thread *t = &napi_this_thread;
	struct napi_struct *n;

	context_collect(c);
	if (list_empty(&c->poll_list))
		return;
	n = list_first_entry(&c->poll_list, struct napi_struct, poll_list);
	if (!napi_state_thread_turn(&n->state)) {
		if (c->turns) {
			/* It has busy polled until now: the poll that lets go is the change's. */
			ledger_cycles(t, n);
			n->cause = UNAPI_CAUSE_MODE_SWITCH;
			c->turns = 0;
		} else {
			t->tsc = unapi_cycles();
		}
	} else if (c->turns++ == 0) {
		t->tsc = unapi_cycles();
		n->cause = UNAPI_CAUSE_THREAD;
	} else if (c->turns % LEDGER_SAMPLE == 0) {
		ledger_cycles(t, n);
	}
	ledger_add(&n->stats.thread_polls, 1);
	c->since_look += (unsigned int)napi_poll_queued(t, n, &c->poll_list);
}

/* The kernel keeps 15 characters. The id tells instances apart; of the interface's name the end says most. */
static void name_thread(const struct napi_struct *n)
{
	const char *dash = strrchr(n->name, '-');
	int len = dash ? (int)(dash - n->name) : (int)strlen(n->name), room, skip;
	char comm[32];

	room = 15 - snprintf(comm, sizeof(comm), "napi/-%u", READ_ONCE(n->napi_id));
	skip = len > room ? len - room : 0;
	snprintf(comm, sizeof(comm), "napi/%.*s-%u", len - skip, n->name + skip, READ_ONCE(n->napi_id));
	pthread_setname_np(n->own->thread, comm);
}

static int get_cpus(const struct napi_struct *n, const struct unapi_thread_conf *conf, cpu_set_t *set)
{
	struct bitmask *mask;
	unsigned int i;

	CPU_ZERO(set);
	if (conf->cpu >= 0) {
		if (conf->cpu < CPU_SETSIZE)
			CPU_SET(conf->cpu, set);
		return 0;
	}
	if (conf->numa_node < 0) /* wherever the process may run */
		return sched_getaffinity(getpid(), sizeof(*set), set) ? -errno : 0;
	if (numa_available() < 0 || conf->numa_node > numa_max_node())
		return unapi_fail(EINVAL, "%s: there is no NUMA node %d", n->name, conf->numa_node);
	mask = numa_allocate_cpumask();
	if (!mask || numa_node_to_cpus(conf->numa_node, mask)) {
		if (mask)
			numa_free_cpumask(mask);
		return unapi_fail(EINVAL, "%s: NUMA node %d has no CPUs that can be told", n->name,
				  conf->numa_node);
	}
	for (i = 0; i < mask->size && i < CPU_SETSIZE; i++)
		if (numa_bitmask_isbitset(mask, i))
			CPU_SET(i, set);
	numa_free_cpumask(mask);
	return 0;
}

static int apply_conf(const struct napi_struct *n, pthread_t thread, const struct unapi_thread_conf *conf)
{
	struct sched_param param = {.sched_priority = conf->priority};
	cpu_set_t set;
	int rc = get_cpus(n, conf, &set);

	if (rc)
		return rc;
	rc = pthread_setaffinity_np(thread, sizeof(set), &set);
	if (rc)
		return unapi_fail(rc, "%s: its thread cannot run on %s %d: %s", n->name,
				  conf->cpu >= 0 ? "CPU" : "NUMA node",
				  conf->cpu >= 0 ? conf->cpu : conf->numa_node, strerror(rc));
	rc = pthread_setschedparam(thread, conf->policy, &param);
	if (rc)
		return unapi_fail(rc,
				  "%s: its thread cannot have scheduling policy %d with priority %d: %s%s",
				  n->name, conf->policy, conf->priority, strerror(rc),
				  rc == EPERM ? " (needs CAP_SYS_NICE, or a higher limit: ulimit -r)" : "");
	return 0;
}

/*
 * A thread in a private context, which is kept when the thread ends, for the next one, and goes with the
 * instance: whoever scheduled it last may still be about to wake that context, long after the poll that it
 * asked for.
 */
static int new_thread(struct napi_struct *n, struct unapi_context **out)
{
	struct unapi_context_conf conf = {.name = n->name};
	struct unapi_context *c = n->parked;
	uint64_t nap = 0;
	int rc = c ? 0 : unapi_context_create(&conf, &c);

	if (rc)
		return unapi_fail_at(rc, "%s: a thread of its own", n->name);
	n->parked = c;
	c->instance = n;
	rc = unapi_context_start(c, -1);
	if (rc)
		return unapi_fail_at(rc, "%s: a thread of its own", n->name);
	/* Not before it has the context: nobody else shall run it for a moment. */
	while (!__atomic_load_n(&c->tid, __ATOMIC_ACQUIRE))
		napi_nap(&nap, UINT64_MAX);
	rc = apply_conf(n, c->thread, &n->thread_conf);
	if (rc) {
		unapi_context_stop(c);
		return unapi_fail_at(rc, "%s: a thread of its own", n->name);
	}
	*out = c;
	return 0;
}

static void keep_thread(struct napi_struct *n, struct unapi_context *own)
{
	pthread_mutex_lock(&napi_control_lock);
	n->home->nr_away++;
	WRITE_ONCE(n->own, own);
	pthread_mutex_unlock(&napi_control_lock);
	name_thread(n);
}

/* The thread ends, its context stays parked. */
static void end_own_thread(struct napi_struct *n)
{
	struct unapi_context *own = n->own;

	if (!own)
		return;
	if (n->ctx == own)
		napi_place(n, n->home);
	pthread_mutex_lock(&napi_control_lock);
	n->home->nr_away--;
	WRITE_ONCE(n->own, NULL);
	pthread_mutex_unlock(&napi_control_lock);
	unapi_context_stop(own);
}

void napi_thread_free(struct napi_struct *n)
{
	end_own_thread(n);
	unapi_context_destroy(n->parked);
	n->parked = NULL;
}

int napi_thread_enable(struct napi_struct *n)
{
	struct unapi_context *own;
	int rc;

	if (n->threaded == NETDEV_NAPI_THREADED_DISABLED)
		return 0;
	if (n->own) {
		name_thread(n); /* for its new id */
	} else {
		rc = new_thread(n, &own);
		if (rc)
			return rc;
		keep_thread(n, own);
		napi_place(n, own);
	}
	napi_state_set_threaded(&n->state, true, n->threaded == NETDEV_NAPI_THREADED_BUSY_POLL);
	return 0;
}

static int begin_thread(struct napi_struct *n, enum netdev_napi_threaded threaded)
{
	struct unapi_context *own;
	int rc = new_thread(n, &own);

	if (rc)
		return rc;
	rc = napi_take(n, "set threaded", NAPI_CONTROL_TIMEOUT_NS);
	if (rc) {
		unapi_context_stop(own);
		return rc;
	}
	keep_thread(n, own);
	WRITE_ONCE(n->threaded, threaded);
	rc = napi_resume_in(n, own);
	if (rc) {
		WRITE_ONCE(n->threaded, NETDEV_NAPI_THREADED_DISABLED);
		end_own_thread(n);
	}
	return rc;
}

static int end_thread(struct napi_struct *n)
{
	enum netdev_napi_threaded before = n->threaded;
	int rc = napi_take(n, "set threaded", NAPI_CONTROL_TIMEOUT_NS);

	if (rc)
		return rc;
	WRITE_ONCE(n->threaded, NETDEV_NAPI_THREADED_DISABLED);
	rc = napi_resume_in(n, n->home);
	if (rc)
		napi_set_threaded(n, before);
	else
		end_own_thread(n);
	return rc;
}

/* What napi_del(), disable and so on cannot do on the thread that they end. */
int napi_refuse_own_thread(const struct napi_struct *n, const char *what)
{
	return on_own_thread(n) ? unapi_fail(EDEADLK, "%s: %s by its own thread", n->name, what) : 0;
}

static int change_threaded(struct napi_struct *n, enum netdev_napi_threaded threaded)
{
	if (!(napi_state_read(&n->state) & NAPIF_LISTED))
		return napi_not_added(n, "threaded");
	if (threaded < NETDEV_NAPI_THREADED_DISABLED || threaded > NETDEV_NAPI_THREADED_BUSY_POLL)
		return unapi_fail(EINVAL, "%s: threaded can be 0, 1 or 2 (busy poll), not %d", n->name,
				  (int)threaded);
	if (napi_refuse_in_poll(n, "set threaded"))
		return -EDEADLK;
	if (!threaded && napi_refuse_own_thread(n, "set threaded"))
		return -EDEADLK;
	if (napi_at_rest(n)) {
		/* A thread that is wanted comes with napi_enable(), which gives it its name. */
		WRITE_ONCE(n->threaded, threaded);
		if (!threaded)
			end_own_thread(n);
		return 0;
	}
	if (threaded && !n->own)
		return begin_thread(n, threaded);
	if (!threaded && n->own)
		return end_thread(n);
	WRITE_ONCE(n->threaded, threaded);
	napi_state_set_threaded(&n->state, threaded, threaded == NETDEV_NAPI_THREADED_BUSY_POLL);
	return 0;
}

int napi_set_threaded(struct napi_struct *n, enum netdev_napi_threaded threaded)
{
	int rc = change_threaded(n, threaded);

	if (!rc) {
		napi_config_keep_thread(n);
		probe_threaded(n);
	}
	return rc;
}

enum netdev_napi_threaded napi_get_threaded(const struct napi_struct *n)
{
	return (enum netdev_napi_threaded)READ_ONCE(n->threaded);
}

int unapi_napi_set_thread_conf(struct napi_struct *n, const struct unapi_thread_conf *conf)
{
	int rc = 0;

	if (!(napi_state_read(&n->state) & NAPIF_LISTED))
		return napi_not_added(n, "given a thread");
	if (n->own)
		rc = apply_conf(n, n->own->thread, conf);
	if (rc)
		return rc;
	n->thread_conf = *conf;
	napi_config_keep_thread(n);
	return 0;
}

void unapi_napi_get_thread_conf(const struct napi_struct *n, struct unapi_thread_conf *conf)
{
	*conf = n->thread_conf;
}
