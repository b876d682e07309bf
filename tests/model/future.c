/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a fiber may still touch, by the place at which it stands.
 *
 * If nobody else will ever touch what a fiber is about to touch, it does not matter when it does so: the
 * search then lets it go on at once, instead of trying every order (a persistent set of one fiber). What lies
 * ahead of a place is learned by watching. When something new was seen, what was left out may have mattered,
 * and the search starts over, until one search has taught nothing.
 *
 * A set has a bit for each atom, lock and group of other things.
 */
#include "tests/model/model.h"

#include <string.h>

enum { MAX_PLACES = 1024 };
_Static_assert((int)MAX_ATOMS <= (int)LOCK_BIT && (int)LOCK_BIT + (int)MAX_MUTEXES <= (int)FDS_BIT,
	       "bits overlap");

struct future {
	unsigned int n;
	struct place {
		const void *key;
		int fiber;
		uint64_t reads, writes; /* here and everywhere behind it */
		uint64_t before[MAX_PLACES / 64];
	} place[MAX_PLACES];
};

static struct future *all;
static bool *learned;

size_t future_size(void)
{
	return sizeof(struct future);
}

void future_begin(void *kept, bool *learned_something)
{
	all = kept;
	learned = learned_something;
}

static void touches(const struct op *op, uint64_t *reads, uint64_t *writes)
{
	*reads = *writes = 0;
	switch (op->kind) {
	case OP_LOAD:
		*reads = 1ULL << op->obj;
		break;
	case OP_STORE:
	case OP_RMW:
	case OP_CAS:
		*writes = 1ULL << op->obj;
		break;
	case OP_LOCK:
		*writes = 1ULL << (LOCK_BIT + op->obj);
		break;
	case OP_NOTE:
		*writes = 1ULL << NOTES_BIT;
		break;
	case OP_CHOOSE:
	case OP_WRITE:
	case OP_WAIT:
	case OP_WATCH:
		*writes = 1ULL << FDS_BIT | 1ULL << TIME_BIT;
		break;
	case OP_FENCE:
		*reads = *writes = UINT64_MAX;
		break;
	default:
		break;
	}
	if (op->kind >= OP_LOAD && op->kind <= OP_CAS && os_is_timer(op->obj))
		*writes |= 1ULL << TIME_BIT;
}

static unsigned int place_of(int fiber, const struct op *op)
{
	const void *key = op->pc     ? op->pc
			  : op->what ? (const void *)op->what
				     : (const void *)(uintptr_t)op->kind;
	unsigned int i;

	for (i = 0; i < all->n; i++)
		if (all->place[i].key == key && all->place[i].fiber == fiber)
			return i;
	if (i == MAX_PLACES) {
		model_fail("more than %d places", MAX_PLACES);
		return 0;
	}
	all->place[all->n++] = (struct place){.key = key, .fiber = fiber};
	return i;
}

/* It lies ahead of @p: then of all before, too. */
static void add(unsigned int p, uint64_t reads, uint64_t writes)
{
	struct place *at = &all->place[p];

	if (!(reads & ~at->reads) && !(writes & ~at->writes))
		return;
	*learned = true;
	at->reads |= reads;
	at->writes |= writes;
	for (unsigned int i = 0; i < all->n; i++)
		if (at->before[i / 64] >> i % 64 & 1)
			add(i, at->reads, at->writes);
}

static void follows(unsigned int p, unsigned int before)
{
	struct place *at = &all->place[p];
	uint64_t bit = 1ULL << before % 64;

	if (at->before[before / 64] & bit)
		return;
	at->before[before / 64] |= bit;
	add(before, at->reads, at->writes);
}

/* @i has come to its present operation; @by: who made it, if it begins. */
void future_learn(int i, int by)
{
	struct fiber *f = &w.fiber[i];
	uint64_t reads, writes;
	unsigned int p = place_of(i, &f->op);

	touches(&f->op, &reads, &writes);
	add(p, reads, writes);
	if (f->op.kind != OP_START)
		follows(p, f->place);
	else if (by >= 0)
		follows(p, w.fiber[by].place);
	f->place = (uint16_t)p;
}

/* Can @i go on before all others? Then every outcome of its operation must be tried, and nothing else. */
bool future_is_alone(int i)
{
	enum op_kind kind = w.fiber[i].op.kind;
	uint64_t reads, writes;

	if (kind == OP_WAIT || kind == OP_WATCH || kind == OP_JOIN || kind == OP_FENCE)
		return false;
	touches(&w.fiber[i].op, &reads, &writes);
	if (os_has_time && (reads | writes) >> TIME_BIT & 1)
		return false;
	for (int j = 0; j < MAX_FIBERS && w.fiber[j].used; j++) {
		const struct place *p = &all->place[w.fiber[j].place];

		if (j != i && w.fiber[j].op.kind != OP_DONE &&
		    (writes & (p->reads | p->writes) || reads & p->writes))
			return false;
	}
	return true;
}

/* A napping fiber looks at what lies ahead of it; nothing else need wake it. */
uint64_t future_of(int i)
{
	const struct place *p = &all->place[w.fiber[i].place];

	return search_is_limited() ? UINT64_MAX : p->reads | p->writes;
}
