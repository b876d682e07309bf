/* SPDX-License-Identifier: BSD-3-Clause */
/* The model's only data structure. */
#ifndef UNAPI_TEST_NAPI_MODEL_QUEUE_H
#define UNAPI_TEST_NAPI_MODEL_QUEUE_H

#include "tests/unit/napi_world.h"

/* Instances in an order; none twice. */
struct queue {
	int at[NR_INSTANCES];
	int nr;
};

static inline void append(struct queue *q, int i)
{
	q->at[q->nr++] = i;
}

static inline void take_out(struct queue *q, int i)
{
	int from, to = 0;

	for (from = 0; from < q->nr; from++)
		if (q->at[from] != i)
			q->at[to++] = q->at[from];
	q->nr = to;
}

static inline bool in(const struct queue *q, int i)
{
	int k;

	for (k = 0; k < q->nr; k++)
		if (q->at[k] == i)
			return true;
	return false;
}

static inline int first_of(struct queue *q)
{
	int i = q->at[0];

	take_out(q, i);
	return i;
}

static inline void append_all(struct queue *to, struct queue *from)
{
	while (from->nr)
		append(to, first_of(from));
}

#endif
