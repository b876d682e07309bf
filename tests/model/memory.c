/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an access to memory may see.
 *
 * Each object of atomic operations keeps its latest stores. A load reads any store that is not older than
 * what its thread knows of (coherence), a read-modify-write the newest. A store that releases takes along
 * what its thread knows; a load that acquires learns it; a read-modify-write passes on what the store that
 * it replaced carried (release sequences). A sequentially consistent load reads nothing older than the
 * newest sequentially consistent store before it. Stores to one object take effect in the order in which
 * they are executed.
 *
 * The other objects are what the code guards by these: an access that does not know of the last write, or
 * a write that does not know of all reads, is a data race.
 *
 * The code's own memory always has the newest values.
 */
#include "tests/model/model.h"

#include <string.h>

struct world w;
struct memory_known *memory_known;
bool memory_again;
unsigned int memory_cut;

enum { NOTHING, IGNORED, PLAIN, ATOM };

static struct object {
	void *addr;
	uint8_t size;
	bool shared, is_written, counter;
	unsigned int users; /* fibers */
	uint64_t first;	    /* value at the start */
} atoms[MAX_ATOMS], plains[MAX_PLAIN];
static unsigned int nr_atoms, nr_plains;

enum { MAP_SIZE = 4096 };
static struct {
	const void *addr;
	uint8_t kind, index;
} map[MAP_SIZE];
static int written = -1; /* an atom that is just being written without an atomic operation */
static int counted = -1; /* a counter that is just being written */

static uint64_t value_at(const void *addr, unsigned int size)
{
	uint64_t v = 0;

	memcpy(&v, addr, size);
	return v;
}

const char *memory_atom_name(int atom)
{
	return memory_describe(atoms[atom].addr);
}

const void *memory_atom_addr(int atom)
{
	return atoms[atom].addr;
}

static unsigned int slot_of(const void *addr)
{
	unsigned int at = (unsigned int)(((uintptr_t)addr * 0x9e3779b97f4a7c15ULL) >> 52) % MAP_SIZE;

	while (map[at].addr && map[at].addr != addr)
		at = at + 1 == MAP_SIZE ? 0 : at + 1;
	return at;
}

static unsigned int add(const void *addr, unsigned int size, int kind)
{
	unsigned int at = slot_of(addr);
	struct object *o = kind == ATOM ? &atoms[nr_atoms] : &plains[nr_plains];

	map[at].addr = addr;
	if (memory_is_ignored(addr)) {
		map[at].kind = IGNORED;
		return at;
	}
	if ((kind == ATOM && nr_atoms == MAX_ATOMS) || (kind == PLAIN && nr_plains == MAX_PLAIN)) {
		model_fail("too many %s objects: %s", kind == ATOM ? "atomic" : "other",
			   memory_describe(addr));
		map[at].kind = IGNORED;
		return at;
	}
	map[at].kind = (uint8_t)kind;
	map[at].index = (uint8_t)(kind == ATOM ? nr_atoms++ : nr_plains++);
	*o = (struct object){.addr = (void *)(uintptr_t)addr,
			     .size = (uint8_t)size,
			     .counter = memory_is_counter(addr),
			     .first = value_at(addr, size)};
	return at;
}

/* After everything was set up: what earlier attempts found out. */
void memory_begin(void)
{
	for (unsigned int i = 0; i < memory_known->n; i++) {
		const struct known_object *k = &memory_known->object[i];
		unsigned int at = add(k->addr, k->size, k->atom ? ATOM : PLAIN);

		(k->atom ? atoms : plains)[map[at].index].shared = k->shared;
	}
}

#define FOR_EACH_VIEW(v, stmt)                                                \
	do {                                                                  \
		struct view *v;                                               \
		for (int i_ = 0; i_ < MAX_FIBERS && w.fiber[i_].used; i_++) { \
			v = &w.fiber[i_].view;                                \
			stmt;                                                 \
		}                                                             \
		for (int i_ = 0; i_ < MAX_MUTEXES; i_++)                      \
			if (w.mutex[i_].has_view) {                           \
				v = &w.mutex[i_].view;                        \
				stmt;                                         \
			}                                                     \
		for (int i_ = 0; i_ < MAX_FDS; i_++)                          \
			if (w.fd[i_].has_view) {                              \
				v = &w.fd[i_].view;                           \
				stmt;                                         \
			}                                                     \
		for (unsigned int i_ = 0; i_ < nr_atoms; i_++)                \
			for (unsigned int j_ = 0; j_ < w.atom[i_].n; j_++)    \
				if (w.atom[i_].m[j_].release) {               \
					v = &w.atom[i_].m[j_].view;           \
					stmt;                                 \
				}                                             \
	} while (0)

void memory_join(struct view *to, const struct view *from)
{
	for (unsigned int i = 0; i < MAX_ATOMS; i++)
		to->ts[i] = to->ts[i] > from->ts[i] ? to->ts[i] : from->ts[i];
	for (unsigned int i = 0; i < PLAIN_WORDS; i++)
		to->unseen[i] &= from->unseen[i];
	for (unsigned int f = 0; f < MAX_FIBERS; f++)
		for (unsigned int i = 0; i < PLAIN_WORDS; i++)
			to->unread[f][i] &= from->unread[f][i];
}

/* Does @a know all that @b knows? */
static bool includes(const struct view *a, const struct view *b)
{
	for (unsigned int i = 0; i < MAX_ATOMS; i++)
		if (a->ts[i] < b->ts[i])
			return false;
	for (unsigned int i = 0; i < PLAIN_WORDS; i++)
		if (a->unseen[i] & ~b->unseen[i])
			return false;
	for (unsigned int f = 0; f < MAX_FIBERS; f++)
		for (unsigned int i = 0; i < PLAIN_WORDS; i++)
			if (a->unread[f][i] & ~b->unread[f][i])
				return false;
	return true;
}

void memory_newest(struct view *v, uint64_t set)
{
	for (unsigned int i = 0; i < nr_atoms; i++)
		if (set >> i & 1)
			v->ts[i] = w.atom[i].n ? w.atom[i].n - 1 : 0;
}

void memory_sync_all(void)
{
	struct view all = w.fiber[me < 0 ? 0 : me].view;

	for (int i = 0; i < MAX_FIBERS; i++)
		if (w.fiber[i].used)
			memory_join(&all, &w.fiber[i].view);
	for (int i = 0; i < MAX_FIBERS; i++)
		if (w.fiber[i].used) {
			w.fiber[i].view = all;
			memory_newest(&w.fiber[i].view, UINT64_MAX);
		}
}

static void touch(unsigned int a)
{
	struct atom *at = &w.atom[a];

	if (at->n)
		return;
	at->n = 1;
	at->sc = 0;
	at->m[0].value = atoms[a].first;
	at->m[0].release = false;
}

/* Forget the @drop oldest stores. */
static void forget(unsigned int a, uint8_t drop)
{
	struct atom *at = &w.atom[a];

	memmove(&at->m[0], &at->m[drop], (size_t)(at->n - drop) * sizeof(at->m[0]));
	at->n -= drop;
	at->sc = at->sc > drop ? at->sc - drop : 0;
	FOR_EACH_VIEW(v, v->ts[a] = v->ts[a] > drop ? v->ts[a] - drop : 0);
}

/* Room for another store; its place is the fiber's newest. */
static struct msg *append(unsigned int a, struct view *v)
{
	struct atom *at = &w.atom[a];

	if (at->n == MAX_HISTORY) {
		memory_cut++;
		forget(a, 1);
	}
	v->ts[a] = at->n;
	return &at->m[at->n++];
}

static void put_memory(unsigned int a, uint64_t v)
{
	memcpy(atoms[a].addr, &v, atoms[a].size);
}

/* A plain store to an atom has been made by now. */
void memory_settle(void)
{
	struct msg *m;
	int a = written;

	if (counted >= 0 && value_at(plains[counted].addr, plains[counted].size) > 2)
		memcpy(plains[counted].addr, &(uint64_t){2}, plains[counted].size);
	counted = -1;
	if (a < 0)
		return;
	written = -1;
	m = append((unsigned int)a, &w.fiber[me].view);
	m->value = value_at(atoms[a].addr, atoms[a].size);
	m->release = false;
	os_changed(me, 1ULL << a);
}

static void race(const void *addr, bool write, const char *with)
{
	model_fail("data race: %s %s %s, not ordered after %s", fiber_name(me), write ? "writes" : "reads",
		   memory_describe(addr), with);
}

static void plain_atom(unsigned int a, bool write)
{
	touch(a);
	if (w.fiber[me].view.ts[a] != w.atom[a].n - 1)
		race(atoms[a].addr, write, "the last store");
	if (write)
		written = (int)a;
}

/* Is it accessed by several, and written? If this is the first time, what was explored so far is void. */
static bool is_shared(struct object *o, int kind, bool write)
{
	struct memory_known *k = memory_known;
	unsigned int i;

	o->users |= 1u << me;
	o->is_written |= write;
	if (o->shared || !o->is_written || !(o->users & (o->users - 1)))
		return o->shared;
	for (i = 0; i < k->n && k->object[i].addr != o->addr; i++)
		;
	if (i == k->n)
		k->n++;
	k->object[i] =
		(struct known_object){.addr = o->addr, .size = o->size, .atom = kind == ATOM, .shared = true};
	memory_again = true;
	return true;
}

bool memory_shared(int atom, bool write)
{
	return is_shared(&atoms[atom], ATOM, write);
}

void memory_plain(const void *addr, unsigned int size, bool write)
{
	struct view *mine;
	unsigned int at, i;
	uint64_t bit;

	if (me < 0)
		return;
	memory_settle();
	if (fiber_owns(addr))
		return;
	at = slot_of(addr);
	if (map[at].kind == NOTHING)
		at = add(addr, size, PLAIN);
	if (map[at].kind == IGNORED)
		return;
	if (map[at].kind == ATOM) {
		plain_atom(map[at].index, write);
		return;
	}
	if (write && plains[map[at].index].counter)
		counted = map[at].index;
	if (!is_shared(&plains[map[at].index], PLAIN, write))
		return;
	i = map[at].index / 64;
	bit = 1ULL << map[at].index % 64;
	mine = &w.fiber[me].view;
	if (mine->unseen[i] & bit)
		race(addr, write, "the last write");
	if (!write) {
		FOR_EACH_VIEW(v, v->unread[me][i] |= bit);
		mine->unread[me][i] &= ~bit;
		return;
	}
	for (int f = 0; f < MAX_FIBERS; f++)
		if (f != me && mine->unread[f][i] & bit)
			race(addr, true, "a read by another role");
	FOR_EACH_VIEW(v, {
		v->unseen[i] |= bit;
		for (int f = 0; f < MAX_FIBERS; f++)
			v->unread[f][i] &= ~bit;
	});
	mine->unseen[i] &= ~bit;
}

int memory_atom(const void *addr, unsigned int size)
{
	unsigned int at, i;

	memory_settle();
	at = slot_of(addr);
	if (map[at].kind == NOTHING)
		at = add(addr, size, ATOM);
	if (map[at].kind == PLAIN) {
		/* What was explored so far is void. */
		memory_again = true;
		for (i = 0; i < memory_known->n && memory_known->object[i].addr != addr; i++)
			;
		memory_known->n += i == memory_known->n;
		memory_known->object[i] =
			(struct known_object){.addr = addr, .size = (uint8_t)size, .atom = true};
		map[at].kind = IGNORED;
		return -1;
	}
	if (map[at].kind == IGNORED)
		return -1;
	touch(map[at].index);
	return map[at].index;
}

static bool seq_cst(uint8_t order)
{
	return order == __ATOMIC_SEQ_CST;
}

static bool acquires(uint8_t order)
{
	return order == __ATOMIC_ACQUIRE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_CONSUME ||
	       seq_cst(order);
}

static bool releases(uint8_t order)
{
	return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || seq_cst(order);
}

static unsigned int oldest(const struct fiber *f, uint8_t order)
{
	const struct atom *a = &w.atom[f->op.obj];
	unsigned int lo = f->view.ts[f->op.obj];

	return seq_cst(order) && a->sc > lo ? a->sc : lo;
}

/* Which store, and what follows, the @k-th outcome is about. */
static unsigned int pick(const struct fiber *f, unsigned int k, bool *success)
{
	const struct op *op = &f->op;
	const struct atom *a = &w.atom[op->obj];
	unsigned int newest = a->n - 1u, i;

	*success = false;
	if (op->kind != OP_CAS)
		return newest - k;
	if (a->m[newest].value == op->expected) {
		*success = k == 0;
		if (k == 0 || (k == 1 && op->weak))
			return newest;
		k -= 1 + op->weak;
	} else {
		if (k == 0)
			return newest;
		k--;
	}
	for (i = newest; i-- > oldest(f, op->fail_order);)
		if (a->m[i].value != op->expected && k-- == 0)
			return i;
	return newest;
}

unsigned int memory_outcomes(const struct fiber *f)
{
	const struct op *op = &f->op;
	const struct atom *a = &w.atom[op->obj];
	unsigned int newest = a->n - 1u, n = 1, i;

	if (op->kind == OP_LOAD)
		return newest - oldest(f, op->order) + 1;
	if (op->kind != OP_CAS)
		return 1;
	n += a->m[newest].value == op->expected && op->weak;
	for (i = oldest(f, op->fail_order); i < newest; i++)
		n += a->m[i].value != op->expected;
	return n;
}

static uint64_t apply(const struct op *op, uint64_t v)
{
	switch (op->rmw) {
	case RMW_ADD:
		v += op->operand;
		break;
	case RMW_SUB:
		v -= op->operand;
		break;
	case RMW_AND:
		v &= op->operand;
		break;
	case RMW_OR:
		v |= op->operand;
		break;
	default:
		v = op->operand;
	}
	return op->size == 8 ? v : v & ((1ULL << op->size * 8) - 1);
}

static void do_load(struct fiber *f, unsigned int i, uint8_t order)
{
	unsigned int a = f->op.obj;
	const struct msg *m = &w.atom[a].m[i];

	f->result = m->value;
	if (f->view.ts[a] < i)
		f->view.ts[a] = (uint8_t)i;
	if (acquires(order) && m->release)
		memory_join(&f->view, &m->view);
}

static void do_store(struct fiber *f, uint64_t v, bool replace)
{
	static struct view passed;
	unsigned int a = f->op.obj;
	struct atom *at = &w.atom[a];
	bool pass = replace && at->m[at->n - 1].release;
	struct msg *m;

	if (pass)
		passed = at->m[at->n - 1].view;
	m = append(a, &f->view);
	if (pass)
		passed.ts[a] = f->view.ts[a];
	m->value = v;
	m->release = pass || releases(f->op.order);
	if (pass)
		m->view = passed;
	if (releases(f->op.order)) {
		if (pass)
			memory_join(&m->view, &f->view);
		else
			m->view = f->view;
	}
	if (seq_cst(f->op.order))
		at->sc = at->n - 1;
	put_memory(a, v);
	os_changed((int)(f - w.fiber), 1ULL << a);
}

void memory_perform(struct fiber *f, unsigned int k)
{
	const struct op *op = &f->op;
	bool success;
	unsigned int i = pick(f, k, &success), newest = w.atom[op->obj].n - 1u;

	switch (op->kind) {
	case OP_LOAD:
		do_load(f, i, op->order);
		break;
	case OP_STORE:
		do_store(f, op->operand, false);
		break;
	case OP_RMW:
		do_load(f, newest, op->order);
		do_store(f, apply(op, f->result), true);
		break;
	default:
		do_load(f, i, success ? op->order : op->fail_order);
		if (success)
			do_store(f, op->operand, true);
		f->op.operand = success;
	}
}

static bool live(const struct fiber *f)
{
	return f->used && f->op.kind != OP_DONE;
}

static bool all_know(const struct view *v)
{
	for (int i = 0; i < MAX_FIBERS; i++)
		if (live(&w.fiber[i]) && !includes(&w.fiber[i].view, v))
			return false;
	return true;
}

/* Drop what nobody can tell from its absence, so that equal states are equal. */
void memory_tidy(void)
{
	for (unsigned int a = 0; a < nr_atoms; a++) {
		uint8_t least = UINT8_MAX;

		if (w.atom[a].n < 2)
			continue;
		for (int i = 0; i < MAX_FIBERS; i++)
			if (live(&w.fiber[i]) && w.fiber[i].view.ts[a] < least)
				least = w.fiber[i].view.ts[a];
		if (least == UINT8_MAX)
			least = w.atom[a].n - 1;
		if (least)
			forget(a, least);
	}
	for (unsigned int a = 0; a < nr_atoms; a++)
		for (unsigned int j = 0; j < w.atom[a].n; j++)
			if (w.atom[a].m[j].release && all_know(&w.atom[a].m[j].view))
				w.atom[a].m[j].release = false;
	for (int i = 0; i < MAX_MUTEXES; i++)
		if (w.mutex[i].has_view && all_know(&w.mutex[i].view))
			w.mutex[i].has_view = false;
	for (int i = 0; i < MAX_FDS; i++)
		if (w.fd[i].has_view && all_know(&w.fd[i].view))
			w.fd[i].has_view = false;
}

uint64_t memory_hash(uint64_t h)
{
	for (unsigned int a = 0; a < nr_atoms; a++) {
		const struct atom *at = &w.atom[a];

		if (!at->n || (at->n == 1 && at->m[0].value == atoms[a].first && !at->m[0].release))
			continue;
		h = mix(h, (uint64_t)a << 16 | (uint64_t)at->sc << 8 | at->n);
		for (unsigned int j = 0; j < at->n; j++) {
			h = mix(h, at->m[j].value);
			if (at->m[j].release)
				h = mix_words(h, &at->m[j].view, sizeof(struct view));
		}
	}
	for (unsigned int i = 0; i < nr_plains; i++) {
		uint64_t v = value_at(plains[i].addr, plains[i].size);

		if (v != plains[i].first)
			h = mix(mix(h, ~(uint64_t)i), v);
	}
	return h;
}

static uint8_t *put(uint8_t *to, const void *what, size_t size)
{
	memcpy(to, what, size);
	return to + size;
}

static const uint8_t *take(const uint8_t *from, void *what, size_t size)
{
	memcpy(what, from, size);
	return from + size;
}

size_t memory_save(uint8_t *to)
{
	uint8_t *p = to;
	uint64_t v;

	p = put(p, &nr_atoms, sizeof(nr_atoms));
	p = put(p, &nr_plains, sizeof(nr_plains));
	for (unsigned int a = 0; a < nr_atoms; a++) {
		const struct atom *at = &w.atom[a];

		p = put(p, at, offsetof(struct atom, m));
		for (unsigned int j = 0; j < at->n; j++)
			p = put(p, &at->m[j],
				at->m[j].release ? sizeof(struct msg) : offsetof(struct msg, view));
	}
	for (unsigned int i = 0; i < nr_plains; i++) {
		v = value_at(plains[i].addr, plains[i].size);
		p = put(p, &v, sizeof(v));
	}
	return (size_t)(p - to);
}

void memory_restore(const uint8_t *from)
{
	unsigned int saved_atoms, saved_plains;
	uint64_t v;

	from = take(from, &saved_atoms, sizeof(saved_atoms));
	from = take(from, &saved_plains, sizeof(saved_plains));
	for (unsigned int a = 0; a < nr_atoms; a++) {
		struct atom *at = &w.atom[a];

		if (a >= saved_atoms) {
			at->n = at->sc = 0;
			put_memory(a, atoms[a].first);
			continue;
		}
		from = take(from, at, offsetof(struct atom, m));
		for (unsigned int j = 0; j < at->n; j++) {
			from = take(from, &at->m[j], offsetof(struct msg, view));
			if (at->m[j].release)
				from = take(from, &at->m[j].view, sizeof(struct view));
		}
		put_memory(a, at->n ? at->m[at->n - 1].value : atoms[a].first);
	}
	for (unsigned int i = 0; i < nr_plains; i++) {
		v = plains[i].first;
		if (i < saved_plains)
			from = take(from, &v, sizeof(v));
		memcpy(plains[i].addr, &v, plains[i].size);
	}
	written = counted = -1;
}
