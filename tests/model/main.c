/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * explore [-l] [-a] [-s N] [SCENARIO]...: all scenarios, or those named
 *
 * -l: list them; -a: every one whole, which takes hours; -s: every one with at most N surprises. Without,
 * each has its own limit or none.
 */
#include "tests/model/roles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int model_bug; /* this program has none */

static bool wanted(const struct scenario *s, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (!strcmp(*names, s->name))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	unsigned long states = 0, steps = 0;
	unsigned int run = 0, failed = 0;
	int surprises = -1, opt, limit;
	bool whole = false;

	while ((opt = getopt(argc, argv, "als:")) != -1) {
		if (opt == 's') {
			surprises = atoi(optarg);
		} else if (opt == 'a') {
			whole = true;
		} else if (opt == 'l') {
			for (unsigned int i = 0; i < nr_scenarios; i++)
				printf("%s\n", scenarios[i].name);
			return 0;
		} else {
			fprintf(stderr, "usage: %s [-l] [-a] [-s SURPRISES] [SCENARIO]...\n", argv[0]);
			return 2;
		}
	}
	for (unsigned int i = 0; i < nr_scenarios; i++) {
		const struct scenario *s = &scenarios[i];
		struct search_result r;

		if (!wanted(s, argv + optind))
			continue;
		limit = surprises >= 0 ? surprises : whole ? -1 : s->surprises - 1;
		r = search(s, limit);
		run++;
		failed += r.failure[0] != 0;
		states += r.states;
		steps += r.steps;
		printf("%-44s %9lu states %10lu steps, %7lu ends, %3u deep, %5.1f s", s->name, r.states,
		       r.steps, r.ends, r.depth, r.seconds);
		if (r.cut)
			printf(", %u old stores forgotten", r.cut);
		if (r.surprises >= 0)
			printf(", up to %d surprises", r.surprises);
		printf("%s%s\n", r.failure[0] ? ": " : "", r.failure);
		fflush(stdout);
	}
	printf("%u scenarios, %lu states, %lu steps: %u failed\n", run, states, steps, failed);
	return failed || !run;
}
