/* SPDX-License-Identifier: BSD-3-Clause */
#include "napi_top.h"

#include <stdlib.h>
#include <string.h>

const char *const cause_names[NR_CAUSES] = {"interrupt",   "timer",  "watchdog",
					    "application", "thread", "mode_switch"};

static uint64_t number(const json_t *object, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(object, name));
}

static const char *name_of(const json_t *object)
{
	const char *name = json_string_value(json_object_get(object, "name"));

	return name ? name : "?";
}

/* A counter that went back was cleared meanwhile, and one of something new began with 0. */
static double since(const json_t *before, const json_t *now, const char *name)
{
	uint64_t b = number(before, name), n = number(now, name);

	return (double)(n >= b ? n - b : n);
}

/* The earlier report's objects, each found once. */
struct earlier {
	const json_t **objects;
	unsigned int n;
};

static int add_earlier(struct earlier *e, const json_t *array)
{
	size_t more = json_array_size(array);
	const json_t **grown = realloc(e->objects, (e->n + more + 1) * sizeof(*grown));

	if (!grown)
		return -1;
	e->objects = grown;
	for (size_t i = 0; i < more; i++)
		e->objects[e->n++] = json_array_get(array, i);
	return 0;
}

/* The same one then. Devices of one name are told apart by the ids of their instances while they have any. */
static const json_t *find(struct earlier *e, const json_t *now)
{
	unsigned int i, best = e->n;
	const json_t *found;

	for (i = 0; i < e->n; i++) {
		if (!e->objects[i] || strcmp(name_of(e->objects[i]), name_of(now)))
			continue;
		if (best == e->n)
			best = i;
		if (number(e->objects[i], "id") == number(now, "id")) {
			best = i;
			break;
		}
	}
	if (best == e->n)
		return NULL;
	found = e->objects[best];
	e->objects[best] = NULL;
	return found;
}

static void napi_between(struct napi_rates *r, const json_t *before, const json_t *now, double seconds)
{
	const json_t *cpu_before = json_object_get(before, "cpu_ns_by"),
		     *cpu_now = json_object_get(now, "cpu_ns_by");
	double polls = since(before, now, "polls"), empty = since(before, now, "empty_polls");
	double packets = since(before, now, "work");

	r->now = now;
	for (int i = 0; i < NR_CAUSES; i++) {
		r->cpu_by[i] = since(cpu_before, cpu_now, cause_names[i]) / seconds / 1e7;
		r->cpu += r->cpu_by[i];
	}
	r->interrupts = since(before, now, "interrupts") / seconds;
	r->polls = polls / seconds;
	r->packets = packets / seconds;
	r->timers = since(before, now, "timer_fires") / seconds;
	/* the two counts are not of one moment */
	if (empty > polls)
		empty = polls;
	r->empty = polls > 0 ? 100 * empty / polls : 0;
	r->per_poll = polls > empty ? packets / (polls - empty) : 0;
}

/* Polls are timed by the clock on the wall. Where that makes more than the thread's CPU time, the thread had
 * to wait for its CPU, in the middle of any poll alike. */
static void scale(struct context_rates *r, double factor)
{
	for (int c = 0; c < NR_CAUSES; c++)
		r->cpu_by[c] *= factor;
	for (unsigned int i = 0; i < r->nr_napis; i++) {
		r->napis[i].cpu *= factor;
		for (int c = 0; c < NR_CAUSES; c++)
			r->napis[i].cpu_by[c] *= factor;
	}
}

static int context_between(struct context_rates *r, const json_t *before, const json_t *now,
			   struct earlier *napis, double seconds)
{
	const json_t *instances = json_object_get(now, "instances");
	double charged = 0;

	r->now = now;
	r->nr_napis = (unsigned int)json_array_size(instances);
	r->napis = calloc(r->nr_napis + 1, sizeof(*r->napis));
	if (!r->napis)
		return -1;
	for (unsigned int i = 0; i < r->nr_napis; i++) {
		const json_t *napi = json_array_get(instances, i);

		napi_between(&r->napis[i], find(napis, napi), napi, seconds);
		for (int c = 0; c < NR_CAUSES; c++)
			r->cpu_by[c] += r->napis[i].cpu_by[c];
		charged += r->napis[i].cpu;
		r->packets += r->napis[i].packets;
	}
	/* Another thread's CPU time began with another number. */
	if (number(before, "tid") == number(now, "tid"))
		r->cpu = since(before, now, "cpu_ns") / seconds / 1e7;
	if (r->cpu > 0 && charged > r->cpu)
		scale(r, r->cpu / charged);
	else
		r->other = r->cpu > charged ? r->cpu - charged : 0;
	r->waits = since(before, now, "waits") / seconds;
	r->wakeups = since(before, now, "wakeups") / seconds;
	r->squeezes = since(before, now, "time_squeeze") / seconds;
	return 0;
}

static int more_first(double a, double b)
{
	return a < b ? 1 : a > b ? -1 : 0;
}

static int compare_napis(const void *a, const void *b, void *arg)
{
	const struct napi_rates *x = a, *y = b;
	int order = 0;

	switch (*(const enum sort_key *)arg) {
	case SORT_CPU:
		order = more_first(x->cpu, y->cpu);
		break;
	case SORT_PACKETS:
		order = more_first(x->packets, y->packets);
		break;
	case SORT_INTERRUPTS:
		order = more_first(x->interrupts, y->interrupts);
		break;
	case SORT_POLLS:
		order = more_first(x->polls, y->polls);
		break;
	case SORT_NAME:
		break;
	}
	return order ? order : strcmp(name_of(x->now), name_of(y->now));
}

static double total(const struct context_rates *c, enum sort_key key)
{
	double sum = 0;

	if (key == SORT_CPU)
		return c->cpu;
	for (unsigned int i = 0; i < c->nr_napis; i++)
		sum += key == SORT_PACKETS ? c->napis[i].packets
		       : key == SORT_POLLS ? c->napis[i].polls
					   : c->napis[i].interrupts;
	return sum;
}

static int compare_contexts(const void *a, const void *b, void *arg)
{
	const struct context_rates *x = a, *y = b;
	enum sort_key key = *(const enum sort_key *)arg;
	int order = key == SORT_NAME ? 0 : more_first(total(x, key), total(y, key));

	return order ? order : strcmp(name_of(x->now), name_of(y->now));
}

static int fill(struct top *r, const json_t *before, enum sort_key key, struct earlier *contexts,
		struct earlier *napis)
{
	const json_t *list = json_object_get(r->now, "contexts"), *old = json_object_get(before, "contexts"),
		     *c;
	size_t i;

	if (add_earlier(contexts, old))
		return -1;
	json_array_foreach(old, i, c) if (add_earlier(napis, json_object_get(c, "instances"))) return -1;
	r->contexts = calloc(json_array_size(list) + 1, sizeof(*r->contexts));
	if (!r->contexts)
		return -1;
	json_array_foreach(list, i, c)
	{
		struct context_rates *cr = &r->contexts[r->nr_contexts++];

		if (context_between(cr, find(contexts, c), c, napis, r->seconds))
			return -1;
		qsort_r(cr->napis, cr->nr_napis, sizeof(cr->napis[0]), compare_napis, &key);
	}
	qsort_r(r->contexts, r->nr_contexts, sizeof(r->contexts[0]), compare_contexts, &key);
	return 0;
}

int top_between(struct top *r, const json_t *before, const json_t *now, enum sort_key key)
{
	struct earlier contexts = {0}, napis = {0};
	int rc;

	*r = (struct top){.now = now, .seconds = since(before, now, "time_ns") / 1e9};
	if (r->seconds <= 0)
		return -1;
	rc = fill(r, before, key, &contexts, &napis);
	free(contexts.objects);
	free(napis.objects);
	if (rc)
		top_free(r);
	return rc;
}

void top_free(struct top *r)
{
	for (unsigned int i = 0; i < r->nr_contexts; i++)
		free(r->contexts[i].napis);
	free(r->contexts);
	*r = (struct top){0};
}
