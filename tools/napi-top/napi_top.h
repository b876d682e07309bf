/* SPDX-License-Identifier: BSD-3-Clause */
/* unapi-napi-top: what another process's NAPI instances are doing. */
#ifndef NAPI_TOP_H
#define NAPI_TOP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* As reports name them; "other" is CPU time that is no poll's. */
enum { BY_INTERRUPT, BY_TIMER, BY_WATCHDOG, BY_APPLICATION, BY_THREAD, BY_MODE_SWITCH, NR_CAUSES };
extern const char *const cause_names[NR_CAUSES];

/* source.c: the process. Failures are one line in @why. */
struct source {
	int fd; /* -1: not connected */
	pid_t pid;
	char path[108];
};

/* By path if that is given, else by process id, else the only one there is. 0, or -1. */
int source_open(struct source *s, const char *path, pid_t pid, char *why, size_t size);
/* A report, NULL: the process has ended, does not answer, or is of another release. */
json_t *source_report(struct source *s, char *why, size_t size);
void source_close(struct source *s);

/* rates.c: what happened between two reports. */
struct napi_rates {
	const json_t *now;			   /* the later report's object */
	double cpu, cpu_by[NR_CAUSES];		   /* percent of a CPU */
	double interrupts, polls, packets, timers; /* a second */
	double empty;				   /* percent of polls */
	double per_poll;			   /* packets for each poll that found some */
};

struct context_rates {
	const json_t *now;
	double cpu, cpu_by[NR_CAUSES], other; /* @cpu is its thread's, and @cpu_by its instances' */
	double waits, wakeups, squeezes, packets;
	struct napi_rates *napis;
	unsigned int nr_napis;
};

struct top {
	const json_t *now;
	double seconds;
	struct context_rates *contexts;
	unsigned int nr_contexts;
};

enum sort_key { SORT_CPU, SORT_PACKETS, SORT_INTERRUPTS, SORT_POLLS, SORT_NAME };

/* Contexts and the instances in each, the busiest first. -1: no memory, or no time has passed. */
int top_between(struct top *r, const json_t *before, const json_t *now, enum sort_key key);
void top_free(struct top *r);

/* show.c */
/* At most @lines lines of @columns characters; 0: as many as there are. */
void show_table(FILE *out, const struct top *r, unsigned int columns, unsigned int lines);
void show_json(FILE *out, const struct top *r);

#endif
