/* SPDX-License-Identifier: BSD-3-Clause */
#include "napi_top.h"
#include <unapi/version.h>

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

struct options {
	double delay;
	unsigned long count; /* 0: for ever */
	bool batch, json;
	const char *path;
	pid_t pid;
	enum sort_key key;
};

static const char usage[] = "usage: unapi-napi-top [OPTION...] [PID]\n"
			    "\n"
			    "  -d SECONDS     between two looks (default 1, at least 0.2)\n"
			    "  -n COUNT       end after so many\n"
			    "  -b             print one after the other, as for a file, also on a terminal\n"
			    "  -o KEY         sort by cpu (default), packets, interrupts, polls or name\n"
			    "  -s PATH        the process's socket, if it is not in the usual place\n"
			    "  --json         one JSON object a line\n"
			    "  -v, --version  -h, --help\n";

static int complain(const char *what, const char *value, const char *wanted)
{
	fprintf(stderr, "unapi-napi-top: %s %s: %s\n", what, value, wanted);
	return -1;
}

static int parse_number(const char *text, double min, double max, double *out)
{
	char *end;

	*out = strtod(text, &end);
	return end == text || *end || !isfinite(*out) || *out < min || *out > max ? -1 : 0;
}

static int parse_key(const char *text, enum sort_key *out)
{
	static const char *const names[] = {"cpu", "packets", "interrupts", "polls", "name"};

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(text, names[i])) {
			*out = (enum sort_key)i;
			return 0;
		}
	}
	return -1;
}

/* 0; 1: done already; -1 after a line. */
static int parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{NULL},
	};
	double number;
	int c;

	*o = (struct options){.delay = 1};
	while ((c = getopt_long(argc, argv, "d:n:bo:s:hv", longs, NULL)) != -1) {
		switch (c) {
		case 'd':
			if (parse_number(optarg, 0.2, 86400, &o->delay))
				return complain("-d", optarg, "seconds from 0.2 to 86400 are wanted");
			break;
		case 'n':
			if (parse_number(optarg, 1, 1e9, &number) || number != floor(number))
				return complain("-n", optarg, "a number from 1 to 1000000000 is wanted");
			o->count = (unsigned long)number;
			break;
		case 'b':
			o->batch = true;
			break;
		case 'j':
			o->json = true;
			break;
		case 'o':
			if (parse_key(optarg, &o->key))
				return complain("-o", optarg,
						"cpu, packets, interrupts, polls or name is wanted");
			break;
		case 's':
			o->path = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return 1;
		case 'v':
			printf("unapi-napi-top %d.%d.%d\n", UNAPI_VERSION_MAJOR, UNAPI_VERSION_MINOR,
			       UNAPI_VERSION_PATCH);
			return 1;
		default:
			fprintf(stderr, "Try unapi-napi-top --help\n");
			return -1;
		}
	}
	if (optind < argc) {
		if (parse_number(argv[optind], 1, 4194304, &number) || number != floor(number))
			return complain("process", argv[optind], "a process id is wanted");
		o->pid = (pid_t)number;
		optind++;
	}
	if (optind < argc)
		return complain("argument", argv[optind], "one process at a time");
	if (o->path && o->pid)
		return complain("-s", o->path, "and a process id cannot both be given");
	return 0;
}

static void nap(double seconds)
{
	struct timespec ts = {.tv_sec = (time_t)seconds, .tv_nsec = (long)(fmod(seconds, 1) * 1e9)};

	nanosleep(&ts, NULL);
}

/* On a terminal each look takes the place of the last one. */
static bool redraws(const struct options *o)
{
	return !o->batch && !o->json && isatty(STDOUT_FILENO);
}

static void show(const struct options *o, const struct top *r)
{
	struct winsize w = {0};

	if (o->json) {
		show_json(stdout, r);
	} else if (redraws(o)) {
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &w);
		printf("\033[H\033[2J");
		show_table(stdout, r, w.ws_col, w.ws_row > 1 ? w.ws_row - 1u : 0);
	} else {
		show_table(stdout, r, 0, 0);
		printf("\n");
	}
	fflush(stdout);
}

/* Look at one process until it ends or enough has been seen. 0: enough; -1: a line in @why. */
static int watch(const struct options *o, struct source *s, unsigned long *shown, char *why, size_t size)
{
	json_t *before = source_report(s, why, size), *now;
	struct top r;

	while (before && (!o->count || *shown < o->count)) {
		nap(o->delay);
		now = source_report(s, why, size);
		if (!now)
			break;
		if (!top_between(&r, before, now, o->key)) {
			show(o, &r);
			top_free(&r);
			++*shown;
		}
		json_decref(before);
		before = now;
		if (ferror(stdout)) {
			snprintf(why, size, "standard output: %s", strerror(errno));
			break;
		}
	}
	json_decref(before);
	return o->count && *shown >= o->count ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct source s = {.fd = -1};
	char why[512] = "", said[512] = "";
	unsigned long shown = 0;
	struct options o;
	bool waits;
	int rc = parse(&o, argc, argv);

	if (rc)
		return rc > 0 ? EXIT_SUCCESS : 2;
	/* Somebody who watches sees the process end and another one begin; a script is told. */
	waits = redraws(&o) && !o.pid;
	for (;;) {
		rc = source_open(&s, o.path, o.pid, why, sizeof(why));
		if (!rc)
			rc = watch(&o, &s, &shown, why, sizeof(why));
		source_close(&s);
		if (!rc || !waits || !shown)
			break;
		if (strcmp(why, said))
			printf("%s; waiting for the next\n", why);
		snprintf(said, sizeof(said), "%s", why);
		fflush(stdout);
		nap(o.delay);
	}
	if (rc)
		fprintf(stderr, "unapi-napi-top: %s\n", why);
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
