/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a driver's data path costs: see replay.h.
 *
 *	ring_replay count CONF...	a steady state of each, to be run under callgrind: it counts
 *replay_steady() and dumps after each; prints the packets of each ring_replay time CONF...	TSC cycles a
 *packet, and those of the floor with the same burst and ring ring_replay verify CONF...	look at every
 *packet ring_replay wrong CONF...	see that every way to go wrong is noticed
 *
 * CONF is a list of driver=NAME,isa=NAME,burst=N,ring=N,frags=N,budget=N,meta=0|1,bare=0|1, all of which may
 *be left out. tests/bench/run prints the table.
 */
#include "tests/bench/replay.h"
#include "core/base/reason.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#define CHUNKS 40
#define CHUNK  100 /* rounds of one driver before it is the other's turn */

static const struct replay_driver *const drivers[] = {&replay_igb, &replay_floor};

static void __attribute__((noreturn)) die(const struct replay *r, const char *what, const char *why)
{
	fprintf(stderr, "ring_replay: %s %s, burst %u, ring %u: %s: %s\n", r->conf.driver->name, r->conf.isa,
		r->conf.burst, r->conf.ring, what, why);
	exit(1);
}

static void __attribute__((noreturn)) bad_conf(const char *text)
{
	fprintf(stderr,
		"ring_replay: \"%s\"? driver=igb|floor,isa=NAME,burst=1..64,ring=64..4096,frags=1..4,"
		"budget=1..256,meta=0|1,bare=0|1\n",
		text);
	exit(2);
}

static void set(struct replay_conf *c, const char *item)
{
	unsigned int i;

	if (!strncmp(item, "driver=", 7)) {
		for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
			if (!strcmp(drivers[i]->name, item + 7))
				c->driver = drivers[i];
	} else if (!strncmp(item, "isa=", 4)) {
		snprintf(c->isa, sizeof(c->isa), "%s", item + 4);
	} else if (sscanf(item, "burst=%u", &c->burst) != 1 && sscanf(item, "ring=%u", &c->ring) != 1 &&
		   sscanf(item, "frags=%u", &c->frags) != 1 && sscanf(item, "budget=%u", &c->budget) != 1) {
		if (sscanf(item, "meta=%u", &i) == 1)
			c->meta = i;
		else if (sscanf(item, "bare=%u", &i) == 1)
			c->bare = i;
		else
			bad_conf(item);
	}
}

static struct replay_conf parse(const char *text)
{
	struct replay_conf c = {.isa = "scalar", .burst = 32, .ring = 512, .frags = 1};
	char copy[200], *save, *item;

	snprintf(copy, sizeof(copy), "%s", text);
	for (item = strtok_r(copy, ",", &save); item; item = strtok_r(NULL, ",", &save))
		set(&c, item);
	c.budget = c.budget ? c.budget : c.burst;
	if (!c.driver || !c.burst || c.budget < c.burst || c.burst > REPLAY_MAX_BURST || !c.frags ||
	    c.frags > REPLAY_MAX_FRAGS || c.ring < 64 || c.ring > REPLAY_MAX_RING ||
	    c.ring < 2 * c.burst * c.frags)
		bad_conf(text);
	return c;
}

static struct replay *make(struct replay_conf c)
{
	struct replay *r = aligned_alloc(64, (sizeof(*r) + 63) & ~(size_t)63);

	if (!r)
		exit(1);
	memset(r, 0, sizeof(*r));
	r->conf = c;
	if (c.driver->open(r))
		die(r, "cannot be set up", unapi_reason());
	return r;
}

static void end(struct replay *r)
{
	if (r->conf.driver->close(r))
		die(r, "after its end", "buffers are missing");
	free(r);
}

/* Every buffer is in the pool or in the receive ring: what the driver has posted and the device has not used.
 */
static void check_population(struct replay *r)
{
	uint32_t posted, out;
	char why[100];

	if (!r->conf.driver->out)
		return;
	posted = (*r->rx_tail + r->conf.ring - r->rx_head) % r->conf.ring;
	out = r->conf.driver->out(r);
	snprintf(why, sizeof(why), "%u buffers are out, but %u in the receive ring", out, posted);
	if (out != posted)
		die(r, "lost or invented buffers", why);
}

static void check_work(struct replay *r, uint64_t packets)
{
	if (r->starved || r->forwarded != packets || r->sent != packets)
		die(r, "did not forward every packet",
		    r->starved ? "no receive buffers" : "some are missing");
	check_population(r);
}

/* Rounds that go through the rings @times. */
static unsigned long rounds_of(const struct replay *r, unsigned long times)
{
	unsigned long wraps = times * r->conf.ring / (r->conf.burst * r->conf.frags);

	return wraps < 512 ? 512 : wraps;
}

static void warm_up(struct replay *r)
{
	unsigned long rounds = rounds_of(r, 3);

	replay_steady(r, rounds);
	check_work(r, rounds * r->conf.burst);
	replay_steady(r, rounds);
	r->forwarded = r->sent = 0;
}

/* The warm-up counts too: callgrind's first and second dump of each are of no interest. */
static void count(struct replay_conf c)
{
	struct replay *r = make(c);
	unsigned long rounds = rounds_of(r, 8);

	warm_up(r);
	replay_steady(r, rounds);
	check_work(r, (uint64_t)rounds * c.burst);
	printf("%lu\n", rounds * c.burst);
	end(r);
}

/* What two looks at the clock take by themselves. */
static uint64_t look(void)
{
	uint64_t t;

	_mm_lfence();
	t = __rdtsc();
	_mm_lfence();
	return t;
}

static int ascending(const void *a, const void *b)
{
	return *(const uint64_t *)a < *(const uint64_t *)b ? -1 : *(const uint64_t *)a > *(const uint64_t *)b;
}

static double median(uint64_t *v, size_t n)
{
	qsort(v, n, sizeof(*v), ascending);
	return (double)v[n / 2];
}

/* Cycles a burst. Some bursts refill and clean for others, so what is compared is whole passes through a
 * ring: the median of those. */
static double burst_of(uint64_t *took, const struct replay_conf *c)
{
	size_t pass = c->ring / (c->burst * c->frags), n = CHUNKS * CHUNK / pass;

	for (size_t i = 0; i < n; i++) {
		uint64_t sum = 0;

		for (size_t k = i * pass; k < (i + 1) * pass; k++)
			sum += took[k];
		took[i] = sum;
	}
	return median(took, n) / (double)pass;
}

static void sample(struct replay *r, uint64_t *took)
{
	for (unsigned int i = 0; i < CHUNK; i++) {
		uint64_t t;

		device_rx(r);
		t = look();
		r->forwarded += r->conf.driver->forward(r);
		took[i] = look() - t;
		device_tx(r);
	}
}

static void measure(struct replay_conf c)
{
	static uint64_t its[CHUNKS * CHUNK], floors[CHUNKS * CHUNK], nothing[CHUNKS * CHUNK];
	struct replay_conf fc = c;
	struct replay *r = make(c), *f;
	double overhead;

	fc.driver = &replay_floor;
	fc.frags = 1;
	fc.burst = fc.budget = (c.burst + 7) & ~7u; /* the floor does whole groups */
	snprintf(fc.isa, sizeof(fc.isa), __builtin_cpu_supports("avx2") ? "avx2" : "scalar");
	f = make(fc);
	warm_up(r);
	warm_up(f);
	for (unsigned int i = 0; i < CHUNKS; i++) {
		sample(r, its + i * CHUNK);
		sample(f, floors + i * CHUNK);
		for (unsigned int k = 0; k < CHUNK; k++) {
			uint64_t t = look();

			nothing[i * CHUNK + k] = look() - t;
		}
	}
	check_work(r, CHUNKS * CHUNK * (uint64_t)c.burst);
	overhead = median(nothing, CHUNKS * CHUNK);
	printf("%.2f %.2f %s\n", (burst_of(its, &c) - overhead) / c.burst,
	       (burst_of(floors, &fc) - overhead) / fc.burst, fc.isa);
	end(r);
	end(f);
}

static void verify(struct replay_conf c)
{
	struct replay *r = make(c);

	if (c.driver->touches_only)
		bad_conf("the floor does not look at packets");
	if (!replay_verify(r, rounds_of(r, 6)))
		die(r, "went wrong", r->what);
	check_population(r);
	printf("%llu packets right\n", (unsigned long long)r->packets);
	end(r);
}

/* Each fault, once in the middle of a pass, must be found and called by its name. */
static void go_wrong(struct replay_conf c)
{
	for (enum replay_wrong w = RIGHT + 1; w < NR_WRONGS; w++) {
		struct replay *r = make(c);

		r->wrong = w;
		if ((w == WRONG_RX_HASH && !c.meta) || c.driver->touches_only)
			bad_conf("wrong: meta=1, and a driver that looks at packets");
		if (replay_verify(r, rounds_of(r, 6)))
			die(r, replay_wrongs[w], "went unnoticed");
		if (strncmp(r->what, replay_wrongs[w], strlen(replay_wrongs[w])))
			die(r, replay_wrongs[w], r->what);
		printf("%-12s noticed: %s\n", replay_wrongs[w], r->what);
		end(r);
	}
}

static void tell_isas(struct replay_conf c)
{
	const char *const *isa = c.driver->isas;

	for (; *isa; isa++) {
		struct replay *r = calloc(1, sizeof(*r));

		if (!r)
			exit(1);
		r->conf = c;
		snprintf(r->conf.isa, sizeof(r->conf.isa), "%s", *isa);
		if (!c.driver->open(r)) {
			printf("%s\n", *isa);
			c.driver->close(r);
		}
		free(r);
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(struct replay_conf c);
	} modes[] = {{"count", count},
		     {"time", measure},
		     {"verify", verify},
		     {"wrong", go_wrong},
		     {"isas", tell_isas}};
	const unsigned int nr_modes = sizeof(modes) / sizeof(modes[0]);
	unsigned int m = 0;

	while (m < nr_modes && argc > 2 && strcmp(modes[m].name, argv[1]))
		m++;
	if (m == nr_modes || argc < 3) {
		fprintf(stderr, "usage: ring_replay count|time|verify|wrong|isas CONF...\n");
		return 2;
	}
	for (int i = 2; i < argc; i++) {
		modes[m].run(parse(argv[i]));
		fflush(stdout);
	}
	return 0;
}
