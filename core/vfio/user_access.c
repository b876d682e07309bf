/* SPDX-License-Identifier: BSD-3-Clause */
/* The vfio-user carrier at work: registers, interrupts, reset and DMA as messages. */
#include "core/base/reason.h"
#include "core/vfio/device.h"
#include "core/vfio/user.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define LONGEST_ACCESS 4096

static ssize_t user_region_read(struct vfio_device *v, struct vfio_region *r, uint64_t off, void *buf,
				size_t n)
{
	struct user_device *u = to_user(v);
	struct vfio_user_region_rw rw = {.offset = off, .region = r->index, .count = (uint32_t)n};
	struct iovec iov = {&rw, sizeof(rw)};
	struct user_request req = {.command = VFIO_USER_REGION_READ, .iov = &iov, .nr_iov = 1};
	uint8_t in[sizeof(rw) + LONGEST_ACCESS];
	struct user_reply reply = {.buf = in, .max = sizeof(rw) + n};
	int rc;

	if (n > LONGEST_ACCESS || n > u->max_xfer)
		return unapi_fail(EINVAL, "%s: a register access of %zu bytes", v->name, n);
	rc = user_call(u, "a region read", &req, &reply);
	if (rc)
		return rc;
	if (reply.len == reply.max)
		memcpy(&rw, in, sizeof(rw));
	if (reply.len != reply.max || rw.count != n)
		return unapi_fail(EPROTO, "%s: the vfio-user server answered a read of %zu bytes with %zu",
				  v->name, n, reply.len < sizeof(rw) ? 0 : reply.len - sizeof(rw));
	memcpy(buf, in + sizeof(rw), n);
	return (ssize_t)n;
}

/*
 * Writes to BARs are posted as on PCI: one send, no wait. Later messages are handled after it, since a server
 * takes commands in order. Config space is written with an answer, so that a refusal is known.
 */
static ssize_t user_region_write(struct vfio_device *v, struct vfio_region *r, uint64_t off, const void *buf,
				 size_t n)
{
	struct user_device *u = to_user(v);
	struct vfio_user_region_rw rw = {.offset = off, .region = r->index, .count = (uint32_t)n};
	struct iovec iov[2] = {{&rw, sizeof(rw)}, {(void *)(uintptr_t)buf, n}};
	struct user_request req = {.command = VFIO_USER_REGION_WRITE,
				   .iov = iov,
				   .nr_iov = 2,
				   .no_reply = r->index <= VFIO_PCI_BAR5_REGION_INDEX};
	char echo[sizeof(rw) + 64];
	struct user_reply reply = {.buf = echo, .max = sizeof(echo)};
	int rc;

	if (n > LONGEST_ACCESS || n > u->max_xfer)
		return unapi_fail(EINVAL, "%s: a register access of %zu bytes", v->name, n);
	rc = user_call(u, "a region write", &req, &reply);
	return rc ? rc : (ssize_t)n;
}

static int set_irqs_message(struct user_device *u, const struct vfio_irq_set *set, const int *fds,
			    unsigned int nr_fds)
{
	struct iovec iov = {(void *)(uintptr_t)set, sizeof(*set)};
	struct user_request req = {
		.command = VFIO_USER_DEVICE_SET_IRQS, .iov = &iov, .nr_iov = 1, .fds = fds, .nr_fds = nr_fds};
	char echo[64];
	struct user_reply reply = {.buf = echo, .max = sizeof(echo)};

	return user_call(u, "setting interrupts", &req, &reply);
}

/* A message is all descriptors or none, and holds as many as the server takes. */
static int user_set_irqs(struct vfio_device *v, uint32_t index, uint32_t start, uint32_t count,
			 const int *fds)
{
	struct user_device *u = to_user(v);
	uint32_t done = 0;
	int rc = 0;

	while (done < count && !rc) {
		bool unbind = fds[done] < 0;
		uint32_t n = 1;
		struct vfio_irq_set set;

		while (done + n < count && n < u->max_fds && (fds[done + n] < 0) == unbind)
			n++;
		set = (struct vfio_irq_set){.argsz = sizeof(set),
					    .index = index,
					    .start = start + done,
					    .count = n,
					    .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER};
		rc = set_irqs_message(u, &set, fds + done, unbind ? 0 : n);
		done += n;
	}
	if (!rc)
		user_enable_msi(u, index, true);
	return rc;
}

static int user_irq_action(struct vfio_device *v, uint32_t index, uint32_t start, uint32_t count,
			   uint32_t action)
{
	struct vfio_irq_set set = {.argsz = sizeof(set),
				   .index = index,
				   .start = start,
				   .count = count,
				   .flags = VFIO_IRQ_SET_DATA_NONE | action};

	if (action == VFIO_IRQ_SET_ACTION_TRIGGER && !count)
		user_enable_msi(to_user(v), index, false);
	return set_irqs_message(to_user(v), &set, NULL, 0);
}

static int user_reset(struct vfio_device *v)
{
	int rc = user_simple(to_user(v), "a reset", VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0);

	return rc ? rc : user_assign_bars(to_user(v));
}

static void user_slow_fd_ready(struct vfio_device *v, int fd)
{
	struct user_device *u = to_user(v);
	struct epoll_event ev[2];
	int n = epoll_wait(u->watch_fd, ev, 2, 0);

	for (int i = 0; i < n; i++) {
		/* Its end stays readable for ever. */
		if (ev[i].events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP))
			epoll_ctl(u->watch_fd, EPOLL_CTL_DEL, ev[i].data.fd, NULL);
		if (ev[i].data.fd == u->fd)
			user_hung_up(u);
		else
			user_child_log(&u->child, v->name);
	}
}

static void user_close(struct vfio_device *v)
{
	struct user_device *u = to_user(v);

	dma_space_unregister(&u->space);
	close(u->watch_fd);
	close(u->fd);
	user_reap_sim(&u->child);
	pthread_mutex_destroy(&u->lock);
	free(u);
}

const struct vfio_device_ops user_ops = {
	.carrier = "vfio-user",
	.region_read = user_region_read,
	.region_write = user_region_write,
	.set_irqs = user_set_irqs,
	.irq_action = user_irq_action,
	.reset = user_reset,
	.slow_fd_ready = user_slow_fd_ready,
	.close = user_close,
};

static int user_dma_map(struct dma_space *s, const struct dma_mem *m)
{
	struct user_device *u = container_of(s, struct user_device, space);
	struct vfio_user_dma_map map = {.argsz = sizeof(map),
					.flags = VFIO_USER_DMA_READ_OK | VFIO_USER_DMA_WRITE_OK,
					.address = m->iova,
					.size = m->size};
	struct iovec iov = {&map, sizeof(map)};
	struct user_request req = {
		.command = VFIO_USER_DMA_MAP, .iov = &iov, .nr_iov = 1, .fds = &m->fd, .nr_fds = 1};
	char echo[64];
	struct user_reply reply = {.buf = echo, .max = sizeof(echo)};

	return user_call(u, "a DMA mapping", &req, &reply);
}

static int user_dma_unmap(struct dma_space *s, const struct dma_mem *m)
{
	struct user_device *u = container_of(s, struct user_device, space);
	struct vfio_user_dma_unmap unmap = {.argsz = sizeof(unmap), .address = m->iova, .size = m->size};

	if (READ_ONCE(u->v.gone))
		return 0; /* its mappings died with it */
	return user_simple(u, "a DMA unmapping", VFIO_USER_DMA_UNMAP, &unmap, sizeof(unmap), NULL, 0);
}

const struct dma_space_ops user_dma_ops = {.map = user_dma_map, .unmap = user_dma_unmap};
