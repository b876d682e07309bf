/* SPDX-License-Identifier: BSD-3-Clause */
/* The parameters of busy polling: of one event poll (fs/eventpoll.c ep_eventpoll_bp_ioctl()), and of the
 * process. */
#include "core/napi/ep_impl.h"

#include <errno.h>

/* The sysctls net.core.busy_poll and busy_read. Relaxed: each tells of nothing else. */
static unsigned int busy_poll, busy_read;

static int set(unsigned int *which, const char *name, unsigned int usecs)
{
	if (usecs > INT32_MAX)
		return unapi_fail(EINVAL, "%s of %u microseconds asked for; at most %d are possible", name,
				  usecs, INT32_MAX);
	WRITE_ONCE(*which, usecs);
	return 0;
}

int unapi_set_busy_poll(unsigned int usecs)
{
	return set(&busy_poll, "busy_poll", usecs);
}

unsigned int unapi_busy_poll(void)
{
	return READ_ONCE(busy_poll);
}

int unapi_set_busy_read(unsigned int usecs)
{
	return set(&busy_read, "busy_read", usecs);
}

unsigned int unapi_busy_read(void)
{
	return READ_ONCE(busy_read);
}

bool ep_busy_poll_on(const struct eventpoll *ep)
{
	return READ_ONCE(ep->busy_poll_usecs) || READ_ONCE(ep->prefer_busy_poll) || READ_ONCE(busy_poll);
}

bool ep_busy_poll_over(const struct eventpoll *ep, unsigned long start)
{
	unsigned long usecs = READ_ONCE(ep->busy_poll_usecs);

	if (!usecs)
		usecs = READ_ONCE(busy_poll);
	return !usecs || unapi_napi_busy_clock() - start > usecs;
}

static int set_params(struct eventpoll *ep, const void *argp)
{
	struct epoll_params p;

	if (user_read(&p, argp, sizeof(p)))
		return unapi_fail(EFAULT, "event poll %d: its parameters cannot be read at %p", ep->epfd,
				  argp);
	if (p.__pad)
		return unapi_fail(EINVAL, "event poll %d: __pad is not 0", ep->epfd);
	if (p.busy_poll_usecs > INT32_MAX)
		return unapi_fail(EINVAL, "event poll %d: busy_poll_usecs of %u is above %d", ep->epfd,
				  p.busy_poll_usecs, INT32_MAX);
	if (p.prefer_busy_poll > 1)
		return unapi_fail(EINVAL, "event poll %d: prefer_busy_poll of %u is neither 0 nor 1",
				  ep->epfd, p.prefer_busy_poll);
	if (p.busy_poll_budget > NAPI_POLL_WEIGHT && !user_net_admin())
		return unapi_fail(EPERM,
				  "event poll %d: a busy_poll_budget of %u, above %d, needs CAP_NET_ADMIN",
				  ep->epfd, p.busy_poll_budget, NAPI_POLL_WEIGHT);
	WRITE_ONCE(ep->busy_poll_usecs, p.busy_poll_usecs);
	WRITE_ONCE(ep->busy_poll_budget, p.busy_poll_budget);
	WRITE_ONCE(ep->prefer_busy_poll, p.prefer_busy_poll);
	return 0;
}

static int get_params(const struct eventpoll *ep, void *argp)
{
	struct epoll_params p = {
		.busy_poll_usecs = READ_ONCE(ep->busy_poll_usecs),
		.busy_poll_budget = READ_ONCE(ep->busy_poll_budget),
		.prefer_busy_poll = READ_ONCE(ep->prefer_busy_poll),
	};

	if (user_write(argp, &p, sizeof(p)))
		return unapi_fail(EFAULT, "event poll %d: its parameters cannot be written at %p", ep->epfd,
				  argp);
	return 0;
}

int unapi_epoll_ioctl(int fd, unsigned long request, void *argp)
{
	struct eventpoll *ep = ep_get_open(fd);
	unsigned int cmd =
		(unsigned int)request; /* all that the kernel looks at: an int may have been passed */
	int rc;

	if (!ep)
		return ioctl(fd, request, argp);
	if (cmd == EPIOCSPARAMS) {
		rc = set_params(ep, argp);
	} else if (cmd == EPIOCGPARAMS) {
		rc = get_params(ep, argp);
	} else {
		rc = ioctl(ep->epfd, request, argp) < 0 ? -errno : 0;
		/* Kernels before 6.9 know no commands of epoll, and say so differently. */
		if (rc == -ENOTTY || rc == -EINVAL)
			rc = unapi_fail(EINVAL, "event poll %d: it has no command 0x%lx", fd, request);
	}
	ep_put(ep);
	if (!rc)
		return 0;
	errno = -rc;
	return -1;
}
