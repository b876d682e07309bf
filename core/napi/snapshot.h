/* SPDX-License-Identifier: BSD-3-Clause */
/* Everything the scheduler knows of itself, of one moment, as a copy: for reports made while instances and
 * contexts may come and go. */
#ifndef UNAPI_CORE_NAPI_SNAPSHOT_H
#define UNAPI_CORE_NAPI_SNAPSHOT_H

#include <unapi/context.h>
#include <unapi/mode.h>
#include <unapi/napi.h>

struct context_record {
	struct unapi_context_info info;
	struct unapi_context_stats stats;
};

struct napi_record {
	struct unapi_napi_info info; /* @ctx may be gone */
	struct unapi_mode_info mode;
	struct unapi_napi_params params;
	struct unapi_napi_stats stats;
	int64_t irqs_raised;  /* -1: no vector, or not to be had */
	unsigned int context; /* which of the contexts polls it */
};

struct napi_snapshot {
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	unsigned int nr_contexts, nr_napis;
	struct context_record *contexts;
	struct napi_record *napis;
};

/* -ENOMEM. What is listed is whole; its counters are from different moments, as unapi_napi_get_stats() says.
 */
int napi_snapshot_take(struct napi_snapshot *s);
void napi_snapshot_free(struct napi_snapshot *s);

/* One instance by itself, by who keeps it from being deleted. Its @context means nothing. */
void napi_record_take(struct napi_struct *n, struct napi_record *r);

#endif
