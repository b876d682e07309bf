/* SPDX-License-Identifier: BSD-3-Clause */
/* core/napi in the world of napi_world.h. */
#include "tests/unit/napi_fake.h"
#include "tests/unit/napi_world.h"

#include <stdlib.h>

struct real_napi {
	struct napi_struct n;
	struct world *w;
	int i, vector;
};

struct real {
	struct unapi_context *c[NR_CONTEXTS];
	struct real_napi r[NR_INSTANCES];
	unsigned int last_id; /* the newest before */
};

static struct real_napi *real_of(struct napi_struct *n)
{
	return container_of(n, struct real_napi, n);
}

static struct napi_struct *napi_of(struct world *w, int i)
{
	return &((struct real *)w->scheduler)->r[i].n;
}

static int real_poll(struct napi_struct *n, int budget)
{
	return world_poll(real_of(n)->w, real_of(n)->i, budget);
}

static void real_irq(struct napi_struct *n)
{
	world_irq(real_of(n)->w, real_of(n)->i);
}

static void real_fired(struct unapi_timer *t)
{
	struct real_napi *r = container_of(t, struct real_napi, n.timer);

	world_log(r->w, FIRED, r->i, 0, 0);
	napi_watchdog(t);
}

static bool gro_held(struct napi_struct *n)
{
	return world_gro_held(real_of(n)->w, real_of(n)->i);
}

static void gro_flush_old(struct napi_struct *n)
{
	world_gro_flush(real_of(n)->w, real_of(n)->i, false);
}

static void gro_flush_all(struct napi_struct *n)
{
	world_gro_flush(real_of(n)->w, real_of(n)->i, true);
}

static const struct unapi_gro_ops gro = {gro_held, gro_flush_old, gro_flush_all};

static bool r_prep(struct world *w, int i)
{
	return napi_schedule_prep(napi_of(w, i));
}

static void r_queue(struct world *w, int i)
{
	if (i % 2)
		__napi_schedule(napi_of(w, i));
	else
		__napi_schedule_irqoff(napi_of(w, i));
}

static bool r_mark_missed(struct world *w, int i)
{
	return napi_if_scheduled_mark_missed(napi_of(w, i));
}

/* The transitions of another thread's napi_busy_loop(), in one try. */
static void r_ask_for_it(struct world *w, int i)
{
	if (napi_of(w, i)->state & (NAPIF_DISABLE | NAPIF_SCHED | NAPIF_IN_BUSY_POLL))
		napi_state_prefer(&napi_of(w, i)->state);
}

static bool r_complete(struct world *w, int i, int work)
{
	return napi_complete_done(napi_of(w, i), work);
}

static void r_raise(struct world *w, int i)
{
	uint64_t one = 1;

	assert_int_equal(write(((struct real *)w->scheduler)->r[i].vector, &one, sizeof(one)), sizeof(one));
}

static void r_set_defer(struct world *w, int i, uint32_t polls)
{
	assert_int_equal(unapi_napi_set_defer_hard_irqs(napi_of(w, i), polls), 0);
}

static void r_set_timeout(struct world *w, int i, uint64_t ns)
{
	assert_int_equal(unapi_napi_set_gro_flush_timeout(napi_of(w, i), ns), 0);
}

static void r_set_suspend(struct world *w, int i, uint64_t ns)
{
	assert_int_equal(unapi_napi_set_irq_suspend_timeout(napi_of(w, i), ns), 0);
}

static void r_suspend(struct world *w, int i)
{
	napi_suspend_irqs(napi_of(w, i)->napi_id);
}

static void r_resume(struct world *w, int i)
{
	napi_resume_irqs(napi_of(w, i)->napi_id);
}

static int r_enable(struct world *w, int i)
{
	return napi_enable(napi_of(w, i));
}

static int r_disable(struct world *w, int i, uint64_t ns)
{
	return napi_disable_timeout(napi_of(w, i), ns);
}

static int r_move(struct world *w, int i, int c, uint64_t ns)
{
	return unapi_napi_set_context(napi_of(w, i), ((struct real *)w->scheduler)->c[c], ns);
}

static int r_run(struct world *w, int c)
{
	return unapi_context_run(((struct real *)w->scheduler)->c[c], 0);
}

static void r_softirq(struct world *w, int c)
{
	struct unapi_context *ctx = ((struct real *)w->scheduler)->c[c];

	assert_int_equal(context_enter(ctx, false), 0);
	net_rx_action(ctx);
	context_leave(ctx);
}

static bool loop_end(void *arg, unsigned long start)
{
	return world_loop_end(arg);
}

static int r_busy(struct world *w, int i, bool prefer, int budget, bool one_try)
{
	return napi_busy_loop(napi_of(w, i)->napi_id, one_try ? NULL : loop_end, w, prefer, (uint16_t)budget);
}

static void r_look(struct world *w, struct sight *s)
{
	struct real *r = w->scheduler;
	int i, k;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < NR_INSTANCES; i++) {
		const struct napi_struct *n = &r->r[i].n;
		struct unapi_napi_stats st;

		unapi_napi_get_stats(n, &st);
		s->n[i].state = n->state;
		s->n[i].expires = n->timer.pending ? n->timer.expires : 0;
		s->n[i].k.irqs = st.irqs;
		s->n[i].k.schedules = st.schedules;
		for (k = 0; k < NR_CAUSES; k++)
			s->n[i].k.polls_by[k] = st.polls_by[k];
		s->n[i].k.empty = st.empty_polls;
		s->n[i].k.full = st.full_polls;
		s->n[i].k.work = st.work;
		s->n[i].k.completions = st.completions;
		s->n[i].k.deferred = st.deferred;
		s->n[i].k.missed = st.missed;
		s->n[i].k.timer_starts = st.timer_starts;
		s->n[i].k.timer_fires = st.timer_fires;
		s->n[i].k.violations = st.violations;
		s->n[i].id = n->napi_id ? n->napi_id - r->last_id : 0;
		s->n[i].count = n->defer_hard_irqs_count;
		for (k = 0; k < NR_CONTEXTS; k++)
			if (n->ctx == r->c[k])
				s->n[i].context = k;
	}
	for (i = 0; i < NR_CONTEXTS; i++) {
		struct unapi_context_stats st;
		struct napi_struct *n;

		unapi_context_get_stats(r->c[i], &st);
		s->c[i].k.runs = st.runs;
		s->c[i].k.squeezes = st.time_squeeze;
		s->c[i].k.processed = st.processed;
		s->c[i].k.inbox = st.inbox;
		k = 0;
		list_for_each_entry (n, &r->c[i]->poll_list, poll_list)
			s->c[i].list[k++] = real_of(n)->i + 1;
		k = 0;
		for (n = r->c[i]->inbox.head; n; n = n->inbox_next) /* the newest is first */
			k++;
		for (n = r->c[i]->inbox.head; n; n = n->inbox_next)
			s->c[i].queued[--k] = real_of(n)->i + 1;
	}
}

const struct scheduler real_scheduler = {
	.name = "core/napi",
	.prep = r_prep,
	.queue = r_queue,
	.mark_missed = r_mark_missed,
	.ask_for_it = r_ask_for_it,
	.complete = r_complete,
	.raise = r_raise,
	.set_defer = r_set_defer,
	.set_timeout = r_set_timeout,
	.set_suspend = r_set_suspend,
	.suspend = r_suspend,
	.resume = r_resume,
	.enable = r_enable,
	.disable = r_disable,
	.move = r_move,
	.run = r_run,
	.softirq = r_softirq,
	.busy = r_busy,
	.look = r_look,
};

void real_open(struct world *w, const unsigned int *budgets, const unsigned int *usecs)
{
	struct real *r = calloc(1, sizeof(*r));
	int i;

	assert_non_null(r);
	world_begin(w);
	w->s = &real_scheduler;
	w->scheduler = r;
	r->last_id = napi_id_last;
	unapi_clock_set_virtual(&w->now);
	for (i = 0; i < NR_CONTEXTS; i++) {
		struct unapi_context_conf conf = {.netdev_budget = budgets[i],
						  .netdev_budget_usecs = usecs[i]};

		assert_int_equal(unapi_context_create(&conf, &r->c[i]), 0);
	}
	for (i = 0; i < NR_INSTANCES; i++) {
		struct real_napi *rn = &r->r[i];

		assert_int_equal(unapi_napi_add(&rn->n, r->c[i % NR_CONTEXTS], "x", real_poll, WEIGHT), 0);
		rn->w = w;
		rn->i = i;
		rn->vector = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		assert_int_equal(unapi_napi_set_irq(&rn->n, rn->vector, real_irq), 0);
		assert_int_equal(unapi_napi_set_gro(&rn->n, &gro), 0);
		rn->n.timer.fn = real_fired;
	}
}

bool real_close(struct world *w)
{
	struct real *r = w->scheduler;
	bool ok = true;
	int i;

	/* what is planned, or prepared and not queued, is nobody's concern any more */
	for (i = 0; i < NR_INSTANCES; i++) {
		memset(w->d[i].planned, 0, sizeof(w->d[i].planned));
		if (w->d[i].owes_queue)
			__napi_schedule(&r->r[i].n);
	}
	for (i = 0; ok && i < NR_INSTANCES; i++)
		ok = napi_at_rest(&r->r[i].n) || !napi_disable(&r->r[i].n);
	unapi_clock_set_virtual(NULL);
	if (!ok)
		return false; /* somebody still owns it, and may look at it */
	for (i = 0; i < NR_INSTANCES; i++) {
		assert_int_equal(unapi_napi_del(&r->r[i].n), 0);
		close(r->r[i].vector);
	}
	for (i = 0; i < NR_CONTEXTS; i++)
		assert_int_equal(unapi_context_destroy(r->c[i]), 0);
	free(r);
	world_end(w);
	return true;
}
