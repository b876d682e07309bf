/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/napi_world.h"

#include <stdlib.h>
#include <string.h>

#define MSEC 1000000ULL

void world_log(struct world *w, int kind, int i, int a, int b)
{
	if (w->logged == w->room) {
		w->room = w->room ? 2 * w->room : 256;
		w->log = realloc(w->log, (size_t)w->room * sizeof(*w->log));
		if (!w->log)
			abort();
	}
	/* whole, for it is compared byte by byte */
	memset(&w->log[w->logged], 0, sizeof(*w->log));
	w->log[w->logged].kind = (uint8_t)kind;
	w->log[w->logged].i = (uint8_t)i;
	w->log[w->logged].a = a;
	w->log[w->logged].b = b;
	w->log[w->logged++].when = w->now;
}

static void fire(struct world *w, int i)
{
	w->d[i].masked = true; /* by itself, as igb's vectors with EIAM */
	w->d[i].cause = false;
	w->s->raise(w, i);
}

static bool schedule(struct world *w, int i)
{
	if (!w->s->prep(w, i))
		return false;
	w->s->queue(w, i);
	return true;
}

static void event(struct world *w, int i)
{
	if (!w->d[i].masked)
		fire(w, i);
	else
		w->d[i].cause = w->d[i].latches;
}

static void unmask(struct world *w, int i)
{
	struct device *d = &w->d[i];

	d->masked = false;
	if (d->latches && d->cause)
		fire(w, i);
	else if (!d->latches && d->backlog)
		schedule(w, i);
}

/* The driver sets its device up, then unmasks. */
static int enable(struct world *w, int i)
{
	int rc = w->s->enable(w, i);

	if (rc)
		return rc;
	w->d[i].cause = w->d[i].backlog;
	unmask(w, i);
	return 0;
}

static void carry_out(struct world *w, int i, enum stage stage)
{
	struct device *d = &w->d[i];
	struct act a;

	if (!d->planned[stage])
		return;
	a = d->plan[stage][0];
	memmove(d->plan[stage], d->plan[stage] + 1, sizeof(a) * (size_t)--d->planned[stage]);
	world_do(w, &a);
}

static void plan(struct world *w, const struct act *a)
{
	struct device *d = &w->d[a->i];
	struct act then = {.kind = a->plan.kind, .i = a->plan.i, .arg = a->plan.arg};

	if (d->planned[a->x] == 4)
		return;
	/* The scheduler reads the clock once a poll, when that completes: what passes later is the next
	 * poll's, as doc/napi.md says of the time limit. */
	if (a->x == AFTER_COMPLETE && then.kind == ELAPSE)
		then.kind = SCHEDULE;
	if (a->x == IN_FLUSH && then.kind == DISABLE) /* no business of GRO's */
		then.kind = SCHEDULE;
	d->plan[a->x][d->planned[a->x]++] = then;
}

static void expire(struct world *w)
{
	uint64_t next = UINT64_MAX;
	struct sight s;
	int i;

	w->s->look(w, &s);
	for (i = 0; i < NR_INSTANCES; i++)
		if (s.n[i].expires && s.n[i].expires < next)
			next = s.n[i].expires;
	if (next == UINT64_MAX)
		return;
	next = (next + TIME_GRAIN - 1) / TIME_GRAIN * TIME_GRAIN;
	if (w->now < next)
		w->now = next;
}

static int busy(struct world *w, const struct act *a)
{
	int tries = (int)(a->arg >> 16), rc;

	w->loop_left = tries;
	w->loop_over = a->i;
	rc = w->s->busy(w, a->i, a->x, (int)(a->arg & 0xffff), !tries);
	w->loop_over = -1;
	return rc;
}

void world_do(struct world *w, const struct act *a)
{
	struct device *d = &w->d[a->i];
	int rc = 0;

	switch (a->kind) {
	case ARRIVE:
		d->backlog += (int)a->arg;
		d->tcp = a->arg % 2;
		event(w, a->i);
		break;
	case TX_LEFT:
		d->tx_left = (int)a->arg;
		break;
	case STRAY:
		w->s->raise(w, a->i);
		break;
	case SCHEDULE:
		rc = schedule(w, a->i);
		break;
	case MARK_MISSED:
		rc = w->s->mark_missed(w, a->i);
		break;
	case ASK_FOR_IT:
		w->s->ask_for_it(w, a->i);
		break;
	case SET_DEFER:
		w->s->set_defer(w, a->i, a->arg);
		break;
	case SET_TIMEOUT:
		w->s->set_timeout(w, a->i, a->arg);
		break;
	case SET_SUSPEND:
		w->s->set_suspend(w, a->i, a->arg);
		break;
	case SUSPEND:
		w->s->suspend(w, a->i);
		break;
	case RESUME:
		w->s->resume(w, a->i);
		break;
	case ELAPSE:
		w->now += a->arg;
		break;
	case DISABLE:
		if (a->i != w->loop_over)
			rc = w->s->disable(w, a->i, a->arg);
		break;
	case PREP:
		rc = w->s->prep(w, a->i);
		if (rc)
			d->owes_queue = true;
		break;
	case QUEUE:
		if (d->owes_queue) {
			d->owes_queue = false;
			w->s->queue(w, a->i);
		}
		break;
	case ENABLE:
		rc = enable(w, a->i);
		break;
	case MOVE:
		rc = w->s->move(w, a->i, a->x, a->arg);
		break;
	case RUN:
		rc = w->s->run(w, a->x);
		break;
	case SOFTIRQ:
		w->s->softirq(w, a->x);
		break;
	case EXPIRE:
		expire(w);
		break;
	case BUSY:
		rc = busy(w, a);
		break;
	case PLAN:
		plan(w, a);
		break;
	}
	world_log(w, RESULT, a->i, a->kind, rc);
}

int world_poll(struct world *w, int i, int budget)
{
	struct device *d = &w->d[i];
	bool may_unmask;
	int work;

	w->polling++;
	carry_out(w, i, BEFORE_RING);
	work = d->backlog < budget ? d->backlog : budget;
	d->backlog -= work;
	if (d->tcp && work) {
		if (d->held_ms != w->now / MSEC)
			world_gro_held(w, i);
		d->held += work;
	}
	if (d->tx_left) {
		d->tx_left--;
		work = budget;
	}
	world_log(w, POLLED, i, budget, work);
	if (work < budget) {
		carry_out(w, i, BEFORE_COMPLETE);
		may_unmask = w->s->complete(w, i, work);
		world_log(w, COMPLETED, i, work, may_unmask);
		carry_out(w, i, AFTER_COMPLETE);
		if (may_unmask)
			unmask(w, i);
	}
	w->polling--;
	return work;
}

void world_irq(struct world *w, int i)
{
	world_log(w, TOOK_IRQ, i, 0, 0);
	schedule(w, i);
}

bool world_gro_held(struct world *w, int i)
{
	struct device *d = &w->d[i];

	if (d->held_ms != w->now / MSEC) {
		d->held_old += d->held;
		d->held = 0;
		d->held_ms = w->now / MSEC;
	}
	return d->held || d->held_old;
}

void world_gro_flush(struct world *w, int i, bool all)
{
	struct device *d = &w->d[i];

	world_gro_held(w, i);
	world_log(w, all ? FLUSHED_ALL : FLUSHED_OLD, i, d->held_old, all ? d->held : 0);
	d->held_old = 0;
	if (all)
		d->held = 0;
	w->polling++; /* what is delivered counts as inside the poll method */
	carry_out(w, i, IN_FLUSH);
	w->polling--;
}

bool world_loop_end(struct world *w)
{
	carry_out(w, w->loop_over, IN_LOOP);
	return --w->loop_left <= 0;
}

void world_begin(struct world *w)
{
	int i;

	memset(w, 0, sizeof(*w));
	w->now = 1600 * MSEC;
	w->loop_over = -1;
	for (i = 0; i < NR_INSTANCES; i++) {
		w->d[i].masked = true;
		w->d[i].latches = i % 3 != 2;
	}
}

void world_end(struct world *w)
{
	free(w->log);
}
