/* SPDX-License-Identifier: BSD-3-Clause */
/* Control of instances: add, del, enable, disable, synchronize, move. Calls for one instance are serialised
 * by their callers; other instances, and the data path of this one, go on meanwhile. */
#include "core/napi/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int membarrier(int cmd)
{
	return (int)syscall(SYS_membarrier, cmd, 0, 0);
}

int unapi_napi_add(struct napi_struct *n, struct unapi_context *ctx, const char *name, napi_poll_fn poll,
		   int weight)
{
	if (napi_state_read(&n->state) & NAPIF_LISTED)
		return unapi_fail(EEXIST, "%s: added already", n->name);
	if (!ctx || !poll || weight < 1)
		return unapi_fail(
			EINVAL, "%s: an instance needs a context, a poll method and a weight above 0", name);
	if (weight > NAPI_POLL_WEIGHT)
		unapi_log(UNAPI_LOG_WARN, "%s: a weight of %d is above %d", name, weight, NAPI_POLL_WEIGHT);
	memset(n, 0, sizeof(*n));
	n->poll = poll;
	n->weight = weight;
	n->ctx = n->home = ctx;
	n->irq_fd = -1;
	n->thread_conf = NAPI_THREAD_ANYWHERE;
	n->cause = UNAPI_CAUSE_APP;
	napi_mode_init(n);
	snprintf(n->name, sizeof(n->name), "%s", name);
	n->probe_name = n->name;
	INIT_LIST_HEAD(&n->poll_list);
	INIT_LIST_HEAD(&n->dev_list);
	timer_init(&n->timer, ctx, napi_watchdog);
	pthread_mutex_lock(&napi_control_lock);
	list_add_tail(&n->ctx_list, &ctx->instances);
	pthread_mutex_unlock(&napi_control_lock);
	/* release: who finds it listed finds it whole */
	__atomic_store_n(&n->state, NAPIF_LISTED | NAPIF_SCHED | NAPIF_NPSVC, __ATOMIC_RELEASE);
	return 0;
}

bool napi_at_rest(const struct napi_struct *n)
{
	return (napi_state_read(&n->state) & (NAPIF_SCHED | NAPIF_NPSVC | NAPIF_DISABLE)) ==
	       (NAPIF_SCHED | NAPIF_NPSVC);
}

/* Of an instance that was deleted the name is still known. */
int napi_not_added(const struct napi_struct *n, const char *what)
{
	return unapi_fail(EINVAL, "%s: not added, so it cannot be %s",
			  n->name[0] ? n->name : "an unnamed instance", what);
}

int napi_refuse_in_poll(const struct napi_struct *n, const char *what)
{
	return unapi_in_poll() ? unapi_fail(EDEADLK, "%s: %s from a poll method", n->name, what) : 0;
}

void unapi_napi_no_id(struct napi_struct *n)
{
	__atomic_fetch_or(&n->state, NAPIF_NO_BUSY_POLL, __ATOMIC_RELAXED);
}

int unapi_napi_del(struct napi_struct *n)
{
	if (!(napi_state_read(&n->state) & NAPIF_LISTED))
		return napi_not_added(n, "deleted");
	if (napi_refuse_in_poll(n, "delete"))
		return -EDEADLK;
	if (!napi_at_rest(n))
		return unapi_fail(EBUSY, "%s: enabled; napi_disable() comes before its deletion", n->name);
	if (napi_refuse_own_thread(n, "deleted"))
		return -EDEADLK;
	napi_thread_free(n);
	napi_adaptive_free(n);
	pthread_mutex_lock(&napi_control_lock);
	list_del_init(&n->ctx_list);
	napi_config_release(n);
	pthread_mutex_unlock(&napi_control_lock);
	/* It stays owned by nobody who polls: a request that comes now is refused, as at rest. */
	__atomic_fetch_and(&n->state, ~NAPIF_LISTED, __ATOMIC_RELAXED);
	return 0;
}

/* What is changed only while it is disabled. */
int napi_check_rest(const struct napi_struct *n, const char *what)
{
	if (!(napi_state_read(&n->state) & NAPIF_LISTED))
		return napi_not_added(n, "set up");
	if (!napi_at_rest(n))
		return unapi_fail(EBUSY, "%s: %s can be changed only while it is disabled", n->name, what);
	return 0;
}

int unapi_napi_set_gro(struct napi_struct *n, const struct unapi_gro_ops *ops)
{
	int rc = napi_check_rest(n, "GRO");

	if (rc)
		return rc;
	n->gro = ops;
	return 0;
}

static void handle_irq(struct napi_struct *n)
{
	napi_schedule_irqoff(n);
}

int unapi_napi_set_irq(struct napi_struct *n, int fd, napi_irq_fn fn)
{
	int rc = napi_check_rest(n, "its interrupt");

	if (rc)
		return rc;
	pthread_mutex_lock(&napi_control_lock); /* unapi_napi_irqs_raised() */
	n->irq_fd = fd;
	n->irq_fn = fn ? fn : handle_irq;
	n->irqs_drained = 0;
	pthread_mutex_unlock(&napi_control_lock);
	return 0;
}

/* Set the eventfd to 0 while no epoll has it: an interrupt that it already had must not be taken for a new
 * one. */
static void drain_irq(struct napi_struct *n)
{
	struct pollfd p = {.fd = n->irq_fd, .events = POLLIN};
	uint64_t count;

	pthread_mutex_lock(&napi_control_lock);
	/* poll first: a descriptor that blocks must not block us */
	if (poll(&p, 1, 0) == 1 && read(n->irq_fd, &count, sizeof(count)) == sizeof(count))
		n->irqs_drained += count;
	pthread_mutex_unlock(&napi_control_lock);
}

static void detach(void *arg)
{
	struct napi_struct *n = arg;

	if (n->irq_fd >= 0)
		context_detach(n->ctx, n);
}

/* And deliver what GRO holds: here is where that is always done, between polls as it is. */
static void detach_empty(void *arg)
{
	struct napi_struct *n = arg;

	detach(n);
	if (n->gro && n->gro->held(n))
		napi_gro_flush(&napi_this_thread, n, true);
}

/* Let a taken instance run again, scheduled once, because requests were refused meanwhile. */
static void resume(struct napi_struct *n)
{
	n->cause = UNAPI_CAUSE_MODE_SWITCH;
	ledger_add(&n->stats.schedules, 1);
	probe_schedule(n);
	if (n->ctx == n->own)
		napi_state_set_threaded(&n->state, true, n->threaded == NETDEV_NAPI_THREADED_BUSY_POLL);
	napi_state_requeue(&n->state);
	napi_state_resume(&n->state);
	napi_queue(n);
}

/*
 * Poll it until it is let go, if it is queued where this thread may poll. True: something was done. With
 * DISABLE set every poll ends in a completion, and only a MISSED of before leads to another poll, so this
 * comes to an end.
 */
static bool run_home(struct napi_struct *n)
{
	struct unapi_context *c = n->ctx;
	int rc = context_enter(c, true);
	bool queued;

	if (rc < 0)
		return false; /* its runner will poll it, or hand the context over */
	context_collect(c);
	queued = !list_empty(&n->poll_list);
	if (queued)
		context_poll(c);
	if (rc == 0)
		context_leave(c);
	return queued;
}

/*
 * Take ownership and the vector, as disable does, until @deadline. On success the state word still has
 * DISABLE, no poll method runs, and the handler neither runs nor will run: the detaching call was made
 * between polls on the home context's thread. On failure the instance is enabled as before and has been
 * scheduled once.
 *
 * Who may own it, and why none is waited for in vain:
 * - the queue of its home: this thread polls it, or whoever is inside that context does;
 * - a scheduler between prep and queue: goes on by itself; DISABLE does not stop it;
 * - an application that polls: sees DISABLE at its next poll; if it is this thread, it lets go here.
 */
static int take(struct napi_struct *n, const char *what, uint64_t timeout_ns, void (*last)(void *arg))
{
	uint64_t deadline = napi_deadline(timeout_ns), nap = 0, tid;

	if (napi_refuse_in_poll(n, what))
		return -EDEADLK;
	/* Also while the loop holds nothing: it must not depend on the moment. */
	if (napi_this_thread.busy_id && napi_this_thread.busy_id == READ_ONCE(n->napi_id))
		return unapi_fail(EDEADLK, "%s: %s from a busy loop over it", n->name, what);
	if (!napi_state_take_begin(&n->state))
		return unapi_fail(EBUSY, "%s: it is being disabled or moved", n->name);
	if (!napi_polled_by_me(n) && READ_ONCE(n->poller))
		unapi_context_wake(n->ctx); /* should the application that polls it be asleep */
	while (!napi_state_take(&n->state)) {
		if (napi_polled_by_me(n)) {
			napi_caller_release(n);
			continue;
		}
		if (run_home(n))
			continue;
		if (napi_nap(&nap, deadline))
			continue;
		tid = READ_ONCE(n->poller_tid);
		napi_state_take_undo(&n->state);
		unapi_napi_schedule_cause(n, UNAPI_CAUSE_MODE_SWITCH);
		if (tid)
			return unapi_fail(ETIMEDOUT, "%s: %s: thread %llu polls it and did not let go",
					  n->name, what, (unsigned long long)tid);
		return unapi_fail(ETIMEDOUT, "%s: %s: its context %s did not let go of it", n->name, what,
				  n->ctx->name);
	}
	/* One that has let go may still be about to start the timer. */
	while (napi_held(n)) {
		if (napi_nap(&nap, deadline))
			continue;
		resume(n);
		return unapi_fail(ETIMEDOUT, "%s: %s: a busy loop over it does not end", n->name, what);
	}
	if (context_call_until(n->ctx, last, n, deadline)) {
		resume(n);
		return unapi_fail(ETIMEDOUT, "%s: %s: the thread inside context %s did not come round",
				  n->name, what, n->ctx->name);
	}
	return 0;
}

int napi_take(struct napi_struct *n, const char *what, uint64_t timeout_ns)
{
	return take(n, what, timeout_ns, detach);
}

static void drop_id(struct napi_struct *n)
{
	pthread_mutex_lock(&napi_control_lock);
	if (n->napi_id)
		napi_id_drop(n);
	pthread_mutex_unlock(&napi_control_lock);
}

int napi_enable(struct napi_struct *n)
{
	unsigned long v = napi_state_read(&n->state);
	int rc;

	if (!(v & NAPIF_LISTED))
		return napi_not_added(n, "enabled");
	if (napi_refuse_in_poll(n, "enable"))
		return -EDEADLK;
	if (!napi_at_rest(n))
		return unapi_fail(EINVAL, "%s: enabled already", n->name);
	pthread_mutex_lock(&napi_control_lock);
	if (!(v & NAPIF_NO_BUSY_POLL))
		napi_id_new(n);
	pthread_mutex_unlock(&napi_control_lock);
	rc = napi_thread_enable(n);
	if (rc) {
		drop_id(n);
		return rc;
	}
	if (n->irq_fd >= 0)
		drain_irq(n);
	/* Before the vector is watched: an interrupt taken while it still rests would be refused. */
	napi_state_enable(&n->state);
	if (n->irq_fd >= 0) {
		rc = context_attach(n->ctx, n);
		if (rc) {
			napi_disable(n);
			return rc;
		}
	}
	probe_enable(n, 1);
	/* an application that polls it may be asleep */
	if (unapi_napi_wants_poll(n))
		unapi_context_wake(n->ctx);
	return 0;
}

int napi_disable_timeout(struct napi_struct *n, uint64_t ns)
{
	int rc;

	if (!(napi_state_read(&n->state) & NAPIF_LISTED))
		return napi_not_added(n, "disabled");
	if (!unapi_in_poll() && napi_at_rest(n))
		return unapi_fail(EALREADY, "%s: disabled already", n->name);
	rc = take(n, "disable", ns, detach_empty);
	if (rc)
		return rc;
	probe_enable(n, 0);
	drop_id(n);
	timer_cancel(&n->timer); /* every start was inside a poll, or by a holder: none is left */
	napi_state_rest(&n->state);
	return 0;
}

int napi_disable(struct napi_struct *n)
{
	return napi_disable_timeout(n, NAPI_CONTROL_TIMEOUT_NS);
}

void napi_place(struct napi_struct *n, struct unapi_context *ctx)
{
	timer_move(&n->timer, ctx);
	pthread_mutex_lock(&napi_control_lock);
	list_del_init(&n->ctx_list);
	list_add_tail(&n->ctx_list, &ctx->instances);
	WRITE_ONCE(n->ctx, ctx);
	if (!ctx->poller)
		napi_state_ask_busy(&n->state, false);
	pthread_mutex_unlock(&napi_control_lock);
}

int napi_resume_in(struct napi_struct *n, struct unapi_context *ctx)
{
	struct unapi_context *old = n->ctx;
	int rc = 0;

	if (n->irq_fd >= 0)
		drain_irq(n);
	napi_place(n, ctx);
	if (n->irq_fd >= 0) {
		rc = context_attach(ctx, n);
		if (rc) {
			napi_place(n, old);
			if (context_attach(old, n))
				unapi_log(UNAPI_LOG_ERR, "%s: its interrupt is watched by nobody: %s",
					  n->name, unapi_reason());
		}
	}
	/* An interrupt that came while no context watched was drained: this poll answers it. */
	resume(n);
	unapi_context_wake(n->ctx);
	return rc;
}

/* Where it goes, and stays while it has no thread of its own. */
static void set_home(struct napi_struct *n, struct unapi_context *ctx)
{
	pthread_mutex_lock(&napi_control_lock);
	if (n->own) {
		n->home->nr_away--;
		ctx->nr_away++;
	}
	n->home = ctx;
	pthread_mutex_unlock(&napi_control_lock);
}

int unapi_napi_set_context(struct napi_struct *n, struct unapi_context *ctx, uint64_t timeout_ns)
{
	int rc = 0;

	if (!(napi_state_read(&n->state) & NAPIF_LISTED))
		return napi_not_added(n, "moved");
	if (!ctx)
		return unapi_fail(EINVAL, "%s: moved to no context", n->name);
	if (napi_refuse_in_poll(n, "move"))
		return -EDEADLK;
	if (n->own) {
		set_home(n, ctx);
		return 0;
	}
	if (napi_at_rest(n)) {
		napi_place(n, ctx);
	} else {
		rc = napi_take(n, "move", timeout_ns);
		if (!rc)
			rc = napi_resume_in(n, ctx);
	}
	if (!rc)
		set_home(n, ctx);
	return rc;
}

int unapi_napi_pause(struct napi_struct *n, void (*fn)(struct napi_struct *n, void *arg), void *arg,
		     uint64_t timeout_ns)
{
	int rc;

	if (!(napi_state_read(&n->state) & NAPIF_LISTED))
		return napi_not_added(n, "paused");
	if (napi_refuse_in_poll(n, "pause"))
		return -EDEADLK;
	if (napi_at_rest(n)) {
		fn(n, arg);
		return 0;
	}
	rc = take(n, "pause", timeout_ns, detach_empty);
	if (rc)
		return rc;
	fn(n, arg);
	return napi_resume_in(n, n->ctx);
}

static void nothing(void *arg) {}

/* An application that polls leaves no trace in the state word of where it is. */
static int wait_caller(struct napi_struct *n, uint64_t deadline)
{
	uint64_t polls = READ_ONCE(n->stats.polls_by[UNAPI_CAUSE_APP]), nap = 0;

	/* Its in_poll store and its later loads are not ordered, which would cost it a fence in every poll.
	 * This makes every thread of the process execute one, between two of its instructions. */
	if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) &&
	    (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) ||
	     membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)))
		return unapi_fail(ENOSYS, "%s: synchronize needs the membarrier system call: %s", n->name,
				  strerror(errno));
	/* acquire: what that poll did. A count that moved on says that a later poll has begun. */
	while (__atomic_load_n(&n->stopping, __ATOMIC_ACQUIRE) ||
	       (__atomic_load_n(&n->in_poll, __ATOMIC_ACQUIRE) &&
		READ_ONCE(n->stats.polls_by[UNAPI_CAUSE_APP]) == polls))
		if (!napi_nap(&nap, deadline))
			return unapi_fail(ETIMEDOUT, "%s: thread %llu stays inside its poll", n->name,
					  (unsigned long long)READ_ONCE(n->poller_tid));
	return 0;
}

int napi_synchronize(struct napi_struct *n)
{
	uint64_t deadline = napi_deadline(NAPI_CONTROL_TIMEOUT_NS);

	if (!(napi_state_read(&n->state) & NAPIF_LISTED))
		return napi_not_added(n, "waited for");
	if (napi_refuse_in_poll(n, "synchronize"))
		return -EDEADLK;
	/* A call on the home context is made between polls. */
	if (context_call_until(n->ctx, nothing, NULL, deadline))
		return unapi_fail(ETIMEDOUT, "%s: the thread inside context %s did not come round", n->name,
				  n->ctx->name);
	return wait_caller(n, deadline);
}
