/* SPDX-License-Identifier: BSD-3-Clause */
/* Making and closing event polls, and what is in them. */
#include "core/napi/ep_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static int failed(int err)
{
	errno = err;
	return -1;
}

struct eventpoll *ep_get(int epfd)
{
	struct eventpoll *ep;

	pthread_mutex_lock(&ep_lock);
	ep = fd_table_get(epfd, FD_EVENTPOLL);
	if (ep)
		ep->waiters++;
	pthread_mutex_unlock(&ep_lock);
	return ep;
}

/* Under ep_lock. */
static void put(struct eventpoll *ep)
{
	if (!--ep->waiters && ep->lost)
		free(ep);
}

void ep_put(struct eventpoll *ep)
{
	pthread_mutex_lock(&ep_lock);
	put(ep);
	pthread_mutex_unlock(&ep_lock);
}

/*
 * A mark that stays with the open file, whatever becomes of the number: the signal that would tell of input,
 * which epoll descriptors never send. Another file has it at most if somebody asked for this very signal.
 */
static int mark(int epfd)
{
	return fcntl(epfd, F_SETSIG, SIGRTMAX) ? -errno : 0;
}

bool ep_is_open(const struct eventpoll *ep)
{
	return fcntl(ep->epfd, F_GETSIG) == SIGRTMAX;
}

void ep_lose(struct eventpoll *ep)
{
	fd_table_clear(ep->epfd);
	ep->lost = true;
	ep->waiters++;
	while (!list_empty(&ep->items))
		ep_forget_item(list_first_entry(&ep->items, struct ep_item, in_ep));
	put(ep);
}

void ep_lose_number(int fd)
{
	struct eventpoll *ep = fd_table_get(fd, FD_EVENTPOLL);

	if (ep)
		ep_lose(ep);
}

/* The event poll that has this descriptor, if it has not been closed behind our back. Under ep_lock. */
static struct eventpoll *find_open(int epfd)
{
	struct eventpoll *ep = fd_table_get(epfd, FD_EVENTPOLL);

	if (!ep || ep_is_open(ep))
		return ep;
	ep_lose(ep);
	return NULL;
}

struct eventpoll *ep_get_open(int epfd)
{
	struct eventpoll *ep;

	pthread_mutex_lock(&ep_lock);
	ep = find_open(epfd);
	if (ep)
		ep->waiters++;
	pthread_mutex_unlock(&ep_lock);
	return ep;
}

int unapi_epoll_create1(int flags)
{
	struct eventpoll *ep = calloc(1, sizeof(*ep));
	int rc;

	if (!ep)
		return failed(ENOMEM);
	INIT_LIST_HEAD(&ep->contexts);
	INIT_LIST_HEAD(&ep->items);
	ep->epfd = epoll_create1(flags);
	if (ep->epfd < 0) {
		rc = errno;
		free(ep);
		return failed(rc);
	}
	pthread_mutex_lock(&ep_lock);
	ep_lose_number(ep->epfd);
	rc = mark(ep->epfd);
	if (!rc)
		rc = fd_table_set(ep->epfd, FD_EVENTPOLL, ep);
	pthread_mutex_unlock(&ep_lock);
	if (rc) {
		close(ep->epfd);
		free(ep);
		return failed(-rc);
	}
	return ep->epfd;
}

void ep_forget_item(struct ep_item *it)
{
	struct ep_context *ec = it->ec;

	list_del_init(&it->in_ep);
	list_del_init(&it->in_pollable);
	WRITE_ONCE(it->p->nr_items, it->p->nr_items - 1);
	free(it);
	if (ec)
		ep_context_put(ec);
}

int unapi_epoll_close(int epfd)
{
	struct eventpoll *ep;
	unsigned int id;
	bool busy;

	pthread_mutex_lock(&ep_lock);
	ep = find_open(epfd);
	busy = ep && ep->waiters;
	if (ep && !busy)
		fd_table_clear(epfd); /* nobody gets in any more */
	while (ep && !busy && !list_empty(&ep->items))
		ep_forget_item(list_first_entry(&ep->items, struct ep_item, in_ep));
	pthread_mutex_unlock(&ep_lock);
	if (busy) {
		unapi_fail(EBUSY, "event poll %d: another thread waits in it", epfd);
		return failed(EBUSY);
	}
	if (!ep)
		return close(epfd);
	id = READ_ONCE(ep->napi_id);
	if (id >= NAPI_ID_MIN && ep->prefer_busy_poll)
		napi_resume_irqs(id);
	free(ep);
	return close(epfd);
}

void ep_heard_of(struct eventpoll *ep, const struct pollable *p)
{
	unsigned int id = READ_ONCE(p->napi_id);

	if (id >= NAPI_ID_MIN && id != READ_ONCE(ep->napi_id) && ep_busy_poll_on(ep))
		WRITE_ONCE(ep->napi_id, id);
}

static struct ep_item *find_item(struct eventpoll *ep, const struct pollable *p)
{
	struct ep_item *it;

	list_for_each_entry (it, &p->items, in_pollable)
		if (it->ep == ep)
			return it;
	return NULL;
}

static int add_item(struct eventpoll *ep, struct pollable *p)
{
	struct ep_item *it = calloc(1, sizeof(*it));
	struct unapi_context *home = NULL;
	int rc;

	if (!it)
		return -ENOMEM;
	if (p->napi) {
		pthread_mutex_lock(&napi_control_lock);
		home = p->napi->home;
		pthread_mutex_unlock(&napi_control_lock);
		rc = ep_context_get(ep, home, &it->ec);
		if (rc) {
			free(it);
			return rc;
		}
	}
	it->ep = ep;
	it->p = p;
	list_add_tail(&it->in_ep, &ep->items);
	list_add_tail(&it->in_pollable, &p->items);
	WRITE_ONCE(p->nr_items, p->nr_items + 1);
	return 0;
}

/* Under ep_lock, after epoll_ctl() has succeeded. */
static int ctl_pollable(struct eventpoll *ep, int op, struct pollable *p)
{
	struct ep_item *it = find_item(ep, p);
	int rc = 0;

	if (op == EPOLL_CTL_DEL) {
		if (it)
			ep_forget_item(it);
		return 0;
	}
	if (!it)
		rc = add_item(ep, p);
	ep_heard_of(ep, p);
	return rc;
}

int unapi_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	struct eventpoll *ep;
	struct pollable *p;
	int rc = 0, err;

	pthread_mutex_lock(&ep_lock);
	err = epoll_ctl(epfd, op, fd, event) ? errno : 0;
	ep = find_open(epfd);
	p = fd_table_get(fd, FD_POLLABLE);
	if (!err && ep && p) {
		rc = ctl_pollable(ep, op, p);
		if (rc)
			epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL);
	}
	pthread_mutex_unlock(&ep_lock);
	err = err ? err : -rc;
	return err ? failed(err) : 0;
}
