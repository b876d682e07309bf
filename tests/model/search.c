/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Depth first through every state that the roles can reach.
 *
 * A state is the fibers' stacks, the memory and what each knows of it, locks, descriptors, time: two that are
 * equal have the same future, so each is explored once (compared by a hash of 64 bits). A state in which
 * only one thing can happen is not worth remembering.
 *
 * With a limit on surprises (a fiber that is interrupted though it could go on, a load that sees an old
 * store, an exchange that fails for no reason, time that passes) the shortest way to a failure is found
 * first; without, all of them.
 */
#include "tests/model/roles.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CHOICES = 64, MAX_TRACE = 20000, BIGGEST_SAVE = 1 << 18 };

struct choice {
	int8_t fiber; /* -1: time */
	uint8_t k, cost;
};

struct frame {
	size_t saved, size;
	unsigned int trace, cost;
	int last;
	uint8_t n, next;
	struct choice c[MAX_CHOICES];
};

struct step {
	struct choice c;
	struct op op;
	uint64_t result;
	uint8_t old; /* how many newer stores there were */
};

/* Between the processes. */
static struct attempt {
	struct search_result res;
	bool again, ended;
	bool learned;
	struct memory_known known;
	_Alignas(16) uint8_t future[];
} * shared;

static struct step trace[MAX_TRACE];
static unsigned int nr_trace;
static uint64_t *seen;
static size_t seen_size, nr_seen;
static uint8_t *saves;
static size_t saves_size;
static struct frame *frames;
static unsigned int nr_frames, frames_size;
static int limit = -1;

void model_fail(const char *fmt, ...)
{
	va_list ap;

	if (shared->res.failure[0])
		return;
	va_start(ap, fmt);
	vsnprintf(shared->res.failure, sizeof(shared->res.failure), fmt, ap);
	va_end(ap);
}

bool search_is_limited(void)
{
	return limit >= 0;
}

static void *must(void *p)
{
	if (p)
		return p;
	perror("no memory");
	exit(2);
}

/* Is it new? */
static bool remember(uint64_t h)
{
	size_t at;

	h += !h;
	if (2 * nr_seen >= seen_size) {
		size_t old_size = seen_size;
		uint64_t *old = seen;

		seen_size = old_size ? 2 * old_size : 1 << 16;
		seen = must(calloc(seen_size, sizeof(*seen)));
		nr_seen = 0;
		for (size_t i = 0; i < old_size; i++)
			if (old[i])
				remember(old[i]);
		free(old);
	}
	for (at = h & (seen_size - 1); seen[at]; at = (at + 1) & (seen_size - 1))
		if (seen[at] == h)
			return false;
	seen[at] = h;
	nr_seen++;
	return true;
}

static uint64_t state_hash(int last, unsigned int cost)
{
	uint64_t h = 1;

	for (int i = 0; i < MAX_FIBERS && w.fiber[i].used; i++) {
		const struct fiber *f = &w.fiber[i];

		h = mix(h, (uint64_t)f->op.kind << 8 | (uint64_t)f->naps << 3 | (uint64_t)f->changed << 2 |
				   (uint64_t)f->may_be_late << 1 | f->late);
		if (f->op.kind == OP_DONE)
			continue;
		h = mix(mix(h, (uint64_t)f->op.obj << 32 | (uint64_t)f->op.size << 24 | (uint64_t)f->op.rmw),
			f->op.operand);
		h = mix(mix(h, f->op.expected), f->op.until);
		h = fiber_hash(i, h);
		h = mix_words(h, &f->view, sizeof(f->view));
	}
	h = os_hash(memory_hash(h));
	return limit < 0 ? h : mix(mix(h, (uint64_t)last), cost);
}

static size_t save_all(uint8_t *to)
{
	uint8_t *p = to;

	for (int i = 0; i < MAX_FIBERS; i++) {
		memcpy(p, &w.fiber[i].used, 8);
		p += 8;
		if (!w.fiber[i].used)
			break;
		memcpy(p, &w.fiber[i], sizeof(w.fiber[i]));
		p += sizeof(w.fiber[i]);
		if (w.fiber[i].op.kind != OP_DONE)
			p += fiber_save(i, p);
	}
	p += os_save(p);
	p += memory_save(p);
	return (size_t)(p - to);
}

static void restore_all(const uint8_t *p)
{
	for (int i = 0; i < MAX_FIBERS; i++) {
		bool used = *p;

		p += 8;
		w.fiber[i].used = used;
		if (!used) {
			for (; i < MAX_FIBERS; i++)
				w.fiber[i].used = false;
			break;
		}
		memcpy(&w.fiber[i], p, sizeof(w.fiber[i]));
		p += sizeof(w.fiber[i]);
		if (w.fiber[i].op.kind != OP_DONE)
			p += fiber_restore(i, p);
	}
	p += os_restore(p);
	memory_restore(p);
}

static unsigned int choices_of(int i, struct choice *c, unsigned int n, int last, unsigned int cost)
{
	unsigned int outcomes = os_outcomes(i), surprises;
	bool interrupts = last >= 0 && i != last && os_outcomes(last);

	for (unsigned int k = 0; k < outcomes; k++) {
		surprises = interrupts + (k && w.fiber[i].op.kind != OP_CHOOSE);
		if (limit >= 0 && cost + surprises > (unsigned int)limit)
			continue;
		if (n == MAX_CHOICES) {
			model_fail("more than %d choices", MAX_CHOICES);
			break;
		}
		c[n++] = (struct choice){(int8_t)i, (uint8_t)k, (uint8_t)surprises};
	}
	return n;
}

/* @all: also those that make no difference */
static unsigned int choices(struct choice *c, int last, unsigned int cost, bool time, bool all)
{
	unsigned int n = 0;

	if (limit < 0 && !all)
		for (int i = 0; i < MAX_FIBERS && w.fiber[i].used; i++)
			if (os_outcomes(i) && future_is_alone(i))
				return choices_of(i, c, 0, last, cost);
	for (int i = 0; i < MAX_FIBERS && w.fiber[i].used; i++)
		n = choices_of(i, c, n, last, cost);
	if (time && os_time_can_pass() && (limit < 0 || !n || cost < (unsigned int)limit)) {
		c[n] = (struct choice){-1, 0, n != 0};
		n++;
	}
	return n;
}

static int count_fibers(void)
{
	int n = 0;

	while (n < MAX_FIBERS && w.fiber[n].used)
		n++;
	return n;
}

static void do_step(struct choice c)
{
	struct step *s = &trace[nr_trace++];
	int fibers;

	shared->res.steps++;
	s->c = c;
	if (c.fiber < 0) {
		s->op = (struct op){.kind = OP_DONE};
		os_pass_time();
		s->result = w.now;
		return;
	}
	os_perform(c.fiber, c.k);
	s->op = w.fiber[c.fiber].op;
	s->result = w.fiber[c.fiber].result;
	fibers = count_fibers();
	fiber_resume(c.fiber);
	while (fibers < MAX_FIBERS && w.fiber[fibers].used)
		future_learn(fibers++, c.fiber);
	future_learn(c.fiber, -1);
	memory_tidy();
}

/* The next choice of the latest state that has one left. False: none has. */
static bool backtrack(unsigned int *cost, int *last, struct choice *c)
{
	struct frame *f;

	while (nr_frames && frames[nr_frames - 1].next == frames[nr_frames - 1].n)
		nr_frames--;
	if (!nr_frames)
		return false;
	f = &frames[nr_frames - 1];
	if (f->next)
		restore_all(saves + f->saved);
	nr_trace = f->trace;
	*c = f->c[f->next++];
	*cost = f->cost + c->cost;
	*last = f->last;
	return true;
}

static void push(const struct choice *c, unsigned int n, int last, unsigned int cost)
{
	size_t at = nr_frames ? frames[nr_frames - 1].saved + frames[nr_frames - 1].size : 0;
	struct frame *f;

	if (nr_frames == frames_size) {
		frames_size = frames_size ? 2 * frames_size : 1024;
		frames = must(realloc(frames, frames_size * sizeof(*frames)));
	}
	if (at + BIGGEST_SAVE > saves_size) {
		saves_size = saves_size ? 2 * saves_size : 16 << 20;
		saves = must(realloc(saves, saves_size));
	}
	f = &frames[nr_frames++];
	f->saved = at;
	f->size = save_all(saves + at);
	f->trace = nr_trace;
	f->cost = cost;
	f->last = last;
	f->n = (uint8_t)n;
	f->next = 0;
	memcpy(f->c, c, n * sizeof(*c));
}

static const char *order_name(uint8_t order)
{
	static const char *const names[] = {"relaxed", "consume", "acquire", "release", "acq_rel", "seq_cst"};

	return order < 6 ? names[order] : "?";
}

static void describe(const struct step *s, char *text, size_t size)
{
	static const char *const rmws[] = {"add", "sub", "and", "or", "exchange"};
	const struct op *op = &s->op;
	unsigned long long r = s->result, v = op->operand;
	bool atom = op->kind >= OP_LOAD && op->kind <= OP_CAS;
	const char *name = atom ? memory_atom_name(op->obj) : "";

	switch (op->kind) {
	case OP_START:
		snprintf(text, size, "begins");
		break;
	case OP_LOAD:
		snprintf(text, size, "load %s: %#llx (%s)%s", name, r, order_name(op->order),
			 s->c.k ? ", an old store" : "");
		break;
	case OP_STORE:
		snprintf(text, size, "store %s = %#llx (%s)", name, v, order_name(op->order));
		break;
	case OP_RMW:
		snprintf(text, size, "%s %s, %#llx: was %#llx (%s)", rmws[op->rmw], name, v, r,
			 order_name(op->order));
		break;
	case OP_CAS:
		snprintf(text, size, "exchange %s: %#llx, %s (%s)", name, r,
			 v		     ? "done"
			 : r == op->expected ? "failed for no reason"
					     : "failed",
			 order_name(v ? op->order : op->fail_order));
		break;
	case OP_LOCK:
		snprintf(text, size, "lock %s", memory_describe((const void *)(uintptr_t)op->expected));
		break;
	case OP_NOTE:
		snprintf(text, size, "(checked)");
		break;
	case OP_NAP:
		snprintf(text, size, "naps");
		break;
	case OP_CHOOSE:
		snprintf(text, size, "%s: %llu", op->what, r);
		break;
	case OP_WRITE:
		snprintf(text, size, "write to descriptor %d", op->obj);
		break;
	case OP_WAIT:
		snprintf(text, size, "has waited for events: %s", r ? "some" : "none");
		break;
	case OP_WATCH:
		snprintf(text, size, "has waited until descriptor %d is readable", op->obj);
		break;
	case OP_JOIN:
		snprintf(text, size, "joins");
		break;
	case OP_FENCE:
		snprintf(text, size, "membarrier");
		break;
	default:
		snprintf(text, size, "passes: %llu", r);
	}
}

extern char __executable_start;

/* Function and line of each step, if there is somebody to ask. */
static void print_trace(void)
{
	char text[160], fn[64], line[64], *cmd = must(malloc(64 + 20 * (size_t)nr_trace)), *p = cmd;
	FILE *lines;

	p += sprintf(p, "addr2line -f -s -e /proc/%d/exe", (int)getpid());
	for (unsigned int i = 0; i < nr_trace; i++)
		p += sprintf(p, " %lx",
			     trace[i].op.pc ? (unsigned long)((uintptr_t)trace[i].op.pc - 1 -
							      (uintptr_t)&__executable_start)
					    : 0);
	strcpy(p, " 2>/dev/null");
	lines = popen(cmd, "r");
	free(cmd);
	for (unsigned int i = 0; i < nr_trace; i++) {
		describe(&trace[i], text, sizeof(text));
		fn[0] = line[0] = '\0';
		if (lines && (fscanf(lines, "%63s", fn) != 1 || fscanf(lines, " %63[^\n]", line) != 1))
			fn[0] = line[0] = '\0';
		line[strcspn(line, " ")] = '\0';
		printf("    %3u  %-10s %-58s", i + 1, fiber_name(trace[i].c.fiber), text);
		if (trace[i].op.pc && fn[0])
			printf("  %s, %s", fn, line);
		putchar('\n');
	}
	if (lines)
		pclose(lines);
}

/* Nothing can happen any more, but for a fiber that polls all the time. */
static void check_end(const struct scenario *s, int polls)
{
	const char *what;

	shared->res.ends++;
	for (int i = 0; i < MAX_FIBERS && w.fiber[i].used; i++)
		if (i != polls && w.fiber[i].op.kind != OP_DONE && !os_asleep(i)) {
			model_fail("%s waits in vain", fiber_name(i));
			return;
		}
	what = scenario_at_rest(s, polls >= 0);
	if (what)
		model_fail("%s", what);
}

static bool others_could(int fiber)
{
	for (int i = 0; i < MAX_FIBERS && w.fiber[i].used; i++)
		if (i != fiber && os_outcomes(i))
			return true;
	return false;
}

static bool could_go_on(const struct scenario *s)
{
	for (int i = 0; i < MAX_FIBERS && w.fiber[i].used; i++)
		if (os_outcomes(i))
			return true;
	return s->time && os_time_can_pass();
}

/*
 * Only one fiber can go on, and has for long: does it run in a circle? Then it polls all the time, and all is
 * quiet. A circle is found by a state that comes again.
 */
static bool in_circle(unsigned int alone)
{
	static uint64_t h;

	if (alone < 300)
		return false;
	if (alone == 300) {
		h = state_hash(0, 0);
		return false;
	}
	return h == state_hash(0, 0);
}

static void explore(const struct scenario *s)
{
	struct choice c[MAX_CHOICES];
	unsigned int cost = 0, n;
	unsigned int alone = 0; /* steps of late without a choice */
	unsigned long enough = 0;
	bool circle;
	int last = -1;

	/* What is new is looked for a little further, to find more of it at once. */
	while (!shared->res.failure[0] && !memory_again &&
	       (limit >= 0 || !shared->learned || shared->res.states < enough)) {
		if (nr_trace == MAX_TRACE) {
			model_fail("it does not come to an end");
			return;
		}
		if (nr_trace > shared->res.depth)
			shared->res.depth = nr_trace;
		n = choices(c, last, cost, s->time, false);
		if (n == 0 && !could_go_on(s)) {
			check_end(s, -1);
			if (shared->res.failure[0])
				return;
		}
		alone = n == 1 ? alone + 1 : 0;
		circle = in_circle(alone);
		if (circle) {
			alone = 0;
			n = choices(c, last, cost, s->time, true);
		}
		if (n == 1 && !circle) {
			cost += c[0].cost;
		} else {
			if (n == 1 && !others_could(c[0].fiber))
				check_end(s, c[0].fiber);
			else if (n > 1 && remember(state_hash(last, cost))) {
				shared->res.states++;
				push(c, n, last, cost);
			}
			if (!backtrack(&cost, &last, c))
				return;
		}
		do_step(c[0]);
		if (!shared->learned)
			enough = 2 * shared->res.states + 1000;
		last = c[0].fiber >= 0 ? c[0].fiber : last;
	}
}

static void attempt(const struct scenario *s)
{
	memory_known = &shared->known;
	scenario_set_up(s);
	memory_begin();
	os_has_time = s->time;
	future_begin(shared->future, &shared->learned);
	for (int i = 0; i < count_fibers(); i++)
		future_learn(i, -1);
	shared->learned = false;
	explore(s);
	shared->res.cut = memory_cut;
	shared->again = memory_again || (!shared->res.failure[0] && limit < 0 && shared->learned);
	if (!shared->again && shared->res.failure[0]) {
		printf("%s: %s\n", s->name, shared->res.failure);
		print_trace();
		fflush(stdout);
	}
	shared->ended = true;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Each attempt in a process of its own, which begins with the library's memory as it is before main(). */
struct search_result search(const struct scenario *s, int surprises)
{
	double began = now();
	struct search_result res;
	unsigned int searches = 0;
	int status;
	pid_t pid;

	size_t size = sizeof(*shared) + future_size();

	shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		must(NULL);
	limit = surprises;
	do {
		searches++;
		shared->res = (struct search_result){0};
		shared->again = shared->ended = false;
		fflush(stdout);
		pid = fork();
		if (!pid) {
			attempt(s);
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid) {
			perror("cannot run the search");
			exit(2);
		}
		if (!shared->ended)
			snprintf(shared->res.failure, sizeof(shared->res.failure), "the code crashed");
	} while (shared->again);
	res = shared->res;
	res.searches = searches;
	munmap(shared, size);
	res.seconds = now() - began;
	res.surprises = surprises;
	return res;
}
