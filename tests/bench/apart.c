/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/apart.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

int apart_cpu(unsigned int n)
{
	cpu_set_t set;

	if (!sched_getaffinity(0, sizeof(set), &set))
		for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
			if (CPU_ISSET(cpu, &set) && !n--)
				return cpu;
	fprintf(stderr, "the driver and the model need a CPU each\n");
	exit(1);
}

bool apart_place(int tid, int cpu, int priority)
{
	struct sched_param p = {.sched_priority = priority};
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(tid, sizeof(set), &set)) {
		perror("sched_setaffinity");
		exit(1);
	}
	return sched_setscheduler(tid, SCHED_RR, &p) == 0;
}
