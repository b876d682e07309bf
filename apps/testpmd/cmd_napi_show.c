/* SPDX-License-Identifier: BSD-3-Clause */
/* show napi PORT|all|json, show cores, clear napi: what the scheduler does, and where the CPU time goes. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unapi/mode.h>
#include <unapi/stats.h>

#include "app.h"
#include "cmd.h"
#include "json.h"
#include "napi_top.h"

static const char *threaded_name(enum netdev_napi_threaded threaded)
{
	static const char *const names[] = {"disabled", "enabled", "busy-poll"};

	return names[threaded];
}

static void print_causes(const struct unapi_napi_stats *st)
{
	static const char *const names[UNAPI_NR_CAUSES] = {
		[UNAPI_CAUSE_IRQ] = "interrupt",     [UNAPI_CAUSE_REPOLL] = "repoll timer",
		[UNAPI_CAUSE_WATCHDOG] = "watchdog", [UNAPI_CAUSE_APP] = "application",
		[UNAPI_CAUSE_THREAD] = "thread",     [UNAPI_CAUSE_MODE_SWITCH] = "mode switch",
	};
	uint64_t all = 0;

	for (unsigned int i = 0; i < UNAPI_NR_CAUSES; i++)
		all += st->cycles_by[i];
	printf("  Polls by cause:      polls         CPU ms   CPU%%\n");
	for (unsigned int i = 0; i < UNAPI_NR_CAUSES; i++) {
		if (st->polls_by[i])
			printf("    %-14s %12" PRIu64 " %12.3f %6.1f\n", names[i], st->polls_by[i],
			       unapi_cycles_to_ns(st->cycles_by[i]) / 1e6,
			       all ? 100.0 * st->cycles_by[i] / all : 0.0);
	}
}

static void print_poller(const struct napi_struct *n, const struct unapi_napi_info *info)
{
	struct unapi_mode_info mode;

	unapi_mode_get(n, &mode);
	printf("  Mode: %s", unapi_mode_name(mode.in_force));
	if (mode.chosen != mode.in_force)
		printf(" (now %s, %" PRIu64 " changes)", unapi_mode_name(mode.chosen), mode.changes);
	if (mode.asked != mode.in_force)
		printf(", asked for: %s", unapi_mode_name(mode.asked));
	if (info->poller_tid)
		printf(", polled by thread %" PRIu64 " up to %" PRIu64 " ms ago", info->poller_tid,
		       info->poller_seen_ns / 1000000);
	printf("\n  Threaded: %s", threaded_name(info->threaded));
	if (info->thread_tid)
		printf(", thread %" PRIu64, info->thread_tid);
	printf("\n");
}

static void print_context(const struct unapi_napi_info *info)
{
	struct unapi_context_stats st;
	struct unapi_context_info ci;

	unapi_context_get_info(info->ctx, &ci);
	unapi_context_get_stats(info->ctx, &st);
	printf("  Context: %s", info->context);
	if (info->thread_tid)
		printf(", home %s", info->home);
	printf(", thread %" PRIu64 ", CPU ms %.3f\n", ci.tid, ci.cpu_ns / 1e6);
	printf("    runs %" PRIu64 ", waits %" PRIu64 ", wake-ups %" PRIu64 ", time squeezes %" PRIu64
	       ", packets %" PRIu64 ", from other threads %" PRIu64 "\n",
	       st.runs, st.waits, st.wakeups, st.time_squeeze, st.processed, st.inbox);
}

static void print_instance(const struct port *port, struct napi_struct *n, unsigned int index)
{
	struct unapi_napi_params params;
	struct unapi_napi_stats st;
	struct unapi_napi_info info;
	char rx[64], tx[64];
	int64_t raised = unapi_napi_irqs_raised(n);

	unapi_napi_get_info(n, &info);
	unapi_napi_get_stats(n, &st);
	unapi_napi_get(n, &params);
	printf("\n  Port %u napi %u: %s, id %u, %s\n", port->id, index, info.name, info.napi_id,
	       info.enabled ? "enabled" : "disabled");
	printf("  Queues: rx %s tx %s\n", port_napi_queues(port, n, true, rx, sizeof(rx)),
	       port_napi_queues(port, n, false, tx, sizeof(tx)));
	print_poller(n, &info);
	printf("  Settings: defer-hard-irqs %u, gro-flush-timeout %" PRIu64 ", irq-suspend-timeout %" PRIu64
	       "\n",
	       params.defer_hard_irqs, params.gro_flush_timeout, params.irq_suspend_timeout);
	printf("  Interrupts: taken %" PRIu64, st.irqs);
	if (raised >= 0)
		printf(", raised %" PRId64, raised);
	printf("\n  Polls: %" PRIu64 ", empty %" PRIu64 ", full %" PRIu64 ", by its thread %" PRIu64
	       "; packets %" PRIu64 ", %.1f for each poll that found some\n",
	       st.polls, st.empty_polls, st.full_polls, st.thread_polls, st.work,
	       st.polls > st.empty_polls ? (double)st.work / (st.polls - st.empty_polls) : 0.0);
	printf("  Schedules: %" PRIu64 ", missed %" PRIu64 "; completions %" PRIu64 ", deferred %" PRIu64
	       "; timer starts %" PRIu64 ", expiries %" PRIu64 "\n",
	       st.schedules, st.missed, st.completions, st.deferred, st.timer_starts, st.timer_fires);
	printf("  Hand-overs: %" PRIu64 "; suspensions: %" PRIu64 "; contract violations: %" PRIu64 "\n",
	       st.handovers, st.suspends, st.violations);
	print_causes(&st);
	if (info.ctx)
		print_context(&info);
}

static void show_port_napi(struct app *app, struct port *port)
{
	struct napi_struct *n;

	for (unsigned int i = 0; (n = unapi_dev_napi(port->dev, i)); i++)
		print_instance(port, n, i);
}

static void show_napi(struct app *app, const struct cmd_arg *args)
{
	cmd_ports(app, &args[2], show_port_napi);
}

static void show_json_napi(struct app *app, const struct cmd_arg *args)
{
	json_t *list = json_array();

	for (unsigned int p = 0; p < app->nr_ports; p++) {
		struct port *port = &app->ports[p];
		struct napi_struct *n;

		for (unsigned int i = 0; port->dev && (n = unapi_dev_napi(port->dev, i)); i++) {
			json_t *o = json_napi(app, port, n);

			json_object_set_new(o, "port", json_integer(port->id));
			json_array_append_new(list, o);
		}
	}
	json_dumpf(list, stdout, JSON_COMPACT);
	printf("\n");
	json_decref(list);
}

static json_t *report(void)
{
	char *text = unapi_stats_report();
	json_t *o = text ? json_loads(text, 0, NULL) : NULL;

	if (!text)
		fprintf(stderr, "%s\n", unapi_reason());
	free(text);
	return o;
}

void cores_begin(struct app *app)
{
	app->cores_shown = report();
}

void cores_end(struct app *app)
{
	json_decref(app->cores_shown);
	app->cores_shown = NULL;
}

/* As unapi-napi-top(1), over the time since it was shown last. */
static void show_cores(struct app *app, const struct cmd_arg *args)
{
	json_t *now = report();
	struct top r;

	if (!now)
		return;
	if (!top_between(&r, app->cores_shown, now, SORT_CPU)) {
		show_table(stdout, &r, 0, 0);
		top_free(&r);
	}
	json_decref(app->cores_shown);
	app->cores_shown = now;
}

static void clear_port_napi(struct app *app, struct port *port)
{
	struct napi_struct *n;

	for (unsigned int i = 0; (n = unapi_dev_napi(port->dev, i)); i++)
		unapi_napi_clear_stats(n);
	printf("Port %u: NAPI counters cleared\n", port->id);
}

static void clear_napi(struct app *app, const struct cmd_arg *args)
{
	cmd_ports(app, &args[2], clear_port_napi);
}

const struct cmd cmds_napi_show[] = {
	{"show napi PORT|all", "all about the NAPI instances of a port: settings, counters, CPU time",
	 show_napi},
	{"show napi json", "the same of every port, as one line of JSON", show_json_napi},
	{"show cores", "who uses the CPU, and what for, since this was shown last", show_cores},
	{"clear napi PORT|all", "count interrupts and polls from zero again", clear_napi},
	{NULL},
};
