/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port on the simulated NIC which forwards everything to itself, each queue on its own, for the programs
 * that measure or soak the whole way. One application thread runs its context, and polls what is in mode
 * BUSY; another one controls.
 */
#ifndef UNAPI_BENCH_SIMRIG_H
#define UNAPI_BENCH_SIMRIG_H

#include <unapi/unapi.h>

#include "core/base/clock.h"
#include "core/base/compiler.h"

#define SIMRIG_QUEUES 16

/* How an instance can be polled: what a change goes through is simrig_poll_by(). */
enum simrig_mode {
	BY_INTERRUPT, /* by the context, at each interrupt */
	BY_DEFERRED,  /* the same, interrupts deferred */
	BY_THREAD,    /* by a thread of its own */
	BY_THREAD_BUSY,
	BY_CALLER, /* by the application thread, all the time */
	NR_SIMRIG_MODES,
};
extern const char *const simrig_modes[NR_SIMRIG_MODES];

struct simrig_queue {
	struct simrig *rig;
	struct napi_struct *napi;
	struct unapi_txq *txq;
	enum simrig_mode mode; /* as was asked for; control thread */
	bool mine;	       /* the application thread polls it */
	bool quiet;	       /* the last wait for it found nothing, and the context nothing since */
	uint64_t packets;      /* forwarded; written by whoever polls */
	uint64_t dropped;      /* did not fit into the transmit ring */
};

struct simrig {
	struct net_device *dev;
	struct unapi_context *ctx;
	unsigned int queues;
	unsigned int
		work; /* multiplications that the application spends on each packet; set after simrig_up() */
	uint64_t wait_ns; /* how long the application busy polls in a wait, in modes that have one */
	uint64_t rest_ns; /* the application thread is to sleep so long, once; simrig_rest() */
	bool end;	  /* the application thread is to leave simrig_run(); simrig_end() sets it */
	char stats[64];
	struct simrig_queue q[SIMRIG_QUEUES];
};

/* What the model says of itself and of the traffic. */
struct simrig_figures {
	bool drained, final;
	long long pid;
	long long tx, rx, lost, overrun, dup, reorder, corrupt, foreign, rx_dropped, dma_faults,
		driver_errors;
	long long model_cpu_ns, now_ns, p50_ns, p99_ns, p999_ns;
	char complaint[200];
};

/* "sim:igb,stats=...@options", opened, configured and started. Failures end the program. */
void simrig_up(struct simrig *r, const char *options, unsigned int queues);
/* The application thread: until simrig_end(). */
void simrig_run(struct simrig *r);
void simrig_end(struct simrig *r);
/* Keep the application thread from everything for a while. */
void simrig_rest(struct simrig *r, uint64_t ns);
/* Control thread, while the application thread runs. */
void simrig_poll_by(struct simrig_queue *q, enum simrig_mode mode, uint32_t defer, uint64_t timeout_ns);
uint64_t simrig_packets(const struct simrig *r);
/* What the model last wrote: false if it has not written anything yet. */
bool simrig_figures(const struct simrig *r, struct simrig_figures *f);
/* End the model's phase, the @n-th, and take what it says of it. */
void simrig_phase(const struct simrig *r, int pid, unsigned int n, struct simrig_figures *f);
/* Back to interrupts, stop, close: after simrig_run() returned. Returns the buffers that were missing, and
 * the model's last figures. */
unsigned int simrig_down(struct simrig *r, struct simrig_figures *last);
void simrig_check(int rc, const char *what);

#endif
