/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens to a device, told to the application.
 *
 * Whoever notices something (a link interrupt, a poll method that read all ones, a control call) sets a bit
 * and writes an eventfd; the context of the device's slow path calls the application. So the application is
 * never called from a poll method or from within its own call, and a link that flaps faster than it is told
 * is told once.
 */
#include "core/net/netdev_impl.h"
#include "core/base/reason.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BIT(ev)	  (1u << (ev))
#define LINK_BITS (BIT(UNAPI_DEV_LINK_UP) | BIT(UNAPI_DEV_LINK_DOWN))
/* Told once for each device: the kernel repeats its request, and several may notice a removal. */
#define ONCE_BITS (BIT(UNAPI_DEV_REMOVE_REQUEST) | BIT(UNAPI_DEV_REMOVED))

static void signal_slow_path(struct net_device *dev)
{
	/* Fails only if the counter is at its end, and the descriptor readable then. */
	(void)!eventfd_write(dev->event_src.fd, 1);
}

void netdev_event(struct net_device *dev, enum unapi_dev_event ev)
{
	uint32_t old, set;

	if (BIT(ev) & ONCE_BITS && __atomic_fetch_or(&dev->events_told, BIT(ev), __ATOMIC_RELAXED) & BIT(ev))
		return;
	old = READ_ONCE(dev->events_pending);
	do {
		set = (BIT(ev) & LINK_BITS ? old & ~LINK_BITS : old) | BIT(ev);
		/* release: the application sees what led to the event */
	} while (!__atomic_compare_exchange_n(&dev->events_pending, &old, set, true, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
	signal_slow_path(dev);
}

/* The device is gone: stop sending, tell. The carrier and the driver may both say so. */
static void mark_removed(struct net_device *dev)
{
	unsigned int i;

	if (__atomic_exchange_n(&dev->removed, true, __ATOMIC_ACQ_REL))
		return;
	for (i = 0; i < NETDEV_MAX_QUEUES; i++)
		if (dev->txq[i])
			WRITE_ONCE(dev->txq[i]->gate.open, false);
	netdev_event(dev, UNAPI_DEV_REMOVED);
}

void netdev_removed(struct net_device *dev)
{
	vfio_mark_gone(dev->vfio);
	mark_removed(dev);
}

static void vfio_happened(void *arg, struct vfio_device *v, enum vfio_event ev)
{
	struct net_device *dev = arg;

	switch (ev) {
	case VFIO_EVENT_REMOVE_REQUEST:
		netdev_event(dev, UNAPI_DEV_REMOVE_REQUEST);
		break;
	case VFIO_EVENT_ERROR:
		netdev_event(dev, UNAPI_DEV_ERROR);
		break;
	case VFIO_EVENT_GONE:
		mark_removed(dev);
		break;
	}
}

/* On the slow path's thread. One event a call, and nothing of the device is touched after it was told: the
 * application may close the device from there. */
static void deliver(struct unapi_source *src)
{
	struct net_device *dev = src->arg;
	unapi_dev_event_fn fn;
	uint32_t pending, ev;
	eventfd_t seen;
	void *arg;

	(void)!eventfd_read(src->fd, &seen);
	pending = __atomic_load_n(&dev->events_pending, __ATOMIC_ACQUIRE);
	if (!pending)
		return;
	ev = (uint32_t)__builtin_ctz(pending);
	/* A link event may have turned into its opposite meanwhile; that one has signalled. */
	if (!(__atomic_fetch_and(&dev->events_pending, ~BIT(ev), __ATOMIC_ACQUIRE) & BIT(ev)))
		return;
	if (pending & ~BIT(ev))
		signal_slow_path(dev);
	pthread_mutex_lock(&dev->event_lock);
	fn = dev->event_fn;
	arg = dev->event_arg;
	pthread_mutex_unlock(&dev->event_lock);
	if (fn)
		fn(arg, dev, (enum unapi_dev_event)ev);
}

/* A descriptor of the carrier is ready: it says what happened by vfio_happened(). */
static void slow_fd_ready(struct unapi_source *src)
{
	struct net_device *dev = src->arg;

	vfio_slow_fd_ready(dev->vfio, src->fd);
	/* A dead server's socket stays readable for ever. */
	if (netdev_is_removed(dev))
		unapi_context_del_source(src);
}

int netdev_events_init(struct net_device *dev)
{
	pthread_mutex_init(&dev->event_lock, NULL);
	dev->event_src = (struct unapi_source){.fn = deliver, .arg = dev};
	dev->event_src.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (dev->event_src.fd < 0)
		return unapi_fail(errno, "%s: an eventfd: %s", dev->name, strerror(errno));
	vfio_set_event_fn(dev->vfio, vfio_happened, dev);
	return 0;
}

void netdev_events_exit(struct net_device *dev)
{
	vfio_set_event_fn(dev->vfio, NULL, NULL);
	if (dev->event_src.fd >= 0)
		close(dev->event_src.fd);
	pthread_mutex_destroy(&dev->event_lock);
}

int netdev_events_watch(struct net_device *dev)
{
	struct unapi_context *ctx = dev->conf.ctx[0];
	unsigned int i;
	int rc;

	rc = unapi_context_add_source(ctx, &dev->event_src);
	for (i = 0; i < dev->vfio->nr_slow_fds && !rc && !netdev_is_removed(dev); i++) {
		dev->slow_src[i] =
			(struct unapi_source){.fd = dev->vfio->slow_fds[i], .fn = slow_fd_ready, .arg = dev};
		rc = unapi_context_add_source(ctx, &dev->slow_src[i]);
	}
	if (rc) {
		netdev_events_unwatch(dev);
		return unapi_fail_at(rc, "%s: watching for events", dev->name);
	}
	return 0;
}

void netdev_events_unwatch(struct net_device *dev)
{
	unsigned int i;

	for (i = 0; i < VFIO_MAX_SLOW_FDS; i++)
		if (dev->slow_src[i].ctx)
			unapi_context_del_source(&dev->slow_src[i]);
	if (dev->event_src.ctx)
		unapi_context_del_source(&dev->event_src);
}

void unapi_dev_set_event(struct net_device *dev, unapi_dev_event_fn fn, void *arg)
{
	pthread_mutex_lock(&dev->event_lock);
	dev->event_fn = fn;
	dev->event_arg = arg;
	pthread_mutex_unlock(&dev->event_lock);
}
