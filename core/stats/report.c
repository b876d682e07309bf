/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/stats/report.h"
#include "core/base/clock.h"
#include "core/base/reason.h"
#include "core/napi/snapshot.h"
#include <unapi/stats.h>

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

static const char *const causes[UNAPI_NR_CAUSES] = {
	[UNAPI_CAUSE_IRQ] = "interrupt",     [UNAPI_CAUSE_REPOLL] = "timer",
	[UNAPI_CAUSE_WATCHDOG] = "watchdog", [UNAPI_CAUSE_APP] = "application",
	[UNAPI_CAUSE_THREAD] = "thread",     [UNAPI_CAUSE_MODE_SWITCH] = "mode_switch",
};

static const struct counter {
	const char *name;
	size_t offset;
} napi_counters[] =
	{
		{"interrupts", offsetof(struct unapi_napi_stats, irqs)},
		{"schedules", offsetof(struct unapi_napi_stats, schedules)},
		{"missed", offsetof(struct unapi_napi_stats, missed)},
		{"polls", offsetof(struct unapi_napi_stats, polls)},
		{"empty_polls", offsetof(struct unapi_napi_stats, empty_polls)},
		{"full_polls", offsetof(struct unapi_napi_stats, full_polls)},
		{"work", offsetof(struct unapi_napi_stats, work)},
		{"completions", offsetof(struct unapi_napi_stats, completions)},
		{"deferred", offsetof(struct unapi_napi_stats, deferred)},
		{"timer_starts", offsetof(struct unapi_napi_stats, timer_starts)},
		{"timer_fires", offsetof(struct unapi_napi_stats, timer_fires)},
		{"violations", offsetof(struct unapi_napi_stats, violations)},
		{"thread_polls", offsetof(struct unapi_napi_stats, thread_polls)},
		{"handovers", offsetof(struct unapi_napi_stats, handovers)},
		{"suspends", offsetof(struct unapi_napi_stats, suspends)},
		{NULL},
},
  context_counters[] = {
	  {"runs", offsetof(struct unapi_context_stats, runs)},
	  {"waits", offsetof(struct unapi_context_stats, waits)},
	  {"wakeups", offsetof(struct unapi_context_stats, wakeups)},
	  {"time_squeeze", offsetof(struct unapi_context_stats, time_squeeze)},
	  {"processed", offsetof(struct unapi_context_stats, processed)},
	  {"inbox", offsetof(struct unapi_context_stats, inbox)},
	  {NULL},
};

static void set_number(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

static void set_text(json_t *object, const char *name, const char *text)
{
	/* a device's string is the user's, in whatever encoding */
	json_t *value = json_string(text);

	json_object_set_new(object, name, value ? value : json_string("?"));
}

static void set_counters(json_t *object, const struct counter *list, const void *stats)
{
	for (; list->name; list++)
		set_number(object, list->name, *(const uint64_t *)((const char *)stats + list->offset));
}

static const char *threaded_name(enum netdev_napi_threaded threaded)
{
	switch (threaded) {
	case NETDEV_NAPI_THREADED_ENABLED:
		return "enabled";
	case NETDEV_NAPI_THREADED_BUSY_POLL:
		return "busy-poll";
	default:
		return "disabled";
	}
}

static json_t *napi_object(const struct napi_record *r)
{
	json_t *o = json_object(), *polls = json_object(), *cpu = json_object();

	set_text(o, "name", r->info.name);
	set_number(o, "id", r->info.napi_id);
	json_object_set_new(o, "enabled", json_boolean(r->info.enabled));
	set_text(o, "context", r->info.context);
	set_text(o, "home", r->info.home);
	set_text(o, "mode", unapi_mode_name(r->mode.in_force));
	set_text(o, "mode_asked", unapi_mode_name(r->mode.asked));
	set_text(o, "mode_chosen", unapi_mode_name(r->mode.chosen));
	set_number(o, "mode_changes", r->mode.changes);
	set_text(o, "threaded", threaded_name(r->info.threaded));
	set_number(o, "thread", r->info.thread_tid);
	set_number(o, "poller", r->info.poller_tid);
	set_number(o, "poller_seen_ns", r->info.poller_seen_ns);
	set_number(o, "defer_hard_irqs", r->params.defer_hard_irqs);
	set_number(o, "gro_flush_timeout", r->params.gro_flush_timeout);
	set_number(o, "irq_suspend_timeout", r->params.irq_suspend_timeout);
	set_counters(o, napi_counters, &r->stats);
	json_object_set_new(o, "interrupts_raised",
			    r->irqs_raised < 0 ? json_null() : json_integer(r->irqs_raised));
	for (unsigned int i = 0; i < UNAPI_NR_CAUSES; i++) {
		set_number(polls, causes[i], r->stats.polls_by[i]);
		set_number(cpu, causes[i], unapi_cycles_to_ns(r->stats.cycles_by[i]));
	}
	json_object_set_new(o, "polls_by", polls);
	json_object_set_new(o, "cpu_ns_by", cpu);
	return o;
}

static json_t *context_object(const struct napi_snapshot *s, unsigned int index)
{
	const struct context_record *r = &s->contexts[index];
	json_t *o = json_object(), *instances = json_array();

	set_text(o, "name", r->info.name);
	set_number(o, "tid", r->info.tid);
	set_number(o, "cpu_ns", r->info.cpu_ns);
	json_object_set_new(o, "own_thread", json_boolean(r->info.own_thread));
	set_number(o, "netdev_budget", r->info.netdev_budget);
	set_number(o, "netdev_budget_usecs", r->info.netdev_budget_usecs);
	set_counters(o, context_counters, &r->stats);
	for (unsigned int i = 0; i < s->nr_napis; i++)
		if (s->napis[i].context == index)
			json_array_append_new(instances, napi_object(&s->napis[i]));
	json_object_set_new(o, "instances", instances);
	return o;
}

json_t *stats_report(void)
{
	json_t *o = json_object(), *contexts = json_array();
	struct napi_snapshot s;

	if (!o || !contexts || napi_snapshot_take(&s)) {
		json_decref(o);
		json_decref(contexts);
		unapi_fail(ENOMEM, "no memory for a report");
		return NULL;
	}
	set_number(o, "version", STATS_VERSION);
	set_text(o, "program", program_invocation_short_name);
	set_number(o, "pid", (uint64_t)getpid());
	set_number(o, "time_ns", s.time_ns);
	for (unsigned int i = 0; i < s.nr_contexts; i++)
		json_array_append_new(contexts, context_object(&s, i));
	json_object_set_new(o, "contexts", contexts);
	napi_snapshot_free(&s);
	return o;
}

static char *as_text(json_t *o)
{
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	if (!text)
		unapi_fail(ENOMEM, "no memory for a report");
	return text;
}

char *unapi_stats_report(void)
{
	return as_text(stats_report());
}

char *unapi_napi_report(struct napi_struct *n)
{
	struct napi_record r;

	napi_record_take(n, &r);
	return as_text(napi_object(&r));
}
