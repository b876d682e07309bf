/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NAPI as one would tell it: a scheduler for one thread, without atomics, lists with links, or speed. It was
 * written from the description of Linux 7.2's behaviour, not from core/napi, and shares nothing with it: bits
 * are booleans, queues are arrays, the next timer is searched for. What it does as doc/napi.md says and not
 * as the kernel is marked with DIFFERS.
 */
#include "tests/unit/napi_model_queue.h"
#include "tests/unit/napi_world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CAUSE_IRQ, CAUSE_REPOLL, CAUSE_WATCHDOG, CAUSE_APP, CAUSE_THREAD, CAUSE_MODE_SWITCH };

struct instance {
	bool sched, missed, disable, npsvc, in_busy_poll, prefer;
	unsigned int id; /* 0: disabled */
	int context;
	int count; /* of the countdown */
	uint32_t defer;
	uint64_t timeout;
	uint64_t suspend_timeout;
	uint64_t expires; /* 0: no timer runs */
	bool suspended;	  /* that timer was last started by a suspension */
	int cause;
	bool completed; /* in the present poll */
	struct napi_counts k;
};

struct context {
	struct queue list;
	struct queue
		inbox; /* DIFFERS: queued by who does not run the context; joins the list when looked at */
	struct queue irqs; /* vectors that have fired, in that order */
	int budget;
	uint64_t limit_ns;
	int since_look; /* packets since the context looked at its vectors */
	struct context_counts k;
};

struct model {
	struct instance n[NR_INSTANCES];
	struct context c[NR_CONTEXTS];
	unsigned int last_id; /* counted from 1 */
	int running;	      /* the context whose run this thread is in, -1 none */
	int cause_now;	      /* what a request is charged to */
};

static struct instance *instance(struct world *w, int i)
{
	return &((struct model *)w->scheduler)->n[i];
}

/* Disabled. */
static bool at_rest(const struct instance *n)
{
	return n->npsvc && n->sched && !n->disable;
}

/* Asking for a poll. */

static bool m_prep(struct world *w, int i)
{
	struct instance *n = instance(w, i);

	if (n->disable)
		return false; /* and no MISSED */
	if (n->sched) {
		n->missed = true;
		return false;
	}
	n->sched = true;
	return true;
}

static void requeue(struct world *w, int i)
{
	struct model *m = w->scheduler;
	struct context *c = &m->c[m->n[i].context];

	append(m->running == m->n[i].context ? &c->list : &c->inbox, i);
}

static void queue_as(struct world *w, int i, int cause)
{
	struct instance *n = instance(w, i);

	n->cause = cause;
	n->k.schedules++;
	requeue(w, i);
}

static void m_queue(struct world *w, int i)
{
	struct model *m = w->scheduler;

	queue_as(w, i, m->cause_now);
}

static bool m_mark_missed(struct world *w, int i)
{
	struct instance *n = instance(w, i);

	if (n->disable)
		return true;
	if (n->sched)
		n->missed = true;
	return n->sched;
}

/* A busy poller that prefers, and does not get it. */
static void m_ask_for_it(struct world *w, int i)
{
	struct instance *n = instance(w, i);

	if (n->disable || n->sched || n->in_busy_poll)
		n->prefer = true;
}

static void m_raise(struct world *w, int i)
{
	struct model *m = w->scheduler;
	struct queue *q = &m->c[m->n[i].context].irqs;

	/* A vector is not listened to while its instance is disabled, and tells of itself once. */
	if (!at_rest(&m->n[i]) && !in(q, i))
		append(q, i);
}

/* Completing one. */

static void start_timer(struct world *w, int i, uint64_t ns)
{
	struct instance *n = instance(w, i);

	n->expires = w->now + ns;
	n->suspended = false;
	n->k.timer_starts++;
}

static void charge_work(struct instance *n, int work, bool full)
{
	if (work == 0)
		n->k.empty++;
	else if (full)
		n->k.full++;
	n->k.work += (uint64_t)work;
}

static bool owner_completes(struct world *w, int i, int work)
{
	struct instance *n = instance(w, i);
	uint64_t timeout = 0;
	bool may_unmask = true, missed;

	if (work != 0) {
		if (world_gro_held(w, i))
			timeout = n->timeout;
		n->count = (int)n->defer;
	}
	if (n->count > 0) {
		n->count = n->count - 1;
		timeout = n->timeout;
		if (timeout != 0)
			may_unmask = false;
	}
	world_gro_flush(w, i, timeout == 0);
	missed = n->missed;
	n->missed = n->sched = n->prefer = false;
	if (missed) {
		n->sched = true;
		n->k.missed++;
		requeue(w, i);
		return false;
	}
	if (may_unmask)
		n->k.completions++;
	else
		n->k.deferred++;
	if (timeout != 0)
		start_timer(w, i, timeout);
	return may_unmask;
}

static bool m_complete(struct world *w, int i, int work)
{
	struct instance *n = instance(w, i);

	if (n->npsvc || n->in_busy_poll)
		return false;
	n->completed = true;
	charge_work(n, work, false);
	return owner_completes(w, i, work);
}

static void watchdog(struct world *w, int i)
{
	struct instance *n = instance(w, i);

	n->expires = 0;
	n->k.timer_fires++;
	world_log(w, FIRED, i, 0, 0);
	if (n->disable || n->sched)
		return;
	n->sched = true;
	n->prefer = false;
	queue_as(w, i, n->suspended ? CAUSE_WATCHDOG : CAUSE_REPOLL);
}

/* Polling. */

static int poll_one(struct world *w, int i, int budget)
{
	struct instance *n = instance(w, i);
	int work;

	n->k.polls_by[n->cause]++;
	n->completed = false;
	work = world_poll(w, i, budget);
	if (!n->completed)
		charge_work(n, work, work == budget);
	return work;
}

/* __napi_poll(): returns the work; *@repoll when it wants more. */
static int poll_queued(struct world *w, int i, bool *repoll)
{
	struct instance *n = instance(w, i);
	int work = poll_one(w, i, WEIGHT);

	*repoll = false;
	if (work < WEIGHT)
		return work;
	if (n->disable) {
		owner_completes(w, i, 0);
		return work;
	}
	if (n->prefer) {
		if (owner_completes(w, i, work) && m_prep(w, i))
			queue_as(w, i, n->cause);
		return work;
	}
	world_gro_flush(w, i, false);
	*repoll = true;
	return work;
}

static void collect(struct context *c)
{
	c->k.inbox += (uint64_t)c->inbox.nr;
	append_all(&c->list, &c->inbox);
}

static int net_rx_action(struct world *w, int ctx)
{
	struct model *m = w->scheduler;
	struct context *c = &m->c[ctx];
	struct queue list = {.nr = 0}, repollers = {.nr = 0};
	uint64_t begin = w->now;
	int64_t budget = c->budget;
	int all = 0;

	c->k.runs++;
	for (;;) {
		int i, work;
		bool repoll;

		if (list.nr == 0) {
			if (repollers.nr)
				break;
			collect(c);
			if (c->list.nr == 0)
				break;
			append_all(&list, &c->list);
		}
		i = first_of(&list);
		work = poll_queued(w, i, &repoll);
		if (repoll)
			append(&repollers, i);
		all += work;
		budget -= work;
		if (budget <= 0 || w->now - begin >= c->limit_ns) {
			c->k.squeezes++;
			break;
		}
	}
	/* the rest, what is new, what wants more */
	collect(c);
	append_all(&list, &c->list);
	append_all(&list, &repollers);
	c->list = list;
	c->k.processed += (uint64_t)all;
	c->since_look += all;
	return all;
}

static void m_softirq(struct world *w, int ctx)
{
	struct model *m = w->scheduler;

	m->running = ctx;
	net_rx_action(w, ctx);
	m->running = -1;
}

/* The timer of this context that is due first, -1 none. */
static int due(struct world *w, int ctx)
{
	int i, first = -1;

	for (i = 0; i < NR_INSTANCES; i++) {
		struct instance *n = instance(w, i);

		if (n->context == ctx && n->expires && n->expires <= w->now &&
		    (first < 0 || n->expires < instance(w, first)->expires))
			first = i;
	}
	return first;
}

/* DIFFERS: one run of a context takes vectors, then timers, then makes several runs of net_rx_action. */
static int m_run(struct world *w, int ctx)
{
	struct model *m = w->scheduler;
	struct context *c = &m->c[ctx];
	struct queue irqs = c->irqs;
	uint64_t begin = w->now;
	int i, all = 0;

	m->running = ctx;
	c->irqs.nr = 0;
	c->since_look = 0;
	while (irqs.nr) {
		i = first_of(&irqs);
		m->n[i].k.irqs++;
		m->cause_now = CAUSE_IRQ;
		world_irq(w, i);
		m->cause_now = CAUSE_APP;
	}
	while ((i = due(w, ctx)) >= 0)
		watchdog(w, i);
	while (c->list.nr || c->inbox.nr) {
		all += net_rx_action(w, ctx);
		if (c->since_look >= c->budget || w->now - begin >= c->limit_ns)
			break;
	}
	m->running = -1;
	return all;
}

/* The busy loop. */

static void stop_busy(struct world *w, int i, bool prefer, int budget)
{
	struct instance *n = instance(w, i);
	uint64_t timeout = 0;

	n->missed = false;
	n->in_busy_poll = false;
	if (prefer) {
		n->count = (int)n->defer;
		if (n->count != 0)
			timeout = n->timeout;
	}
	if (timeout != 0) {
		world_gro_flush(w, i, false);
		n->sched = false;
		start_timer(w, i, timeout);
	} else if (poll_one(w, i, budget) == budget) {
		requeue(w, i);
	}
}

static int m_busy(struct world *w, int i, bool prefer, int budget, bool one_try)
{
	struct model *m = w->scheduler;
	struct instance *n = instance(w, i);
	unsigned int id = n->id;
	bool own = false;
	int tries = 0, rc = 0;

	for (;;) {
		if (!id || n->id != id) {
			rc = -ENOENT;
			break;
		}
		tries++;
		if (!own) {
			if (n->disable || n->sched || n->in_busy_poll) {
				if (prefer)
					n->prefer = true;
			} else {
				n->sched = n->in_busy_poll = own = true;
				n->cause = CAUSE_APP;
				n->k.schedules++;
			}
		}
		if (own)
			poll_one(w, i, budget);
		if (one_try || world_loop_end(w))
			break;
		/* DIFFERS: need_resched() is that something waits for this thread to run the context, or that
		 * it has had no chance to for 64 tries. */
		if (m->c[n->context].inbox.nr || m->c[n->context].list.nr || tries >= 64) {
			if (own)
				stop_busy(w, i, prefer, budget);
			own = false;
			m_run(w, n->context);
			tries = 0;
			if (world_loop_end(w))
				break;
		}
	}
	if (own)
		stop_busy(w, i, prefer, budget);
	return rc;
}

/* Control. */

/* Take ownership, until @ns are over. */
static int take(struct world *w, int i, uint64_t ns)
{
	struct model *m = w->scheduler;
	struct instance *n = &m->n[i];
	struct context *c = &m->c[n->context];
	uint64_t deadline = w->now + ns;

	if (w->polling)
		return -EDEADLK;
	if (n->disable || n->npsvc)
		return -EBUSY;
	n->disable = true;
	while (n->sched) {
		/* DIFFERS: the caller runs the context that has it, as nobody else does. */
		collect(c);
		if (in(&c->list, i)) {
			m_softirq(w, n->context);
			continue;
		}
		/* DIFFERS: who owns it does not let go; give up, and make up for requests refused. */
		if (w->now < deadline)
			w->now = deadline;
		n->disable = false;
		if (m_prep(w, i))
			queue_as(w, i, CAUSE_MODE_SWITCH);
		return -ETIMEDOUT;
	}
	n->sched = n->npsvc = true;
	n->prefer = false;
	take_out(&c->irqs, i);
	return 0;
}

static int m_disable(struct world *w, int i, uint64_t ns)
{
	struct model *m = w->scheduler;
	struct instance *n = instance(w, i);
	int rc;

	if (!w->polling && at_rest(n))
		return -EALREADY;
	rc = take(w, i, ns);
	if (rc)
		return rc;
	if (world_gro_held(w, i)) { /* DIFFERS: the kernel keeps it, for the next enable or until deletion */
		w->polling++;
		m->running = n->context; /* by a call on its context */
		world_gro_flush(w, i, true);
		m->running = -1;
		w->polling--;
		take_out(&m->c[n->context].irqs, i); /* nobody listens any more */
	}
	n->expires = 0;
	n->id = 0;
	n->disable = false;
	return 0;
}

static int m_enable(struct world *w, int i)
{
	struct model *m = w->scheduler;
	struct instance *n = &m->n[i];

	if (!at_rest(n))
		return -EINVAL;
	n->id = ++m->last_id;
	n->sched = n->npsvc = false;
	return 0;
}

/* DIFFERS: the kernel has no such thing. */
static int m_move(struct world *w, int i, int ctx, uint64_t ns)
{
	struct instance *n = instance(w, i);
	int rc;

	if (at_rest(n)) {
		n->context = ctx;
		return 0;
	}
	rc = take(w, i, ns);
	if (rc)
		return rc;
	n->context = ctx;
	n->disable = n->npsvc = false;
	queue_as(w, i, CAUSE_MODE_SWITCH);
	return 0;
}

static void m_set_defer(struct world *w, int i, uint32_t polls)
{
	instance(w, i)->defer = polls;
}

static void m_set_timeout(struct world *w, int i, uint64_t ns)
{
	instance(w, i)->timeout = ns;
}

static void m_set_suspend(struct world *w, int i, uint64_t ns)
{
	instance(w, i)->suspend_timeout = ns;
}

/* Suspension: the one timer gets another expiry. */

/* DIFFERS: the kernel knows no instance that is being disabled as such, and starts the timer, which is
 * cancelled or finds that it has nothing to do. */
static bool suspends(const struct instance *n)
{
	return n->id && !n->disable && n->suspend_timeout != 0;
}

static void m_suspend(struct world *w, int i)
{
	struct instance *n = instance(w, i);

	if (!suspends(n))
		return;
	start_timer(w, i, n->suspend_timeout);
	n->suspended = true;
}

static void m_resume(struct world *w, int i)
{
	struct model *m = w->scheduler;
	struct context *c = &m->c[m->n[i].context];

	if (!suspends(&m->n[i]))
		return;
	if (m_prep(w, i))
		m_queue(w, i);
	/* The softirq runs where bottom halves are let in again, which a poll is not. */
	if (w->polling)
		return;
	collect(c);
	if (c->list.nr)
		m_softirq(w, m->n[i].context);
}

/* Seeing. */

static void tell(int *to, const struct queue *q)
{
	int k;

	for (k = 0; k < q->nr; k++)
		to[k] = q->at[k] + 1;
}

static void m_look(struct world *w, struct sight *s)
{
	struct model *m = w->scheduler;
	int i;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < NR_INSTANCES; i++) {
		const struct instance *n = &m->n[i];

		/* the kernel's values; 0x10: LISTED */
		s->n[i].state = 0x10UL | (n->sched ? 0x1 : 0) | (n->missed ? 0x2 : 0) |
				(n->disable ? 0x4 : 0) | (n->npsvc ? 0x8 : 0) | (n->in_busy_poll ? 0x40 : 0) |
				(n->prefer ? 0x80 : 0);
		s->n[i].expires = n->expires;
		s->n[i].k = n->k;
		s->n[i].id = n->id;
		s->n[i].count = n->count;
		s->n[i].context = n->context;
	}
	for (i = 0; i < NR_CONTEXTS; i++) {
		const struct context *c = &m->c[i];

		s->c[i].k = c->k;
		tell(s->c[i].list, &c->list);
		tell(s->c[i].queued, &c->inbox);
	}
}

void model_open(struct world *w, const unsigned int *budgets, const unsigned int *usecs)
{
	struct model *m = calloc(1, sizeof(*m));
	int i;

	if (!m)
		abort();
	for (i = 0; i < NR_INSTANCES; i++) {
		m->n[i].sched = m->n[i].npsvc = true; /* born disabled */
		m->n[i].context = i % NR_CONTEXTS;
		m->n[i].cause = CAUSE_APP;
	}
	for (i = 0; i < NR_CONTEXTS; i++) {
		m->c[i].budget = (int)budgets[i];
		m->c[i].limit_ns = usecs[i] * 1000ULL;
	}
	m->running = -1;
	m->cause_now = CAUSE_APP;
	world_begin(w);
	w->s = &model_scheduler;
	w->scheduler = m;
}

void model_close(struct world *w)
{
	free(w->scheduler);
	world_end(w);
}

const struct scheduler model_scheduler = {
	.name = "model",
	.prep = m_prep,
	.queue = m_queue,
	.mark_missed = m_mark_missed,
	.ask_for_it = m_ask_for_it,
	.complete = m_complete,
	.raise = m_raise,
	.set_defer = m_set_defer,
	.set_timeout = m_set_timeout,
	.set_suspend = m_set_suspend,
	.suspend = m_suspend,
	.resume = m_resume,
	.enable = m_enable,
	.disable = m_disable,
	.move = m_move,
	.run = m_run,
	.softirq = m_softirq,
	.busy = m_busy,
	.look = m_look,
};
