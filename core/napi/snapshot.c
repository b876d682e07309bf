/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A snapshot is made under the control lock, which keeps contexts and instances in their places. What takes a
 * system call for each instance is made after it: of its vector the snapshot holds a descriptor of its own
 * meanwhile.
 */
#include "core/napi/snapshot.h"
#include "core/napi/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static void copy_napi(const struct napi_struct *n, struct napi_record *r)
{
	napi_info_locked(n, &r->info);
	napi_mode_locked(n, &r->mode);
	unapi_napi_get(n, &r->params);
	unapi_napi_get_stats(n, &r->stats);
	/* until raised_by() */
	r->irqs_raised = n->irq_fd >= 0 ? fcntl(n->irq_fd, F_DUPFD_CLOEXEC, 0) : -1;
}

/* @drained is what had been read of the eventfd when @r was copied. */
static void raised_by(struct napi_record *r, uint64_t drained)
{
	int fd = (int)r->irqs_raised;

	if (fd < 0)
		return;
	r->irqs_raised = napi_eventfd_count(fd);
	if (r->irqs_raised >= 0)
		r->irqs_raised = (int64_t)(drained + (uint64_t)r->irqs_raised);
	close(fd);
}

static void count(unsigned int *contexts, unsigned int *napis)
{
	const struct list_head *at;
	struct unapi_context *c;
	struct napi_struct *n;

	*contexts = *napis = 0;
	/* link by link: the list's head is not in a context, not even for a sum of addresses */
	for (at = context_list.next; at != &context_list; at = at->next) {
		c = list_entry(at, struct unapi_context, all);
		++*contexts;
		list_for_each_entry (n, &c->instances, ctx_list)
			++*napis;
	}
}

static void copy_all(struct napi_snapshot *s, uint64_t *drained)
{
	const struct list_head *at;
	struct unapi_context *c;
	struct napi_struct *n;

	s->nr_contexts = s->nr_napis = 0;
	for (at = context_list.next; at != &context_list; at = at->next) {
		struct context_record *r = &s->contexts[s->nr_contexts];

		c = list_entry(at, struct unapi_context, all);
		context_info_locked(c, &r->info);
		unapi_context_get_stats(c, &r->stats);
		list_for_each_entry (n, &c->instances, ctx_list) {
			copy_napi(n, &s->napis[s->nr_napis]);
			s->napis[s->nr_napis].context = s->nr_contexts;
			drained[s->nr_napis++] = n->irqs_drained;
		}
		s->nr_contexts++;
	}
}

int napi_snapshot_take(struct napi_snapshot *s)
{
	unsigned int contexts, napis, room_contexts, room_napis, i;
	uint64_t *drained;

	pthread_mutex_lock(&napi_control_lock);
	count(&contexts, &napis);
	for (;;) {
		pthread_mutex_unlock(&napi_control_lock);
		/* some more than there are, for those that come meanwhile */
		room_contexts = contexts + 8;
		room_napis = napis + 8;
		s->contexts = calloc(room_contexts, sizeof(*s->contexts));
		s->napis = calloc(room_napis, sizeof(*s->napis));
		drained = calloc(room_napis, sizeof(*drained));
		if (!s->contexts || !s->napis || !drained) {
			napi_snapshot_free(s);
			free(drained);
			return unapi_fail(ENOMEM, "no memory for a snapshot of %u instances", napis);
		}
		pthread_mutex_lock(&napi_control_lock);
		count(&contexts, &napis);
		if (contexts <= room_contexts && napis <= room_napis)
			break;
		napi_snapshot_free(s);
		free(drained);
	}
	s->time_ns = unapi_clock_ns();
	copy_all(s, drained);
	pthread_mutex_unlock(&napi_control_lock);
	for (i = 0; i < s->nr_napis; i++)
		raised_by(&s->napis[i], drained[i]);
	free(drained);
	return 0;
}

void napi_snapshot_free(struct napi_snapshot *s)
{
	free(s->contexts);
	free(s->napis);
	*s = (struct napi_snapshot){0};
}

void napi_record_take(struct napi_struct *n, struct napi_record *r)
{
	uint64_t drained;

	*r = (struct napi_record){0};
	pthread_mutex_lock(&napi_control_lock);
	copy_napi(n, r);
	drained = n->irqs_drained;
	pthread_mutex_unlock(&napi_control_lock);
	raised_by(r, drained);
}
