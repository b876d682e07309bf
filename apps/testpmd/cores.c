/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cores.h"

/* A core number at *text, which moves past it. CPU_SETSIZE if there is none that fits. */
static unsigned long core_at(const char **text)
{
	unsigned long core;
	char *end;

	if (!isdigit((unsigned char)**text))
		return CPU_SETSIZE;
	core = strtoul(*text, &end, 10);
	*text = end;
	return core < CPU_SETSIZE ? core : CPU_SETSIZE;
}

static unsigned int collect(const cpu_set_t *set, unsigned int *cores, unsigned int max)
{
	unsigned int n = 0;

	for (unsigned int core = 0; core < CPU_SETSIZE && n < max; core++) {
		if (CPU_ISSET(core, set))
			cores[n++] = core;
	}
	return n;
}

int cores_parse(const char *text, unsigned int *cores, unsigned int max, unsigned int *count, char *why,
		size_t size)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (;;) {
		unsigned long first = core_at(&text), last = first;

		if (*text == '-' && first < CPU_SETSIZE) {
			text++;
			last = core_at(&text);
		}
		if (first >= CPU_SETSIZE || last >= CPU_SETSIZE || (*text && *text != ',')) {
			snprintf(why, size, "not a list of cores, such as 0-1,3 (cores are below %d)",
				 CPU_SETSIZE);
			return -EINVAL;
		}
		if (first > last) {
			snprintf(why, size, "%lu-%lu is no range", first, last);
			return -EINVAL;
		}
		for (; first <= last; first++)
			CPU_SET(first, &set);
		if (!*text++)
			break;
	}
	if ((unsigned int)CPU_COUNT(&set) > max) {
		snprintf(why, size, "more than %u cores", max);
		return -EINVAL;
	}
	*count = collect(&set, cores, max);
	return 0;
}

int cores_allowed(unsigned int *cores, unsigned int max, unsigned int *count)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return -errno;
	*count = collect(&set, cores, max);
	return 0;
}

const char *cores_format(const unsigned int *cores, unsigned int count, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < count && used < size; i++) {
		unsigned int first = cores[i];

		while (i + 1 < count && cores[i + 1] == cores[i] + 1)
			i++;
		used += snprintf(text + used, size - used, "%s%u", used ? "," : "", first);
		if (cores[i] != first && used < size)
			used += snprintf(text + used, size - used, "-%u", cores[i]);
	}
	return text;
}

int cores_pin_self(unsigned int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}
