/* SPDX-License-Identifier: BSD-3-Clause */
/* A CPU each for two processes that are measured together, and before what else runs on the machine. */
#ifndef UNAPI_BENCH_APART_H
#define UNAPI_BENCH_APART_H

#include <stdbool.h>

/* The n-th CPU of those that the calling thread may use. Ends the program where there are not so many. */
int apart_cpu(unsigned int n);
/* Thread @tid (0: the calling one) to @cpu; and, where that is allowed (root), before everything that is not
 * real-time: only for steadier figures. Returns whether it is. */
bool apart_place(int tid, int cpu, int priority);

#endif
