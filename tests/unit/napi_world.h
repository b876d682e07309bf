/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The world around a scheduler, for comparing two of them: devices with a ring, a mask and a latch, their
 * drivers, and what happens while a poll method runs. It knows a scheduler by a table only, so that core/napi
 * and the model live through the same. Everything that a scheduler does to it is written down.
 */
#ifndef UNAPI_TEST_NAPI_WORLD_H
#define UNAPI_TEST_NAPI_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#define NR_INSTANCES 6
#define NR_CONTEXTS  3
#define NR_CAUSES    6
#define WEIGHT	     64

/* Times are multiples of this, and the timeouts of instance i are i + 1 above one, those of a suspension half
 * a grain more: no two timers expire at once, so that none of it depends on who comes first then, and no two
 * starts of one timer for different reasons are for the same time. */
#define TIME_GRAIN   16ULL

/* What comes to pass, asked for from outside or, as part of a plan, from inside a poll. */
enum act_kind {
	ARRIVE,	      /* @arg packets in the ring of @i; of TCP if odd, which GRO holds */
	TX_LEFT,      /* the next @arg polls of @i do not finish sending */
	STRAY,	      /* an interrupt of @i for no reason, whatever the mask says */
	SCHEDULE,     /* napi_schedule() */
	MARK_MISSED,  /* napi_if_scheduled_mark_missed() */
	ASK_FOR_IT,   /* the try of a preferring busy poller on another thread, which finds @i owned */
	SET_DEFER,    /* defer_hard_irqs := @arg */
	SET_TIMEOUT,  /* gro_flush_timeout := @arg nanoseconds */
	SET_SUSPEND,  /* irq_suspend_timeout := @arg nanoseconds */
	SUSPEND,      /* napi_suspend_irqs() */
	RESUME,	      /* napi_resume_irqs() */
	ELAPSE,	      /* @arg nanoseconds */
	DISABLE,      /* napi_disable_timeout(@arg) */
	NR_IN_A_POLL, /* all of the above may come from inside a poll */

	PREP = NR_IN_A_POLL, /* napi_schedule_prep(), and no more if it succeeds */
	QUEUE,		     /* __napi_schedule(), which is then owed */
	ENABLE,
	MOVE,	 /* to context @x, waiting @arg nanoseconds */
	RUN,	 /* unapi_context_run() of context @x */
	SOFTIRQ, /* one net_rx_action() of context @x */
	EXPIRE,	 /* time passes until the next timer, of any context, is due */
	BUSY,	 /* napi_busy_loop(): @x prefer, budget and tries in @arg */
	PLAN,	 /* at stage @x of a coming poll of @i do @plan */
	NR_ACTS,
};

/* Where a plan is carried out. */
enum stage {
	BEFORE_RING,	 /* at the begin of a poll */
	BEFORE_COMPLETE, /* after the last look at the ring */
	AFTER_COMPLETE,	 /* before the driver unmasks */
	IN_FLUSH, /* while older GRO packets are flushed: also between the halves of a busy loop's stop */
	IN_LOOP,  /* when a busy loop asks whether to end */
	NR_STAGES,
};

struct act {
	uint8_t kind, i, x;
	uint32_t arg;
	struct {
		uint8_t kind, i;
		uint32_t arg;
	} plan;
};

/* What was written down. */
enum entry_kind { POLLED, COMPLETED, TOOK_IRQ, FIRED, FLUSHED_OLD, FLUSHED_ALL, RESULT };
struct entry {
	uint8_t kind, i;
	int a, b; /* POLLED: budget, work; COMPLETED: work, may unmask; FLUSHED: packets; RESULT: of an act */
	uint64_t when;
};

struct napi_counts {
	uint64_t irqs, schedules, polls_by[NR_CAUSES], empty, full, work, completions, deferred, missed,
		timer_starts, timer_fires, violations;
};

struct context_counts {
	uint64_t runs, squeezes, processed, inbox;
};

/* Everything about a scheduler that can be seen from outside, to be compared byte by byte. */
struct sight {
	struct {
		unsigned long state;
		uint64_t expires; /* 0: no timer runs */
		struct napi_counts k;
		unsigned int id;
		int count, context;
	} n[NR_INSTANCES];
	struct {
		struct context_counts k;
		int list[NR_INSTANCES], queued[NR_INSTANCES]; /* instances, one more each, 0 at the end */
	} c[NR_CONTEXTS];
};

struct world;

struct scheduler {
	const char *name;
	bool (*prep)(struct world *w, int i);
	void (*queue)(struct world *w, int i);
	bool (*mark_missed)(struct world *w, int i);
	void (*ask_for_it)(struct world *w, int i);
	bool (*complete)(struct world *w, int i, int work);
	void (*raise)(struct world *w, int i); /* the vector of @i has fired */
	void (*set_defer)(struct world *w, int i, uint32_t polls);
	void (*set_timeout)(struct world *w, int i, uint64_t ns);
	void (*set_suspend)(struct world *w, int i, uint64_t ns);
	void (*suspend)(struct world *w, int i);
	void (*resume)(struct world *w, int i);
	int (*enable)(struct world *w, int i);
	int (*disable)(struct world *w, int i, uint64_t ns);
	int (*move)(struct world *w, int i, int c, uint64_t ns);
	int (*run)(struct world *w, int c);
	void (*softirq)(struct world *w, int c);
	int (*busy)(struct world *w, int i, bool prefer, int budget, bool one_try);
	void (*look)(struct world *w, struct sight *s);
};

struct device {
	int backlog, tx_left;
	bool latches; /* remembers events while masked; if it does not, its driver looks at the ring again */
	bool masked, cause;
	bool tcp;
	int held, held_old; /* GRO: since @held_ms, and since earlier milliseconds */
	uint64_t held_ms;
	bool owes_queue; /* PREP succeeded */
	struct act plan[NR_STAGES][4];
	int planned[NR_STAGES];
};

struct world {
	const struct scheduler *s;
	void *scheduler;
	uint64_t now;
	struct device d[NR_INSTANCES];
	int polling;   /* depth */
	int loop_left; /* tries of a busy loop */
	int loop_over; /* its instance */
	struct entry *log;
	int logged, room;
};

void world_begin(struct world *w);
void world_end(struct world *w);
void world_do(struct world *w, const struct act *a);
void world_log(struct world *w, int kind, int i, int a, int b);

/* What schedulers call. */
int world_poll(struct world *w, int i, int budget);
void world_irq(struct world *w, int i);
bool world_gro_held(struct world *w, int i);
void world_gro_flush(struct world *w, int i, bool all);
bool world_loop_end(struct world *w);

/* The model, and core/napi. The latter takes its time from @w->now from then on; it can be freed only when
 * its instances can be disabled. */
extern const struct scheduler model_scheduler, real_scheduler;
void model_open(struct world *w, const unsigned int *budgets, const unsigned int *usecs);
void model_close(struct world *w);
void real_open(struct world *w, const unsigned int *budgets, const unsigned int *usecs);
bool real_close(struct world *w);

#endif
