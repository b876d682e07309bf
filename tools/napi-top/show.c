/* SPDX-License-Identifier: BSD-3-Clause */
#include "napi_top.h"

#include <string.h>

#define NAME_WIDTH 30

/* What is left of the screen. */
struct screen {
	FILE *out;
	unsigned int columns, lines;
	bool limited;
};

static const char *text(const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));

	return value ? value : "";
}

static json_int_t number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static void put(struct screen *s, const char *line)
{
	if (s->limited && !s->lines)
		return;
	if (s->limited)
		s->lines--;
	/* Names are whatever somebody called a device: nothing of them shall drive the terminal. */
	for (unsigned int i = 0; line[i] && (!s->columns || i < s->columns); i++)
		fputc((unsigned char)line[i] < ' ' || line[i] == 0x7f ? '?' : line[i], s->out);
	fputc('\n', s->out);
}

/* How it is polled now, and what it is to become. */
static const char *mode(const json_t *napi, char *room, size_t size)
{
	if (!json_is_true(json_object_get(napi, "enabled")))
		return "disabled";
	if (!strcmp(text(napi, "threaded"), "enabled"))
		return "thread";
	if (!strcmp(text(napi, "threaded"), "busy-poll"))
		return "busy-thread";
	if (!strcmp(text(napi, "mode"), text(napi, "mode_asked")) || !strcmp(text(napi, "mode"), "custom"))
		return text(napi, "mode");
	snprintf(room, size, ">%s", text(napi, "mode_asked"));
	return room;
}

/* The end of a long name says which queue it is. */
static void fit(char *room, size_t size, const char *indent, const char *name, json_int_t id)
{
	char tail[24] = "";
	size_t width, len = strlen(name);

	if (id)
		snprintf(tail, sizeof(tail), " %lld", (long long)id);
	width = size - 1 - strlen(indent) - strlen(tail);
	if (len > width)
		name += len - width;
	snprintf(room, size, "%s%.*s%s", indent, (int)width, name, tail);
}

static void put_context(struct screen *s, const struct context_rates *c)
{
	char name[NAME_WIDTH + 1], tid[24] = "-", line[320];

	fit(name, sizeof(name), "", text(c->now, "name"), 0);
	if (number(c->now, "tid"))
		snprintf(tid, sizeof(tid), "%lld", (long long)number(c->now, "tid"));
	snprintf(line, sizeof(line),
		 "%-*s %7s %-11s %6.1f %6.1f %6.1f %6.1f %6.1f %6.1f %6.1f %9s %9s %6s %10.0f   %.0f "
		 "waits/s, %.0f wake-ups/s, %.0f squeezes/s",
		 NAME_WIDTH, name, tid, "context", c->cpu, c->cpu_by[BY_INTERRUPT],
		 c->cpu_by[BY_TIMER] + c->cpu_by[BY_WATCHDOG], c->cpu_by[BY_APPLICATION],
		 c->cpu_by[BY_THREAD], c->cpu_by[BY_MODE_SWITCH], c->other, "", "", "", c->packets, c->waits,
		 c->wakeups, c->squeezes);
	put(s, line);
}

static void put_napi(struct screen *s, const struct napi_rates *n)
{
	char name[NAME_WIDTH + 1], room[24], line[320];

	fit(name, sizeof(name), "  ", text(n->now, "name"), number(n->now, "id"));
	snprintf(
		line, sizeof(line),
		"%-*s %7s %-11s %6.1f %6.1f %6.1f %6.1f %6.1f %6.1f %6s %9.0f %9.0f %6.1f %10.0f %8.1f %8.0f",
		NAME_WIDTH, name, "", mode(n->now, room, sizeof(room)), n->cpu, n->cpu_by[BY_INTERRUPT],
		n->cpu_by[BY_TIMER] + n->cpu_by[BY_WATCHDOG], n->cpu_by[BY_APPLICATION], n->cpu_by[BY_THREAD],
		n->cpu_by[BY_MODE_SWITCH], "", n->interrupts, n->polls, n->empty, n->packets, n->per_poll,
		n->timers);
	put(s, line);
}

void show_table(FILE *out, const struct top *r, unsigned int columns, unsigned int lines)
{
	struct screen s = {.out = out, .columns = columns, .lines = lines, .limited = lines};
	char line[320];

	snprintf(line, sizeof(line), "%s (%lld): %.2f s; CPU in percent of one, by what caused the polls",
		 text(r->now, "program"), (long long)number(r->now, "pid"), r->seconds);
	put(&s, line);
	snprintf(line, sizeof(line), "%-*s %7s %-11s %6s %6s %6s %6s %6s %6s %6s %9s %9s %6s %10s %8s %8s",
		 NAME_WIDTH, "CONTEXT, instances", "THREAD", "MODE", "CPU%", "irq", "timer", "app", "thread",
		 "switch", "other", "IRQ/s", "POLL/s", "EMPTY%", "PACKET/s", "PKT/POLL", "TIMER/s");
	put(&s, line);
	for (unsigned int c = 0; c < r->nr_contexts; c++) {
		put_context(&s, &r->contexts[c]);
		for (unsigned int i = 0; i < r->contexts[c].nr_napis; i++)
			put_napi(&s, &r->contexts[c].napis[i]);
	}
}

static json_t *cpu_object(const double *by)
{
	json_t *o = json_object();

	for (int i = 0; i < NR_CAUSES; i++)
		json_object_set_new(o, cause_names[i], json_real(by[i]));
	return o;
}

static json_t *napi_object(const struct napi_rates *n)
{
	return json_pack("{s:O, s:O, s:f, s:o, s:f, s:f, s:f, s:f, s:f, s:f, s:O}", "name",
			 json_object_get(n->now, "name"), "id", json_object_get(n->now, "id"), "cpu_percent",
			 n->cpu, "cpu_percent_by", cpu_object(n->cpu_by), "interrupts_per_s", n->interrupts,
			 "polls_per_s", n->polls, "empty_percent", n->empty, "packets_per_s", n->packets,
			 "packets_per_poll", n->per_poll, "timer_fires_per_s", n->timers, "total", n->now);
}

static json_t *context_object(const struct context_rates *c)
{
	json_t *cpu = cpu_object(c->cpu_by), *napis = json_array();

	json_object_set_new(cpu, "other", json_real(c->other));
	for (unsigned int i = 0; i < c->nr_napis; i++)
		json_array_append_new(napis, napi_object(&c->napis[i]));
	return json_pack("{s:O, s:O, s:f, s:o, s:f, s:f, s:f, s:f, s:o}", "name",
			 json_object_get(c->now, "name"), "tid", json_object_get(c->now, "tid"),
			 "cpu_percent", c->cpu, "cpu_percent_by", cpu, "waits_per_s", c->waits,
			 "wakeups_per_s", c->wakeups, "time_squeeze_per_s", c->squeezes, "packets_per_s",
			 c->packets, "instances", napis);
}

void show_json(FILE *out, const struct top *r)
{
	json_t *contexts = json_array(), *o;

	for (unsigned int c = 0; c < r->nr_contexts; c++)
		json_array_append_new(contexts, context_object(&r->contexts[c]));
	o = json_pack("{s:O, s:O, s:O, s:f, s:o}", "program", json_object_get(r->now, "program"), "pid",
		      json_object_get(r->now, "pid"), "time_ns", json_object_get(r->now, "time_ns"),
		      "interval_s", r->seconds, "contexts", contexts);
	json_dumpf(o, out, JSON_COMPACT | JSON_REAL_PRECISION(6));
	json_decref(o);
	fputc('\n', out);
}
