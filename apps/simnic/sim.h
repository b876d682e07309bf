/* SPDX-License-Identifier: BSD-3-Clause */
/* The server's parts together, and the loop that runs them. */
#ifndef SIMNIC_SIM_H
#define SIMNIC_SIM_H

#include "apps/simnic/igb.h"
#include "apps/simnic/options.h"
#include "apps/simnic/server.h"
#include "apps/simnic/wire.h"

#include <sys/types.h>

struct sim {
	struct sim_options opt;
	struct igb dev;
	struct server server;
	struct wire wire;
	int shared_fd; /* BAR0's memory with doorbell=mmap, else -1 */
	uint32_t *shared;
	int epoll, signals, listener;
	int wire_fd; /* what epoll knows of the wire */
	short wire_events;
	int client_fd;
	pid_t parent;
	bool quit;
	bool told_finished;
	unsigned int phase;  /* phases ended so far */
	uint64_t last_event; /* doorbell=mmap: when there was something to do */
	uint64_t next_stats;
};

/* Make the device as @s->opt says. -errno with unapi_reason(). */
int sim_init(struct sim *s);
void sim_fini(struct sim *s);

/* Everything that can be done without waiting; true if there was anything. */
bool sim_work(struct sim *s);

/* Serve until the client (with fd=) or the user ends it. */
int sim_run(struct sim *s);

/* stats_file.c: one JSON object, put in place at once. @suffix: "" or what is added to the name. */
void stats_file_write(struct sim *s, const char *suffix, bool final);

#endif
