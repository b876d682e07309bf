/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptors with an instance behind them, as event polls know them. */
#include "core/napi/ep_impl.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

int pollable_add(struct pollable *p)
{
	int rc;

	INIT_LIST_HEAD(&p->items);
	p->nr_items = 0;
	pthread_mutex_lock(&ep_lock);
	ep_lose_number(p->fd);
	rc = fd_table_set(p->fd, FD_POLLABLE, p);
	pthread_mutex_unlock(&ep_lock);
	return rc;
}

void pollable_del(struct pollable *p)
{
	pthread_mutex_lock(&ep_lock);
	fd_table_clear(p->fd);
	while (!list_empty(&p->items)) {
		struct ep_item *it = list_first_entry(&p->items, struct ep_item, in_pollable);

		epoll_ctl(it->ep->epfd, EPOLL_CTL_DEL, p->fd, NULL);
		ep_forget_item(it);
	}
	pthread_mutex_unlock(&ep_lock);
}

static void write_fd(const struct pollable *p)
{
	uint64_t one = 1;

	/* Cannot fail: the counter would have to pass 2^64. */
	if (write(p->fd, &one, sizeof(one)) != sizeof(one))
		one = 0;
}

/*
 * Under ep_lock. The id comes before the write, so that whoever the write wakes suspends that instance's
 * interrupts; the mark comes after it, so that whoever sees the mark finds the descriptor readable.
 */
static void wake(struct pollable *p)
{
	struct ep_item *it;

	list_for_each_entry (it, &p->items, in_pollable)
		ep_heard_of(it->ep, p);
	write_fd(p);
	list_for_each_entry (it, &p->items, in_pollable)
		WRITE_ONCE(it->ep->kicked, 1);
}

void pollable_wake(struct pollable *p)
{
	if (!READ_ONCE(p->nr_items)) {
		write_fd(p);
		return;
	}
	pthread_mutex_lock(&ep_lock);
	wake(p);
	pthread_mutex_unlock(&ep_lock);
}

/* A thread that waits for a pollable. */
struct waiter {
	struct pollable *p;
	struct unapi_context *ctx; /* which it runs meanwhile, NULL none */
	const struct napi_thread *thread;
	struct list_head link; /* in waiters */
};
static struct list_head waiters = {&waiters, &waiters}; /* guarded by ep_lock, as the waiters in it */

/* Under ep_lock. Make those who wait for @p, or whose pollable's instance lives in @c, look again. True: one
 * of the former may be inside the context; not this thread, where a handler takes the instance away. */
static bool look_again(const struct pollable *p, const struct unapi_context *c)
{
	struct waiter *w;
	bool inside = false;

	list_for_each_entry (w, &waiters, link) {
		if (w->p != p && (!c || !w->p->napi || w->p->napi->home != c))
			continue;
		inside |= w->p == p && w->ctx && w->thread != &napi_this_thread;
		if (w->p->may_wake(w->p))
			wake(w->p);
	}
	return inside;
}

void pollables_look_again(const struct unapi_context *c)
{
	pthread_mutex_lock(&napi_control_lock); /* the homes */
	look_again(NULL, c);
	pthread_mutex_unlock(&napi_control_lock);
}

void pollable_orphan(struct pollable *p)
{
	struct ep_context *ec;
	struct ep_item *it;
	uint64_t nap = 0;

	pthread_mutex_lock(&ep_lock);
	p->napi = NULL;
	do {
		ec = NULL;
		list_for_each_entry (it, &p->items, in_pollable) {
			if (it->ec) {
				ec = it->ec;
				it->ec = NULL;
				ep_context_put(ec); /* may have let others at the list */
				break;
			}
		}
	} while (ec);
	while (look_again(p, NULL)) {
		pthread_mutex_unlock(&ep_lock);
		napi_nap(&nap, UINT64_MAX);
		pthread_mutex_lock(&ep_lock);
	}
	pthread_mutex_unlock(&ep_lock);
}

struct pollable *pollable_lock(int fd)
{
	struct pollable *p;

	pthread_mutex_lock(&ep_lock);
	p = fd_table_get(fd, FD_POLLABLE);
	if (!p)
		pthread_mutex_unlock(&ep_lock);
	return p;
}

void pollable_unlock(void)
{
	pthread_mutex_unlock(&ep_lock);
}

static bool wait_begins(struct waiter *w, struct pollable *p)
{
	pthread_mutex_lock(&ep_lock);
	*w = (struct waiter){.p = p, .thread = &napi_this_thread};
	if (!p->napi) {
		pthread_mutex_unlock(&ep_lock);
		return false;
	}
	pthread_mutex_lock(&napi_control_lock);
	if (!p->napi->home->thread_runs)
		w->ctx = p->napi->home;
	pthread_mutex_unlock(&napi_control_lock);
	list_add_tail(&w->link, &waiters);
	pthread_mutex_unlock(&ep_lock);
	return true;
}

int pollable_wait(struct pollable *p)
{
	struct pollfd pfd[2] = {{.fd = p->fd, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
	struct waiter w;
	uint64_t nap = 0;
	int rc = 0, err;

	if (!wait_begins(&w, p))
		return 0;
	if (w.ctx)
		pfd[1].fd = w.ctx->epfd;
	err = poll(pfd, 2, -1) < 0 ? errno : 0;
	if (!err && pfd[1].revents)
		rc = unapi_context_run(w.ctx, 0);
	pthread_mutex_lock(&ep_lock);
	list_del_init(&w.link);
	pthread_mutex_unlock(&ep_lock);
	if (err)
		return unapi_fail(err, "descriptor %d: waiting for packets: %s", p->fd, strerror(err));
	if (rc == -EBUSY)
		napi_nap(&nap, UINT64_MAX); /* another thread is at it */
	return rc == -EDEADLK ? rc : 0;
}
