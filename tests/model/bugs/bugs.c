/* SPDX-License-Identifier: BSD-3-Clause */
/* Does the explorer find bugs? Each of those in a copy of the sources (bugs.py) must be found, and named by
 * the property that it breaks. The shortest way to it is printed. */
#include "tests/model/roles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bug {
	const char *name, *scenario, *says;
	int number; /* model_bug */
	bool found; /* its place in the source */
};
#include "bugs.h"

enum { MOST_SURPRISES = 5 };

int model_bug;

static const struct scenario *scenario_named(const char *name)
{
	for (unsigned int i = 0; i < nr_scenarios; i++)
		if (!strcmp(scenarios[i].name, name))
			return &scenarios[i];
	return NULL;
}

/* What is wrong, NULL: it was caught. */
static const char *try_bug(const struct bug *b)
{
	const struct scenario *s = scenario_named(b->scenario);
	struct search_result r;

	if (!b->found)
		return "its place in the source is not found any more; mend bugs.py";
	if (!s)
		return "there is no such scenario";
	for (int surprises = 0; surprises <= MOST_SURPRISES; surprises++) {
		r = search(s, surprises);
		if (!r.failure[0])
			continue;
		printf("  after %lu states, with %d surprises\n", r.states, surprises);
		return strstr(r.failure, b->says) ? NULL : "found, but not as what it is";
	}
	return "not found";
}

int main(int argc, char **argv)
{
	unsigned int failed = 0;
	const char *wrong;

	for (unsigned int i = 0; i < ARRAY_SIZE(bugs); i++) {
		if (argc > 1 && atoi(argv[1]) != (int)i + 1)
			continue;
		model_bug = bugs[i].number;
		printf("\n%u. %s\n", i + 1, bugs[i].name);
		wrong = try_bug(&bugs[i]);
		if (!wrong)
			continue;
		failed++;
		printf("FAILED: %s\n", wrong);
	}
	printf("\n%zu bugs, %u not caught\n", ARRAY_SIZE(bugs), failed);
	return failed != 0;
}
