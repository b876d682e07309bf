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

void pollable_orphan(struct pollable *p)
{
	struct ep_context *ec;
	struct ep_item *it;

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
	pthread_mutex_unlock(&ep_lock);
}

/*
 * The id comes before the write, so that whoever the write wakes suspends that instance's interrupts; the
 * mark comes after it, so that whoever sees the mark finds the descriptor readable.
 */
void pollable_wake(struct pollable *p)
{
	uint64_t one = 1;
	struct ep_item *it;
	bool alone = !READ_ONCE(p->nr_items);

	if (!alone) {
		pthread_mutex_lock(&ep_lock);
		list_for_each_entry (it, &p->items, in_pollable)
			ep_heard_of(it->ep, p);
	}
	/* Cannot fail: the counter would have to pass 2^64. */
	if (write(p->fd, &one, sizeof(one)) != sizeof(one))
		one = 0;
	if (!alone) {
		list_for_each_entry (it, &p->items, in_pollable)
			WRITE_ONCE(it->ep->kicked, 1);
		pthread_mutex_unlock(&ep_lock);
	}
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

int pollable_wait(struct pollable *p)
{
	struct pollfd pfd[2] = {{.fd = p->fd, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
	struct unapi_context *c = NULL;
	uint64_t nap = 0;
	int rc = 0;

	pthread_mutex_lock(&ep_lock);
	pthread_mutex_lock(&napi_control_lock);
	if (p->napi && !p->napi->home->thread_runs)
		c = p->napi->home;
	pthread_mutex_unlock(&napi_control_lock);
	pthread_mutex_unlock(&ep_lock);
	if (c)
		pfd[1].fd = c->epfd;
	if (poll(pfd, 2, -1) < 0)
		return unapi_fail(errno, "descriptor %d: waiting for packets: %s", p->fd, strerror(errno));
	if (pfd[1].revents)
		rc = unapi_context_run(c, 0);
	if (rc == -EBUSY)
		napi_nap(&nap, UINT64_MAX); /* another thread is at it */
	return rc == -EDEADLK ? rc : 0;
}
