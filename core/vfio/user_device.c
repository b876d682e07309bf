/* SPDX-License-Identifier: BSD-3-Clause */
/* The vfio-user carrier: a device server behind a Unix socket. */
#include "core/base/reason.h"
#include "core/vfio/device.h"
#include "core/vfio/user.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static ssize_t user_region_read(struct vfio_device *v, struct vfio_region *r, uint64_t off, void *buf,
				size_t n)
{
	struct user_device *u = to_user(v);
	struct vfio_user_region_rw rw = {.offset = off, .region = r->index, .count = (uint32_t)n};
	struct iovec iov = {&rw, sizeof(rw)};
	struct user_request req = {.command = VFIO_USER_REGION_READ, .iov = &iov, .nr_iov = 1};
	uint8_t in[sizeof(rw) + 4096];
	struct user_reply reply = {.buf = in, .max = sizeof(rw) + n};
	int rc;

	if (n > sizeof(in) - sizeof(rw) || n > u->max_xfer)
		return unapi_fail(EINVAL, "%s: a register access of %zu bytes", v->name, n);
	rc = user_call(u, "a region read", &req, &reply);
	if (rc)
		return rc;
	memcpy(&rw, in, reply.len < sizeof(rw) ? reply.len : sizeof(rw));
	if (reply.len != sizeof(rw) + n || rw.count != n)
		return unapi_fail(EPROTO, "%s: the vfio-user server answered a read of %zu bytes with %zu",
				  v->name, n, reply.len);
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

	if (n > u->max_xfer)
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

	return set_irqs_message(to_user(v), &set, NULL, 0);
}

static int user_reset(struct vfio_device *v)
{
	return user_simple(to_user(v), "a reset", VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0);
}

static void user_close(struct vfio_device *v)
{
	struct user_device *u = to_user(v);

	dma_space_unregister(&u->space);
	close(u->fd);
	if (u->child)
		user_reap_sim(u->child);
	pthread_mutex_destroy(&u->lock);
	free(u);
}

static void user_slow_fd_ready(struct vfio_device *v, int fd)
{
	user_socket_ready(to_user(v));
}

static const struct vfio_device_ops user_ops = {
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

static const struct dma_space_ops user_dma_ops = {.map = user_dma_map, .unmap = user_dma_unmap};

static uint64_t json_limit(json_t *caps, const char *name, uint64_t absent, uint64_t most)
{
	json_t *val = json_object_get(caps, name);
	json_int_t i = json_integer_value(val);

	if (!json_is_integer(val))
		return absent;
	return i < 1 ? 1 : (uint64_t)i < most ? (uint64_t)i : most;
}

static int negotiate(struct user_device *u)
{
	/* The wording is long on purpose: some servers' answers may not be longer than the question. */
	static const char caps[] = "{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576,"
				   "\"max_dma_maps\":65535,\"pgsizes\":4096}}";
	struct vfio_user_version ver = {.major = 0, .minor = 0};
	struct iovec iov[2] = {{&ver, sizeof(ver)}, {(void *)(uintptr_t)caps, sizeof(caps)}};
	struct user_request req = {.command = VFIO_USER_VERSION, .iov = iov, .nr_iov = 2};
	char in[4096];
	struct user_reply reply = {.buf = in, .max = sizeof(in)};
	json_t *root = NULL, *server;
	int rc = user_call(u, "version negotiation", &req, &reply);

	if (rc)
		return rc;
	if (reply.len < sizeof(ver))
		return unapi_fail(EPROTO, "%s: the vfio-user server's version is cut short", u->v.name);
	memcpy(&ver, in, sizeof(ver));
	if (ver.major != 0)
		return unapi_fail(ENOTSUP, "%s: the server speaks vfio-user %u.%u, this library 0.x",
				  u->v.name, ver.major, ver.minor);
	if (reply.len > sizeof(ver)) {
		if (in[reply.len - 1] != '\0')
			return unapi_fail(EPROTO,
					  "%s: the vfio-user server's capabilities are not terminated",
					  u->v.name);
		root = json_loads(in + sizeof(ver), 0, NULL);
		if (!json_is_object(root)) {
			json_decref(root);
			return unapi_fail(EPROTO, "%s: the vfio-user server's capabilities are not JSON",
					  u->v.name);
		}
	}
	server = json_object_get(root, "capabilities");
	u->max_fds = (uint32_t)json_limit(server, "max_msg_fds", 1, VFIO_USER_MAX_FDS);
	u->max_xfer =
		(uint32_t)json_limit(server, "max_data_xfer_size", VFIO_USER_MAX_XFER, VFIO_USER_MAX_XFER);
	u->space.max_maps = (uint32_t)json_limit(server, "max_dma_maps", 65535, 65535);
	u->space.page_sizes = json_limit(server, "pgsizes", 4096, INT64_MAX);
	json_decref(root);
	return 0;
}

/*
 * Region information, with capabilities behind it, and a descriptor if it can be mapped. The buffer is one
 * page: no server's list of mappable areas is longer, and vfio_parse_region() believes nothing in it.
 */
static int get_region(struct user_device *u, uint32_t index)
{
	_Alignas(8) uint8_t buf[4096];
	struct vfio_region_info *info = (struct vfio_region_info *)buf;
	struct vfio_region_info ask = {.argsz = sizeof(buf), .index = index};
	struct vfio_region *r = &u->v.regions[index];
	struct iovec iov = {&ask, sizeof(ask)};
	struct user_request req = {.command = VFIO_USER_DEVICE_GET_REGION_INFO, .iov = &iov, .nr_iov = 1};
	int fds[VFIO_USER_MAX_FDS];
	struct user_reply reply = {.buf = buf, .max = sizeof(buf), .fds = fds, .max_fds = VFIO_USER_MAX_FDS};
	int rc;

	memset(buf, 0, sizeof(buf));
	rc = user_call(u, "region information", &req, &reply);
	if (rc)
		return rc;
	if (reply.len < sizeof(*info) || info->index != index) {
		rc = unapi_fail(EPROTO, "%s: the vfio-user server's information on region %u is broken",
				u->v.name, index);
	} else {
		rc = vfio_parse_region(r, info, reply.len);
		if (rc)
			rc = unapi_fail_at(rc, "%s", u->v.name);
		else if (reply.nr_fds)
			rc = vfio_map_region(&u->v, r, fds[0], true);
		else
			r->nr_areas = 0; /* nothing to map: reach it by messages */
	}
	while (reply.nr_fds)
		close(fds[--reply.nr_fds]);
	return rc;
}

static int get_info(struct user_device *u)
{
	struct vfio_device_info info = {.argsz = 16};
	int rc = user_simple(u, "device information", VFIO_USER_DEVICE_GET_INFO, &info, 16, &info, 16);

	if (rc)
		return rc;
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI) || info.num_regions <= VFIO_PCI_CONFIG_REGION_INDEX)
		return unapi_fail(ENOTSUP, "%s: the vfio-user server's device is not a PCI function",
				  u->v.name);
	u->v.can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
	for (uint32_t i = 0; i <= VFIO_PCI_CONFIG_REGION_INDEX && !rc; i++)
		rc = get_region(u, i);
	for (uint32_t i = 0; i < VFIO_PCI_NUM_IRQS && i < info.num_irqs && !rc; i++) {
		struct vfio_irq_info irq = {.argsz = sizeof(irq), .index = i};

		rc = user_simple(u, "interrupt information", VFIO_USER_DEVICE_GET_IRQ_INFO, &irq, sizeof(irq),
				 &irq, sizeof(irq));
		u->v.irqs[i] = (struct vfio_irq){.count = irq.count, .flags = irq.flags};
	}
	return rc;
}

/* What firmware does on a real machine: give each memory BAR that has none an address, naturally aligned. */
static int assign_bars(struct user_device *u)
{
	uint32_t at = 0xc0000000u;
	int rc = 0;

	for (uint32_t i = 0; i <= VFIO_PCI_BAR5_REGION_INDEX && !rc; i++) {
		uint64_t size = u->v.regions[i].size;
		unsigned int off = 0x10 + 4 * i; /* PCI_BASE_ADDRESS_0 */
		uint32_t bar, high = 0;

		if (!size || size > 0x10000000u)
			continue;
		rc = vfio_config_read(&u->v, off, &bar, 4);
		if (rc || (bar & 1) || (bar & ~0xfu)) /* I/O space, or assigned already */
			continue;
		while (size &
		       (size - 1)) /* a BAR's address is a multiple of the power of two that holds it */
			size += size & -size;
		at = (uint32_t)((at + size - 1) & ~(size - 1));
		bar = at;
		rc = vfio_config_write(&u->v, off, &bar, 4);
		if (!rc && i < VFIO_PCI_BAR5_REGION_INDEX && !u->v.regions[i + 1].size)
			vfio_config_write(&u->v, off + 4, &high,
					  4); /* the upper half, if it is a 64-bit BAR */
		at += (uint32_t)size;
	}
	return rc;
}

int vfio_user_attach(int fd, const char *name, pid_t child, struct vfio_device **out)
{
	struct timeval limit = {.tv_sec = VFIO_USER_TIMEOUT_MS / 1000};
	struct user_device *u = calloc(1, sizeof(*u));
	int rc;

	*out = NULL;
	if (!u) {
		close(fd);
		if (child)
			user_reap_sim(child);
		return unapi_fail(ENOMEM, "%s: no memory", name);
	}
	u->fd = fd;
	u->child = child;
	pthread_mutex_init(&u->lock, NULL);
	INIT_LIST_HEAD(&u->space.link);
	vfio_device_init(&u->v, name, &user_ops, &u->space);
	u->max_fds = 1;
	u->max_xfer = VFIO_USER_MAX_XFER;
	snprintf(u->space.name, sizeof(u->space.name), "%s", u->v.name);
	u->space.ops = &user_dma_ops;
	/* A server that reads nothing must not hold a sender for ever. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));

	rc = negotiate(u);
	if (!rc)
		rc = get_info(u);
	if (!rc)
		rc = assign_bars(u);
	if (!rc)
		rc = vfio_device_identify(&u->v);
	if (rc)
		goto fail;
	rc = dma_space_register(&u->space);
	if (rc)
		goto fail;
	u->v.slow_fds[u->v.nr_slow_fds++] = u->fd;
	*out = &u->v;
	return 0;

fail:
	vfio_unmap_regions(&u->v);
	close(u->fd);
	if (child)
		user_reap_sim(child);
	pthread_mutex_destroy(&u->lock);
	free(u);
	return rc;
}
