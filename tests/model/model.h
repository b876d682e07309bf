/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An explorer of interleavings that runs the library's own compiled code.
 *
 * The sources are compiled with -fsanitize=thread, which puts a call before every access to memory and in
 * the place of every atomic operation, and are linked with this program instead of the sanitizer's library
 * (hooks.c). Roles are fibers (fiber.c); before each atomic operation, lock, wait or free choice a fiber
 * stops, and the search (search.c) decides who goes on and what it sees. What it may see is memory.c's
 * business. os.c is what the code knows of its system: locks, event descriptors, time.
 */
#ifndef UNAPI_TESTS_MODEL_H
#define UNAPI_TESTS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MAX_FIBERS = 7,
	MAX_ATOMS = 32,	  /* objects of atomic operations */
	MAX_HISTORY = 16, /* stores to one of them that somebody may still read */
	MAX_PLAIN = 192,  /* other objects */
	PLAIN_WORDS = MAX_PLAIN / 64,
	MAX_MUTEXES = 8,
	MAX_FDS = 10,
	STACK_SIZE = 16384,
};

/*
 * What somebody knows of memory. @ts: for each atomic object, the oldest store it may still read. @unread
 * and @unseen: the other objects whose last write, or whose latest read by another fiber, it does not know
 * to have happened before. All zero: it knows everything.
 */
struct view {
	uint8_t ts[MAX_ATOMS];
	uint64_t unseen[PLAIN_WORDS];
	uint64_t unread[MAX_FIBERS][PLAIN_WORDS];
};

enum op_kind {
	OP_START,
	OP_LOAD,
	OP_STORE,
	OP_RMW,
	OP_CAS,
	OP_LOCK,
	OP_NAP,	   /* sleep until something has changed */
	OP_CHOOSE, /* of @operand outcomes */
	OP_WRITE,  /* to an event descriptor */
	OP_WAIT,   /* for one that is in an epoll descriptor, until @until */
	OP_WATCH,  /* the same, and take none */
	OP_NOTE,   /* it is going to note something */
	OP_JOIN,
	OP_FENCE, /* of all threads: membarrier(2) */
	OP_DONE,
};

enum rmw { RMW_ADD, RMW_SUB, RMW_AND, RMW_OR, RMW_SET };

/* What a fiber is about to do. */
struct op {
	enum op_kind kind;
	uint8_t obj; /* atom, mutex, descriptor or fiber */
	uint8_t size, order, fail_order;
	uint8_t rmw;
	bool weak;
	uint64_t operand, expected;
	uint64_t until;
	const void *pc;
	const char *what;
};

struct fiber {
	bool used;
	bool naps; /* waits for change since its last nap: */
	bool changed;
	bool may_be_late, late; /* its deadlines may pass, have passed */
	uint16_t place;		/* future.c */
	struct op op;
	uint64_t result;
	void *sp;
	struct view view;
};

struct msg {
	uint64_t value;
	bool release; /* @view is what an acquiring reader gets to know */
	struct view view;
};

struct atom {
	uint8_t n;  /* stores kept, 0: never touched */
	uint8_t sc; /* the oldest that a sequentially consistent load may read */
	struct msg m[MAX_HISTORY];
};

struct mutex {
	int8_t owner; /* fiber + 1 */
	bool has_view;
	struct view view;
};

struct fd {
	uint8_t kind;
	int8_t epoll;  /* in this one, -1 none */
	bool pending;  /* it has an event there */
	bool readable; /* its counter is not 0 */
	uint64_t data;
	uint64_t expires; /* a timer, 0 not set */
	bool has_view;
	struct view view;
};

/* The device's vector, and what roles note for the properties; not seen by the code. */
struct notes {
	uint8_t polling;	 /* fiber + 1 that is inside the poll method as its owner */
	uint8_t disabled;	 /* napi_disable() has returned, napi_enable() was not called */
	uint8_t masked, pending; /* the vector; a cause that came while it was masked */
	uint8_t n[4];
};

/* Everything that changes in a run, but for the code's own memory and the fibers' stacks. */
struct world {
	struct fiber fiber[MAX_FIBERS];
	struct mutex mutex[MAX_MUTEXES];
	struct fd fd[MAX_FDS];
	uint64_t now;
	size_t allocated;
	struct notes notes;
	struct atom atom[MAX_ATOMS];
};

extern struct world w;
extern int me; /* the fiber that runs, -1: set up or the search */

/* memory.c */
/*
 * What was found out about objects, kept between attempts: when one turns out to be one of atomic operations
 * though it was used otherwise before, or to be shared though only one fiber had used it or nobody had
 * written it, the search starts over. Those that are not shared need neither a stop nor a check.
 */
extern struct memory_known {
	unsigned int n;
	struct known_object {
		const void *addr;
		uint8_t size;
		bool atom, shared;
	} object[MAX_ATOMS + MAX_PLAIN];
} * memory_known;
/* Need the fiber stop before it accesses this atom? */
bool memory_shared(int atom, bool write);
void memory_begin(void);
void memory_plain(const void *addr, unsigned int size, bool write);
/* The atom at this address, or -1 if its accesses are of no interest. */
int memory_atom(const void *addr, unsigned int size);
unsigned int memory_outcomes(const struct fiber *f);
/* Do @f's operation; @k: which outcome. Fills f->result. */
void memory_perform(struct fiber *f, unsigned int k);
void memory_join(struct view *to, const struct view *from);
void memory_newest(struct view *v, uint64_t atoms); /* it reads no old store of these any more */
void memory_sync_all(void);
void memory_tidy(void);
uint64_t memory_hash(uint64_t h);
size_t memory_save(uint8_t *to);
void memory_restore(const uint8_t *from);
bool memory_is_ignored(const void *addr);
bool memory_is_counter(const void *addr);
/* A store that the compiler announced has been made by now. */
void memory_settle(void);
/* Accesses to this memory are not part of the model: stores are dropped. */
void memory_ignore(const void *addr, size_t size);
/* A count of which only 0 and 1 make a difference: it stops at 2. */
void memory_counter(const void *addr);
void memory_name(const void *addr, const char *name);
const char *memory_atom_name(int atom);
const void *memory_atom_addr(int atom);
const char *memory_describe(const void *addr);
extern bool memory_again; /* start over */
extern unsigned int memory_cut;

/* fiber.c */
int fiber_spawn(const char *name, void (*fn)(void *arg), void *arg);
void fibers_reset(void);
void fiber_resume(int i);
void fiber_yield(void); /* with w.fiber[me].op set */
const char *fiber_name(int i);
void fiber_rename(int i, const char *name);
bool fiber_owns(const void *addr); /* is it on some fiber's stack? */
uint64_t fiber_hash(int i, uint64_t h);
void *fiber_local(int i); /* 64 bytes of its own */
size_t fiber_save(int i, uint8_t *to);
size_t fiber_restore(int i, const uint8_t *from);

/* os.c */
unsigned int os_outcomes(int f);
void os_perform(int f, unsigned int k);
/* Time passes until the next expiry, if there is one. */
bool os_time_can_pass(void);
void os_pass_time(void);
void os_changed(int by, uint64_t what);
uint64_t os_hash(uint64_t h);
size_t os_save(uint8_t *to);
size_t os_restore(const uint8_t *from);
void *os_alloc(size_t size);
/* Without a stop: write an event descriptor, or (not @now) prepare what is going to be written later. */
void os_signal(int fd, bool now);
unsigned int os_choose(unsigned int n, const char *what);
void os_timers_of(const uint64_t *next); /* when a context's earliest timer expires */
bool os_is_timer(int atom);
void os_note(void);    /* stop before something is noted */
bool os_asleep(int f); /* it waits for events */
extern bool os_has_time;
void os_thread_begins(int fiber);
void os_watch(int epfd); /* until it is readable */

/* future.c */
size_t future_size(void);
void future_begin(void *kept, bool *learned_something);
void future_learn(int i, int by);
bool future_is_alone(int i);
uint64_t future_of(int i);

/* In the sets of future.c; atoms come first. */
enum {
	LOCK_BIT = 48,
	FDS_BIT = 60, /* descriptors, the device */
	NOTES_BIT,
	TIME_BIT,
};

/* search.c */
struct scenario;
struct search_result {
	char failure[256]; /* empty: none */
	unsigned long states, steps, ends;
	unsigned int depth, cut, searches;
	double seconds;
	int surprises; /* the limit, -1 none */
};
/* @surprises: at most so many, -1: any number. */
struct search_result search(const struct scenario *s, int surprises);
extern int model_bug; /* which bug is switched on, 0 none */
bool search_is_limited(void);
void model_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Hashing. */
static inline uint64_t mix(uint64_t h, uint64_t v)
{
	__uint128_t m = (__uint128_t)(h ^ v ^ 0x9e3779b97f4a7c15ULL) * 0xd6e8feb86659fd93ULL;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline uint64_t mix_words(uint64_t h, const void *p, size_t size)
{
	const uint64_t *v = p;
	uint64_t a = h, b = ~h;
	size_t i, n = size / 8;

	for (i = 0; i + 2 <= n; i += 2) { /* two chains, for the processor's sake */
		a = mix(a, v[i]);
		b = mix(b, v[i + 1]);
	}
	if (i < n)
		a = mix(a, v[i]);
	return mix(a, b);
}

#endif
