/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/apart.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

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

void apart_session_first(long long pid)
{
	char path[50];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%lld/autogroup", pid);
	f = fopen(path, "w");
	if (!f)
		return;
	fputs("-20", f);
	fclose(f);
}

void apart_come_first(void)
{
	setsid();
	setpriority(PRIO_PROCESS, 0, -20);
	apart_session_first(getpid());
}

void apart_stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		perror("sched_setaffinity");
		exit(1);
	}
}
