/* SPDX-License-Identifier: BSD-3-Clause */
/* What an instance has done and is: the reader's side of the ledger. */
#include "core/napi/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Reading the descriptor itself would take back an interrupt whose event epoll has not delivered yet. */
int64_t napi_eventfd_count(int fd)
{
	char path[64], line[128];
	unsigned long long count;
	int64_t found = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "eventfd-count: %llx", &count) == 1)
			found = (int64_t)count;
	fclose(f);
	return found;
}

static void load_stats(const struct napi_struct *n, struct unapi_napi_stats *st)
{
	const struct unapi_napi_stats *s = &n->stats;
	uint64_t missed_deferred;
	int i;

	memset(st, 0, sizeof(*st));
	/* Before the attempts it is subtracted from, which it never exceeds. */
	st->missed = __atomic_load_n(&s->missed, __ATOMIC_ACQUIRE);
	missed_deferred = __atomic_load_n(&n->missed_deferred, __ATOMIC_ACQUIRE);
	st->completions = READ_ONCE(s->completions) - (st->missed - missed_deferred);
	st->deferred = READ_ONCE(s->deferred) - missed_deferred;
	st->timer_starts = READ_ONCE(n->timer.starts);
	st->timer_fires = READ_ONCE(n->timer.fires);
	st->irqs = READ_ONCE(s->irqs);
	st->schedules = READ_ONCE(s->schedules);
	st->empty_polls = READ_ONCE(s->empty_polls);
	st->full_polls = READ_ONCE(s->full_polls);
	st->work = READ_ONCE(s->work);
	st->violations = READ_ONCE(s->violations);
	st->handovers = READ_ONCE(s->handovers);
	st->suspends = READ_ONCE(s->suspends);
	st->thread_polls = READ_ONCE(s->thread_polls);
	for (i = 0; i < UNAPI_NR_CAUSES; i++) {
		st->polls_by[i] = READ_ONCE(s->polls_by[i]);
		st->cycles_by[i] = READ_ONCE(s->cycles_by[i]);
		st->polls += st->polls_by[i];
	}
}

/* All of its members are counters of 64 bits. */
#define NR_STATS (sizeof(struct unapi_napi_stats) / sizeof(uint64_t))

void unapi_napi_get_stats(const struct napi_struct *n, struct unapi_napi_stats *st)
{
	const uint64_t *base = (const uint64_t *)&n->stats_base;
	uint64_t *v = (uint64_t *)st;
	unsigned int i;

	load_stats(n, st);
	for (i = 0; i < NR_STATS; i++)
		v[i] -= READ_ONCE(base[i]);
}

void unapi_napi_clear_stats(struct napi_struct *n)
{
	uint64_t *base = (uint64_t *)&n->stats_base;
	struct unapi_napi_stats now;
	unsigned int i;
	int64_t count;

	load_stats(n, &now);
	for (i = 0; i < NR_STATS; i++)
		WRITE_ONCE(base[i], ((const uint64_t *)&now)[i]);
	pthread_mutex_lock(&napi_control_lock);
	count = n->irq_fd >= 0 ? napi_eventfd_count(n->irq_fd) : -1;
	if (count >= 0) /* so that the two add up to 0 */
		n->irqs_drained = -(uint64_t)count;
	pthread_mutex_unlock(&napi_control_lock);
}

int64_t unapi_napi_irqs_raised(struct napi_struct *n)
{
	int64_t count = 0;
	uint64_t drained;
	int fd;

	pthread_mutex_lock(&napi_control_lock);
	fd = n->irq_fd;
	drained = n->irqs_drained;
	if (fd >= 0)
		count = napi_eventfd_count(fd);
	pthread_mutex_unlock(&napi_control_lock);
	if (fd < 0)
		return unapi_fail(ENODEV, "%s: it has no interrupt vector", n->name);
	if (count < 0)
		return unapi_fail(ENOENT, "%s: /proc/self/fdinfo/%d does not tell its interrupt count",
				  n->name, fd);
	return (int64_t)(drained + (uint64_t)count);
}

void napi_info_locked(const struct napi_struct *n, struct unapi_napi_info *info)
{
	uint64_t now = unapi_clock_ns(), seen = READ_ONCE(n->last_poll_ns);

	memset(info, 0, sizeof(*info));
	memcpy(info->name, n->name, sizeof(info->name));
	info->napi_id = READ_ONCE(n->napi_id);
	info->enabled = !(napi_state_read(&n->state) & NAPIF_NPSVC);
	info->mode = unapi_napi_mode(n);
	info->mode_asked = unapi_napi_mode_asked(n);
	info->poller_tid = READ_ONCE(n->poller_tid);
	info->poller_seen_ns = info->poller_tid && now > seen ? now - seen : 0;
	info->threaded = napi_get_threaded(n);
	if (!(napi_state_read(&n->state) & NAPIF_LISTED))
		return; /* not added, or deleted: what it points to may be gone */
	info->ctx = n->ctx;
	memcpy(info->context, n->ctx->name, sizeof(info->context));
	memcpy(info->home, n->home->name, sizeof(info->home));
	info->thread_tid = n->own ? (uint64_t)READ_ONCE(n->own->tid) : 0;
}

void unapi_napi_get_info(const struct napi_struct *n, struct unapi_napi_info *info)
{
	pthread_mutex_lock(&napi_control_lock); /* its contexts change under it */
	napi_info_locked(n, info);
	pthread_mutex_unlock(&napi_control_lock);
}

void unapi_context_get_stats(const struct unapi_context *c, struct unapi_context_stats *st)
{
	st->runs = READ_ONCE(c->stats.runs);
	st->waits = READ_ONCE(c->stats.waits);
	st->wakeups = READ_ONCE(c->stats.wakeups);
	st->time_squeeze = READ_ONCE(c->stats.time_squeeze);
	st->processed = READ_ONCE(c->stats.processed);
	st->inbox = READ_ONCE(c->stats.inbox);
}

/* The CPU time clock of a thread of this process has a number made of the thread's, as the kernel's
 * include/linux/posix-timers_types.h lays it out: 4 is "of one thread", 2 "as the scheduler counts". */
static uint64_t thread_cpu_ns(int tid)
{
	struct timespec ts;

	if (!tid || clock_gettime((clockid_t)(~(unsigned int)tid << 3 | 4 | 2), &ts))
		return 0;
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

void context_info_locked(const struct unapi_context *c, struct unapi_context_info *info)
{
	const struct list_head *at;
	int tid = READ_ONCE(c->tid);

	memset(info, 0, sizeof(*info));
	memcpy(info->name, c->name, sizeof(info->name));
	info->tid = (uint64_t)tid;
	info->cpu_ns = thread_cpu_ns(tid);
	info->own_thread = c->thread_runs;
	for (at = c->instances.next; at != &c->instances; at = at->next)
		info->instances++;
	info->netdev_budget = (unsigned int)c->netdev_budget;
	info->netdev_budget_usecs = c->netdev_budget_usecs;
}

void unapi_context_get_info(const struct unapi_context *c, struct unapi_context_info *info)
{
	pthread_mutex_lock(&napi_control_lock);
	context_info_locked(c, info);
	pthread_mutex_unlock(&napi_control_lock);
}
