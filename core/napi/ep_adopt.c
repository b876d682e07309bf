/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which contexts an event poll runs.
 *
 * Each event poll remembers the home contexts of its endpoints' instances. Of those that remember a context
 * one adopts it, the first that came, unless a thread of the library's runs it: the context's descriptor
 * is then in the epoll set, and the event poll's waits run the context when it is readable. When that event
 * poll loses interest, or the thread ends, the next one adopts.
 */
#include "core/napi/ep_impl.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#define EP_RUN_AT_ONCE 64 /* contexts; others' turn comes with the next look */

static struct list_head ep_all_contexts = {&ep_all_contexts, &ep_all_contexts}; /* guarded by ep_lock */

/* The one that this thread is running, NULL none: a handler in there may take the endpoints away. */
static __thread const struct ep_context *running;
static __thread struct ep_context *minding; /* ep_mind() */

static int adopt(struct ep_context *ec)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = (uintptr_t)ec};

	if (epoll_ctl(ec->ep->epfd, EPOLL_CTL_ADD, ec->ctx->epfd, &ev))
		return errno == EEXIST ? 0 : -errno; /* the application has added it itself, and runs it */
	ec->adopted = true;
	WRITE_ONCE(ec->ep->nr_adopted, ec->ep->nr_adopted + 1);
	return 0;
}

static void give_up(struct ep_context *ec)
{
	if (!ec->adopted)
		return;
	if (ep_is_open(ec->ep)) /* otherwise the number may be another's */
		epoll_ctl(ec->ep->epfd, EPOLL_CTL_DEL, ec->ctx->epfd, NULL);
	ec->adopted = false;
	WRITE_ONCE(ec->ep->nr_adopted, ec->ep->nr_adopted - 1);
}

/* Under ep_lock: who is to run @c? -errno: nobody, as the kernel has no room for one more member. */
static int adopt_again(struct unapi_context *c)
{
	struct ep_context *ec, *first = NULL;
	bool thread;

	pthread_mutex_lock(&napi_control_lock);
	thread = c->thread_runs;
	pthread_mutex_unlock(&napi_control_lock);
	list_for_each_entry (ec, &ep_all_contexts, all) {
		if (ec->ctx != c)
			continue;
		if (thread || !ep_is_open(ec->ep))
			give_up(ec);
		else if (ec->adopted)
			return 0;
		else if (!first)
			first = ec;
	}
	return first ? adopt(first) : 0;
}

void eventpoll_context_changed(struct unapi_context *c)
{
	pthread_mutex_lock(&ep_lock);
	adopt_again(c);
	pollables_look_again(c);
	pthread_mutex_unlock(&ep_lock);
}

int ep_context_get(struct eventpoll *ep, struct unapi_context *c, struct ep_context **out)
{
	struct ep_context *ec;
	int rc;

	list_for_each_entry (ec, &ep->contexts, link) {
		if (ec->ctx == c) {
			ec->endpoints++;
			*out = ec;
			return 0;
		}
	}
	ec = calloc(1, sizeof(*ec));
	if (!ec)
		return -ENOMEM;
	ec->ep = ep;
	ec->ctx = c;
	ec->endpoints = 1;
	list_add_tail(&ec->link, &ep->contexts);
	list_add_tail(&ec->all, &ep_all_contexts);
	rc = adopt_again(c);
	if (!rc) {
		*out = ec;
		return 0;
	}
	list_del_init(&ec->link);
	list_del_init(&ec->all);
	free(ec);
	return rc;
}

/* Under ep_lock. */
static void drop_user(struct ep_context *ec)
{
	if (!--ec->users && ec->free_after_run)
		free(ec);
}

/* Under ep_lock. */
static void unmind(void)
{
	struct ep_context *ec = minding;

	minding = NULL;
	napi_this_thread.minds = NULL;
	context_attend(ec->ctx);
	drop_user(ec);
}

void ep_mind(struct eventpoll *ep, unsigned int napi_id)
{
	const struct unapi_context *c = NULL;
	struct napi_struct *n;
	struct ep_context *ec;

	pthread_mutex_lock(&ep_lock);
	if (minding)
		unmind();
	pthread_mutex_lock(&napi_control_lock);
	n = napi_id_find(napi_id);
	if (n)
		c = n->ctx;
	pthread_mutex_unlock(&napi_control_lock);
	list_for_each_entry (ec, &ep->contexts, link) {
		if (ec->ctx == c && ec->adopted) {
			ec->users++;
			minding = ec;
			napi_this_thread.minds = c;
			break;
		}
	}
	pthread_mutex_unlock(&ep_lock);
}

void ep_unmind(void)
{
	if (!minding)
		return;
	pthread_mutex_lock(&ep_lock);
	unmind();
	pthread_mutex_unlock(&ep_lock);
}

bool ep_minds_too_long(void)
{
	return minding && READ_ONCE(minding->unwanted);
}

void ep_context_put(struct ep_context *ec)
{
	struct unapi_context *c = ec->ctx;
	uint64_t nap = 0;

	if (--ec->endpoints)
		return;
	WRITE_ONCE(ec->unwanted, true);
	if (minding == ec) /* in a poll method of the busy loop */
		unmind();
	give_up(ec);
	list_del_init(&ec->link);
	list_del_init(&ec->all);
	adopt_again(c);
	/* Whoever runs it has the context's address. */
	while (ec->users > (running == ec)) {
		pthread_mutex_unlock(&ep_lock);
		napi_nap(&nap, UINT64_MAX);
		pthread_mutex_lock(&ep_lock);
	}
	if (running == ec)
		ec->free_after_run = true;
	else
		free(ec);
}

/* The packets it delivered. */
static int run_one(struct ep_context *ec)
{
	const struct ep_context *before = running;
	uint64_t nap = 0;
	int rc;

	running = ec;
	rc = unapi_context_run(ec->ctx, 0);
	running = before;
	if (rc == -EBUSY)
		napi_nap(&nap, UINT64_MAX); /* its runner will look, or leave it readable */
	pthread_mutex_lock(&ep_lock);
	drop_user(ec);
	pthread_mutex_unlock(&ep_lock);
	return rc < 0 && rc != -EDEADLK ? 0 : rc;
}

/* Is this event one of a context's? Under ep_lock. */
static struct ep_context *context_of(struct eventpoll *ep, const struct epoll_event *event)
{
	struct ep_context *ec;

	list_for_each_entry (ec, &ep->contexts, link)
		if (event->data.u64 == (uintptr_t)ec)
			return ec;
	return NULL;
}

static unsigned int add(struct ep_context **run, unsigned int nr, struct ep_context *ec)
{
	if (nr < EP_RUN_AT_ONCE) {
		ec->users++;
		run[nr++] = ec;
	}
	return nr;
}

int ep_run_contexts(struct eventpoll *ep, struct epoll_event *events, int n, bool all, bool *ran)
{
	struct ep_context *run[EP_RUN_AT_ONCE], *ec;
	unsigned int nr = 0, i;
	int from, kept = 0, rc = 0;

	*ran = false;
	if (!READ_ONCE(ep->nr_adopted))
		return n;
	pthread_mutex_lock(&ep_lock);
	for (from = 0; from < n; from++) {
		ec = context_of(ep, &events[from]);
		if (!ec)
			events[kept++] = events[from];
		else if (!all)
			nr = add(run, nr, ec);
	}
	list_for_each_entry (ec, &ep->contexts, link)
		if (all && ec->adopted)
			nr = add(run, nr, ec);
	pthread_mutex_unlock(&ep_lock);
	for (i = 0; i < nr; i++) {
		int work = run_one(run[i]);

		if (work < 0)
			rc = work;
		*ran |= work > 0;
	}
	return kept ? kept : rc; /* events that epoll has given out are not given twice */
}

int64_t ep_timers_wait(struct eventpoll *ep, int64_t timeout_ns)
{
	struct ep_context *ec;

	pthread_mutex_lock(&ep_lock);
	list_for_each_entry (ec, &ep->contexts, link)
		if (ec->adopted)
			timeout_ns = timers_wait(ec->ctx, timeout_ns);
	pthread_mutex_unlock(&ep_lock);
	return timeout_ns;
}

enum ep_ready ep_ready(struct eventpoll *ep)
{
	struct pollfd pfd[1 + EP_RUN_AT_ONCE] = {{.fd = ep->epfd, .events = POLLIN}};
	struct ep_context *ec;
	nfds_t nr = 1, i;

	pthread_mutex_lock(&ep_lock);
	list_for_each_entry (ec, &ep->contexts, link)
		if (ec->adopted && nr < ARRAY_SIZE(pfd))
			pfd[nr++] = (struct pollfd){.fd = ec->ctx->epfd, .events = POLLIN};
	pthread_mutex_unlock(&ep_lock);
	if (poll(pfd, nr, 0) <= 0 || !pfd[0].revents)
		return EP_NOTHING;
	for (i = 1; i < nr; i++)
		if (pfd[i].revents)
			return EP_CONTEXTS;
	return EP_EVENTS;
}
