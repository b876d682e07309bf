/* SPDX-License-Identifier: BSD-3-Clause */
/* The train player: what its parts are to each other. */
#ifndef UNAPI_BENCH_TRAINS_H
#define UNAPI_BENCH_TRAINS_H

#include <unapi/unapi.h>

#define TRAINS_RING	 4096u /* descriptors, of which the device may own all but one */
#define TRAINS_MAX_PARTS 256u  /* deliveries a train: what wire=train takes */
#define TRAINS_TRIES	 50u
#define TRAINS_MAX_POLLS (1u << 18)

struct train {
	const char *text;
	bool tcp;
	unsigned int parts;
	uint32_t frames[TRAINS_MAX_PARTS];
	uint64_t gap_ns;
};

/* trains_parse.c: -EINVAL with unapi_reason(), which is one line. */
int train_parse(struct train *t, const char *text);

struct settings {
	uint64_t gro_flush_timeout;
	uint32_t defer_hard_irqs;
	bool threaded;
};

/* A delivery as the simulated NIC tells it: when it was to be, and when it was. CLOCK_MONOTONIC. */
struct delivery {
	uint64_t due, done;
};

/* The worst that was late in a run, in ns. */
struct lateness {
	uint64_t delivery; /* frames became visible */
	uint64_t expiry;   /* the instance's timer called back */
	uint64_t answer; /* the handler ran after its interrupt, or a poll was over after what asked for it */
};

/*
 * trains_watch.c: what the running driver does, seen from between the scheduler and it. The instance's poll
 * method, interrupt handler and timer callback are wrapped: each call goes through, and leaves its time
 * behind. Nothing in the library knows of it.
 */
struct watched_poll {
	uint64_t begin, end;
	int work;
};
struct watched_expiry {
	uint64_t due, done;
};
struct watch {
	struct watched_poll *polls;
	struct watched_expiry *expiries;
	uint64_t *irqs;
	/* how many; written by the thread that polls, with release */
	unsigned int nr_polls, nr_expiries, nr_irqs;
};
/* While the instance is disabled. There is one watch. */
int watch_install(struct napi_struct *n);
/* While nothing happens. */
void watch_clear(void);
const struct watch *watch_get(void);
unsigned int watch_polls(void);
uint64_t watch_work(void); /* packets delivered by all polls */
struct lateness watch_lateness(const struct delivery *d, unsigned int n);

/* trains_wire.c: the other end of wire=train. -errno with unapi_reason(). */
struct wire_state {
	bool ready, masked, latched;
	unsigned int size, free;
	unsigned long long fired;
};
int wire_connect(const char *path, int *fd);
int wire_state(int fd, struct wire_state *st);
/* Does not wait for the answer. */
int wire_play(int fd, const struct train *t);
/* The answer: 1; 0 while it is still to come. */
int wire_played(int fd, const struct train *t, struct delivery *d);

/* trains_run.c: a device with one queue and its instance, and the trains one by one. */
struct result {
	bool is_void;
	unsigned int tries;
	struct unapi_napi_stats did; /* by this train */
	struct lateness late;	     /* of the last try */
	struct delivery delivery[TRAINS_MAX_PARTS];
};
struct player {
	struct net_device *dev;
	struct unapi_context *ctx;
	struct napi_struct *napi;
	struct settings settings;
	int countdown; /* of deferral, when it was looked at */
	char path[108];
	int wire;
};
int player_open(struct player *p, const struct settings *s);
int player_play(struct player *p, const struct train *t, struct result *r);
void player_close(struct player *p);

#endif
