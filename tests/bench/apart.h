/* SPDX-License-Identifier: BSD-3-Clause */
/* A CPU each for two processes that are measured together, and before what else runs on the machine. */
#ifndef UNAPI_BENCH_APART_H
#define UNAPI_BENCH_APART_H

/* The n-th CPU of those that the calling thread may use. Ends the program where there are not so many. */
int apart_cpu(unsigned int n);
/* The calling thread; what it starts from now on inherits it. */
void apart_stay_on(int cpu);
/*
 * Only for steadier figures: both may be refused, and say nothing then. Linux weighs sessions against each
 * other first (sched(7), autogroups), then what is in them; so the process gets a session, and what it has
 * started with a session of its own is named by its pid.
 */
void apart_come_first(void);
void apart_session_first(long long pid);

#endif
