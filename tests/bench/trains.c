/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The train player: exact trains of frames through the real igb driver on the simulated NIC, and what the
 * scheduler did for each.
 *
 *	trains TRAIN... [--gro-flush-timeout NS] [--defer-hard-irqs N] [--mode interrupt|threaded]
 *		[--json] [--lateness]
 */
#include "tests/bench/trains.h"
#include "core/base/reason.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool json, lateness;

static int number(const char *option, const char *text, uint64_t max, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || *out > max)
		return unapi_fail(EINVAL, "--%s %s: a number from 0 to %" PRIu64, option, text, max);
	return 0;
}

static int parse_options(struct settings *s, int argc, char **argv)
{
	static const struct option options[] = {
		{"gro-flush-timeout", required_argument, NULL, 't'},
		{"defer-hard-irqs", required_argument, NULL, 'd'},
		{"mode", required_argument, NULL, 'm'},
		{"json", no_argument, NULL, 'j'},
		{"lateness", no_argument, NULL, 'l'},
		{NULL, 0, NULL, 0},
	};
	uint64_t n = 0;
	int c, rc = 0;

	opterr = 0;
	while (!rc && (c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (c) {
		case 't':
			rc = number("gro-flush-timeout", optarg, UINT64_MAX, &s->gro_flush_timeout);
			break;
		case 'd':
			rc = number("defer-hard-irqs", optarg, INT32_MAX, &n);
			s->defer_hard_irqs = (uint32_t)n;
			break;
		case 'm':
			s->threaded = !strcmp(optarg, "threaded");
			if (!s->threaded && strcmp(optarg, "interrupt"))
				rc = unapi_fail(EINVAL, "--mode %s: interrupt or threaded", optarg);
			break;
		case 'j':
			json = true;
			break;
		case 'l':
			lateness = true;
			break;
		case ':':
			rc = unapi_fail(EINVAL, "%s needs a value", argv[optind - 1]);
			break;
		default:
			rc = unapi_fail(EINVAL, "%s: no such option", argv[optind - 1]);
		}
	}
	if (!rc && optind == argc)
		rc = unapi_fail(EINVAL, "which trains? K, or K,K[,K...]@GAP_US, after tcp: if they are to be "
					"held by GRO");
	return rc;
}

/* ---- what was seen */

static void print_lateness(const struct train *t, const struct result *r)
{
	const struct watch *w = watch_get();

	printf(", \"tries\": %u, \"late_answer_ns\": %" PRIu64 ", \"late_delivery_ns\": [", r->tries,
	       r->late.answer);
	for (unsigned int i = 0; i < t->parts; i++)
		printf("%s%" PRIu64, i ? ", " : "", r->delivery[i].done - r->delivery[i].due);
	printf("], \"late_expiry_ns\": [");
	for (unsigned int i = 0; i < w->nr_expiries; i++)
		printf("%s%" PRIu64, i ? ", " : "", w->expiries[i].done - w->expiries[i].due);
	printf("]");
}

static void print_works(void)
{
	const struct watch *w = watch_get();

	printf("[");
	for (unsigned int i = 0; i < w->nr_polls; i++)
		printf("%s%d", i ? ", " : "", w->polls[i].work);
	printf("]");
}

static void print_json(const struct train *t, const struct result *r)
{
	const struct unapi_napi_stats *d = &r->did;

	printf("{\"train\": \"%s\"", t->text);
	if (r->is_void) {
		printf(", \"void\": true");
	} else {
		printf(", \"irq\": %" PRIu64 ", \"polls\": %" PRIu64 ", \"empty\": %" PRIu64
		       ", \"arm\": %" PRIu64 ", \"fire\": %" PRIu64 ", \"unmask\": %" PRIu64 ", \"works\": ",
		       d->irqs, d->polls, d->empty_polls, d->timer_starts, d->timer_fires, d->completions);
		print_works();
	}
	if (lateness)
		print_lateness(t, r);
	printf("}\n");
}

static void print_row(const struct train *t, const struct result *r)
{
	const struct unapi_napi_stats *d = &r->did;

	printf("%-20s", t->text);
	if (r->is_void) {
		printf(" void: too late, %u times", r->tries);
	} else {
		printf(" %6" PRIu64 " %6" PRIu64 " %6" PRIu64 " %6" PRIu64 " %6" PRIu64 " %6" PRIu64 "  ",
		       d->irqs, d->polls, d->empty_polls, d->timer_starts, d->timer_fires, d->completions);
		print_works();
	}
	if (lateness || r->is_void)
		printf("  (try %u: deliveries up to %.1f, expiries %.1f, answers %.1f us late)", r->tries,
		       (double)r->late.delivery / 1000, (double)r->late.expiry / 1000,
		       (double)r->late.answer / 1000);
	printf("\n");
}

static int play_all(const struct train *trains, unsigned int n, const struct settings *s)
{
	static struct result r;
	struct player p;
	int rc = player_open(&p, s);

	if (!json && !rc)
		printf("%-20s %6s %6s %6s %6s %6s %6s  works\n", "train", "irq", "polls", "empty", "arm",
		       "fire", "unmask");
	for (unsigned int i = 0; i < n && !rc; i++) {
		rc = player_play(&p, &trains[i], &r);
		if (rc)
			break;
		(json ? print_json : print_row)(&trains[i], &r);
		fflush(stdout);
	}
	if (rc)
		fprintf(stderr, "trains: %s\n", unapi_reason());
	player_close(&p);
	return rc ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct settings settings = {0};
	struct train *trains;
	unsigned int n;
	int rc = parse_options(&settings, argc, argv);

	n = (unsigned int)(argc - optind);
	trains = calloc(n ? n : 1, sizeof(*trains));
	if (!trains)
		return 1;
	for (unsigned int i = 0; i < n && !rc; i++)
		rc = train_parse(&trains[i], argv[(unsigned int)optind + i]);
	if (rc)
		fprintf(stderr, "trains: %s\n", unapi_reason());
	rc = rc ? 2 : play_all(trains, n, &settings);
	free(trains);
	return rc;
}
