/* SPDX-License-Identifier: BSD-3-Clause */
/* What a scenario says about addresses: names, and what is not to be looked at. */
#include "tests/model/model.h"

#include <stdio.h>

enum { MAX_RANGES = 32 };

static struct {
	const uint8_t *from, *to;
} ignored[MAX_RANGES];
static unsigned int nr_ignored;
static struct {
	const void *addr;
	const char *name;
} names[64];
static unsigned int nr_names;
static const void *counters[4];
static unsigned int nr_counters;

void memory_ignore(const void *addr, size_t size)
{
	if (nr_ignored == MAX_RANGES) {
		model_fail("more than %d ranges to ignore", MAX_RANGES);
		return;
	}
	ignored[nr_ignored].from = addr;
	ignored[nr_ignored++].to = (const uint8_t *)addr + size;
}

void memory_counter(const void *addr)
{
	counters[nr_counters++] = addr;
}

bool memory_is_counter(const void *addr)
{
	for (unsigned int i = 0; i < nr_counters; i++)
		if (counters[i] == addr)
			return true;
	return false;
}

void memory_name(const void *addr, const char *name)
{
	if (nr_names == sizeof(names) / sizeof(names[0]))
		return;
	names[nr_names].addr = addr;
	names[nr_names++].name = name;
}

const char *memory_describe(const void *addr)
{
	static char text[64];
	const void *below = NULL;
	const char *name = NULL;

	for (unsigned int i = 0; i < nr_names; i++)
		if (names[i].addr <= addr && names[i].addr >= below) {
			below = names[i].addr;
			name = names[i].name;
		}
	if (below == addr)
		return name;
	if (name && (const uint8_t *)addr - (const uint8_t *)below < 4096)
		snprintf(text, sizeof(text), "%s+%d", name,
			 (int)((const uint8_t *)addr - (const uint8_t *)below));
	else
		snprintf(text, sizeof(text), "%p", addr);
	return text;
}

bool memory_is_ignored(const void *addr)
{
	for (unsigned int i = 0; i < nr_ignored; i++)
		if ((const uint8_t *)addr >= ignored[i].from && (const uint8_t *)addr < ignored[i].to)
			return true;
	return false;
}
