/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_server.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static void put16(uint8_t *at, uint16_t v)
{
	memcpy(at, &v, 2);
}

static uint16_t get16(const uint8_t *at)
{
	uint16_t v;

	memcpy(&v, at, 2);
	return v;
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, 4);
	return v;
}

static void init_config(uint8_t *c)
{
	memset(c, 0, 256);
	put16(c + PCI_VENDOR_ID, 0x8086);
	put16(c + PCI_DEVICE_ID, 0x10c9);
	put16(c + PCI_STATUS, PCI_STATUS_CAP_LIST);
	put16(c + PCI_SUBSYSTEM_VENDOR_ID, 0x1234);
	put16(c + PCI_SUBSYSTEM_ID, 0x5678);
	c[PCI_BASE_ADDRESS_2] = PCI_BASE_ADDRESS_SPACE_IO;
	c[PCI_BASE_ADDRESS_4] = PCI_BASE_ADDRESS_MEM_TYPE_64;
	c[PCI_CAPABILITY_LIST] = FAKE_MSI_CAP;
	c[FAKE_MSI_CAP] = PCI_CAP_ID_MSI;
	c[FAKE_MSI_CAP + 1] = FAKE_MSIX_CAP;
	c[FAKE_MSIX_CAP] = PCI_CAP_ID_MSIX;
	put16(c + FAKE_MSIX_CAP + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_MASKALL | (FAKE_VECTORS - 1));
}

void fake_init(struct fake_server *s)
{
	static const uint32_t rw = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;

	memset(s, 0, sizeof(*s));
	s->bar0_fd = -1;
	s->region_size[0] = FAKE_BAR_SIZE;
	s->region_size[2] = 32;
	s->region_size[4] = 65536;
	s->region_size[VFIO_PCI_CONFIG_REGION_INDEX] = 256;
	for (unsigned int i = 0; i < 9; i++)
		s->region_flags[i] = s->region_size[i] ? rw : 0;
	s->irq_count[VFIO_PCI_INTX_IRQ_INDEX] = 1;
	s->irq_count[VFIO_PCI_MSI_IRQ_INDEX] = 1;
	s->irq_count[VFIO_PCI_MSIX_IRQ_INDEX] = FAKE_VECTORS;
	s->irq_count[VFIO_PCI_REQ_IRQ_INDEX] = 1;
	s->irq_flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE;
	memset(s->irq_fd, 0xff, sizeof(s->irq_fd));
	init_config(s->config);
	pthread_mutex_init(&s->lock, NULL);
}

/* ---- the wire */

void fake_send(struct fake_server *s, const void *data, size_t len, const int *fds, unsigned int nr_fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(VFIO_USER_MAX_FDS * sizeof(int))];
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)data, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (nr_fds) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		control.align = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
						 .cmsg_type = SCM_RIGHTS,
						 .cmsg_len = CMSG_LEN(nr_fds * sizeof(int))};
		memcpy(CMSG_DATA(&control.align), fds, nr_fds * sizeof(int));
	}
	/* The client may have hung up: that ends the loop at its next read. */
	(void)!sendmsg(s->sock, &msg, MSG_NOSIGNAL);
}

static void reply_with(struct fake_server *s, const struct fake_msg *m, const void *data, size_t len, int fd)
{
	uint8_t out[sizeof(struct vfio_user_hdr) + FAKE_MAX_MSG];
	struct vfio_user_hdr h = {.id = m->hdr.id,
				  .command = m->hdr.command,
				  .size = (uint32_t)(sizeof(h) + len),
				  .flags = VFIO_USER_REPLY};

	memcpy(out, &h, sizeof(h));
	if (len)
		memcpy(out + sizeof(h), data, len);
	fake_send(s, out, h.size, &fd, fd >= 0 ? 1 : 0);
}

void fake_reply(struct fake_server *s, const struct fake_msg *m, const void *data, size_t len)
{
	reply_with(s, m, data, len, -1);
}

void fake_reply_error(struct fake_server *s, const struct fake_msg *m, uint32_t error)
{
	struct vfio_user_hdr h = {.id = m->hdr.id,
				  .command = m->hdr.command,
				  .size = sizeof(h),
				  .flags = VFIO_USER_REPLY | VFIO_USER_ERROR,
				  .error = error};

	fake_send(s, &h, sizeof(h), NULL, 0);
}

void fake_hang_up(struct fake_server *s)
{
	s->hung_up = true;
	shutdown(s->sock, SHUT_RDWR);
}

static bool recv_exact(struct fake_server *s, void *buf, size_t len, struct fake_msg *m)
{
	while (len) {
		union {
			struct cmsghdr align;
			char buf[CMSG_SPACE(VFIO_USER_MAX_FDS * sizeof(int))];
		} control;
		struct iovec iov = {buf, len};
		struct msghdr msg = {.msg_iov = &iov,
				     .msg_iovlen = 1,
				     .msg_control = control.buf,
				     .msg_controllen = sizeof(control.buf)};
		ssize_t n = recvmsg(s->sock, &msg, MSG_CMSG_CLOEXEC);
		struct cmsghdr *c;

		if (n <= 0)
			return false;
		for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
			m->nr_fds = (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(m->fds, CMSG_DATA(c), m->nr_fds * sizeof(int));
		}
		buf = (char *)buf + n;
		len -= (size_t)n;
	}
	return true;
}

/* ---- the device */

static void version(struct fake_server *s, struct fake_msg *m)
{
	char out[1024];
	struct vfio_user_version v = {.major = s->major};
	size_t n = s->version ? strlen(s->version) + 1 : 0;

	memcpy(out, &v, sizeof(v));
	if (n)
		memcpy(out + sizeof(v), s->version, n);
	fake_reply(s, m, out, sizeof(v) + n);
}

static void region_info(struct fake_server *s, struct fake_msg *m)
{
	struct vfio_region_info *info = (struct vfio_region_info *)m->body;
	uint32_t caps = info->index == 0 ? s->bar0_caps_len : 0;
	uint32_t room = info->argsz, need = (uint32_t)sizeof(*info) + caps;
	uint32_t i = info->index < 9 ? info->index : 1;

	*info = (struct vfio_region_info){
		.argsz = need, .index = info->index, .size = s->region_size[i], .flags = s->region_flags[i]};
	if (caps) {
		info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
		info->cap_offset = room < need ? 0 : sizeof(*info);
		memcpy(m->body + sizeof(*info), s->bar0_caps, caps);
	}
	reply_with(s, m, m->body, room < need ? sizeof(*info) : need, i == 0 ? s->bar0_fd : -1);
}

static bool decodes(const struct fake_server *s)
{
	return get32(s->config + PCI_BASE_ADDRESS_0) & ~0xfu &&
	       get16(s->config + PCI_COMMAND) & PCI_COMMAND_MEMORY;
}

/* NULL: there is no such place. */
static uint8_t *place(struct fake_server *s, const struct vfio_user_region_rw *rw)
{
	uint64_t size;

	if (rw->region > VFIO_PCI_CONFIG_REGION_INDEX)
		return NULL;
	size = s->region_size[rw->region];
	if (rw->offset > size || rw->count > size - rw->offset)
		return NULL;
	if (rw->region == VFIO_PCI_CONFIG_REGION_INDEX)
		return s->config + rw->offset;
	if (rw->region != 0 || (s->needs_firmware && !decodes(s)))
		return NULL;
	return (uint8_t *)s->bar + rw->offset;
}

static void write_config(struct fake_server *s, uint64_t off, const uint8_t *data, uint32_t n)
{
	static const uint32_t mask[] = {~(FAKE_BAR_SIZE - 1), 0, ~31u, 0, ~65535u, ~0u};

	memcpy(s->config + off, data, n);
	/* An address register keeps its type, and has the bits that its size leaves. */
	if (off >= PCI_BASE_ADDRESS_0 && off <= PCI_BASE_ADDRESS_5) {
		unsigned int i = (unsigned int)(off - PCI_BASE_ADDRESS_0) / 4;
		uint32_t bar = get32(s->config + off) & mask[i];

		bar |= i == 2 ? PCI_BASE_ADDRESS_SPACE_IO : i == 4 ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0;
		memcpy(s->config + off, &bar, 4);
	}
}

static void region_access(struct fake_server *s, struct fake_msg *m, bool write)
{
	struct vfio_user_region_rw rw;
	uint8_t *p;

	memcpy(&rw, m->body, sizeof(rw));
	p = rw.count <= 4096 ? place(s, &rw) : NULL;
	if (p && write && rw.region == VFIO_PCI_CONFIG_REGION_INDEX)
		write_config(s, rw.offset, m->body + sizeof(rw), rw.count);
	else if (p && write)
		memcpy(p, m->body + sizeof(rw), rw.count);
	else if (p)
		memcpy(m->body + sizeof(rw), p, rw.count);
	if (m->hdr.flags & VFIO_USER_NO_REPLY)
		s->posted++;
	else if (!p)
		fake_reply_error(s, m, EIO);
	else
		fake_reply(s, m, m->body, sizeof(rw) + (write ? 0 : rw.count));
}

static void set_irqs(struct fake_server *s, struct fake_msg *m)
{
	struct vfio_irq_set set;
	bool all;

	memcpy(&set, m->body, sizeof(set));
	all = !set.count && !set.start;
	if (set.index > 4 || set.start + set.count > s->irq_count[set.index] ||
	    (m->nr_fds && m->nr_fds != set.count) || set.argsz != sizeof(set)) {
		fake_reply_error(s, m, EINVAL);
		return;
	}
	for (uint32_t i = 0; i < FAKE_VECTORS; i++) {
		int *fd = &s->irq_fd[set.index][i];

		if (!all && (i < set.start || i >= set.start + set.count))
			continue;
		if (set.flags & VFIO_IRQ_SET_ACTION_UNMASK)
			continue;
		if (*fd >= 0)
			close(*fd);
		*fd = -1;
		if (m->nr_fds)
			*fd = m->fds[i - set.start];
	}
	m->nr_fds = 0; /* they are ours now */
	fake_reply(s, m, NULL, 0);
}

static void dma_map(struct fake_server *s, struct fake_msg *m)
{
	struct vfio_user_dma_map map;
	unsigned int i = 0;

	memcpy(&map, m->body, sizeof(map));
	while (i < FAKE_MAX_DMA && s->dma[i].size)
		i++;
	if (i == FAKE_MAX_DMA || m->nr_fds != 1 || map.offset || map.flags != 3) {
		fake_reply_error(s, m, EINVAL);
		return;
	}
	s->dma[i].iova = map.address;
	s->dma[i].va = mmap(NULL, map.size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fds[0], 0);
	s->dma[i].size = s->dma[i].va == MAP_FAILED ? 0 : map.size;
	fake_reply(s, m, NULL, 0);
}

static void dma_unmap(struct fake_server *s, struct fake_msg *m)
{
	struct vfio_user_dma_unmap unmap;

	memcpy(&unmap, m->body, sizeof(unmap));
	for (unsigned int i = 0; i < FAKE_MAX_DMA; i++) {
		if (s->dma[i].size != unmap.size || s->dma[i].iova != unmap.address)
			continue;
		munmap(s->dma[i].va, unmap.size);
		s->dma[i].size = 0;
		fake_reply(s, m, &unmap, sizeof(unmap));
		return;
	}
	fake_reply_error(s, m, ENOENT);
}

static void reset(struct fake_server *s, struct fake_msg *m)
{
	init_config(s->config);
	s->resets++;
	fake_reply(s, m, NULL, 0);
}

static void serve(struct fake_server *s, struct fake_msg *m)
{
	struct vfio_device_info info = {16, VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET, 9, 5, 0};
	struct vfio_irq_info irq;

	switch (m->hdr.command) {
	case VFIO_USER_VERSION:
		version(s, m);
		break;
	case VFIO_USER_DEVICE_GET_INFO:
		fake_reply(s, m, &info, 16);
		break;
	case VFIO_USER_DEVICE_GET_REGION_INFO:
		region_info(s, m);
		break;
	case VFIO_USER_DEVICE_GET_IRQ_INFO:
		memcpy(&irq, m->body, sizeof(irq));
		irq.count = s->irq_count[irq.index % 5];
		irq.flags = s->irq_flags;
		fake_reply(s, m, &irq, sizeof(irq));
		break;
	case VFIO_USER_DEVICE_SET_IRQS:
		set_irqs(s, m);
		break;
	case VFIO_USER_REGION_READ:
	case VFIO_USER_REGION_WRITE:
		region_access(s, m, m->hdr.command == VFIO_USER_REGION_WRITE);
		break;
	case VFIO_USER_DMA_MAP:
		dma_map(s, m);
		break;
	case VFIO_USER_DMA_UNMAP:
		dma_unmap(s, m);
		break;
	case VFIO_USER_DEVICE_RESET:
		reset(s, m);
		break;
	default:
		fake_reply_error(s, m, ENOTSUP);
	}
}

static void *run(void *arg)
{
	struct fake_server *s = arg;
	static __thread struct fake_msg m;

	while (recv_exact(s, &m.hdr, sizeof(m.hdr), &m)) {
		size_t len = m.hdr.size - sizeof(m.hdr);

		if (m.hdr.size < sizeof(m.hdr) || len > sizeof(m.body) || !recv_exact(s, m.body, len, &m))
			break;
		pthread_mutex_lock(&s->lock);
		if ((m.hdr.flags & VFIO_USER_TYPE_MASK) == VFIO_USER_COMMAND)
			s->count[m.hdr.command % 32]++;
		if (m.nr_fds > s->most_fds)
			s->most_fds = m.nr_fds;
		if (!s->hook || !s->hook(s, &m))
			serve(s, &m);
		pthread_mutex_unlock(&s->lock);
		while (m.nr_fds)
			close(m.fds[--m.nr_fds]);
	}
	/* A dead process has nothing left. */
	close(s->sock);
	for (unsigned int i = 0; i < 5; i++) {
		for (unsigned int k = 0; k < FAKE_VECTORS; k++)
			if (s->irq_fd[i][k] >= 0)
				close(s->irq_fd[i][k]);
	}
	for (unsigned int i = 0; i < FAKE_MAX_DMA; i++)
		if (s->dma[i].size)
			munmap(s->dma[i].va, s->dma[i].size);
	return NULL;
}

void fake_start(struct fake_server *s)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	s->sock = sv[0];
	s->client = sv[1];
	assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
}

void fake_stop(struct fake_server *s)
{
	assert_int_equal(pthread_join(s->thread, NULL), 0);
	pthread_mutex_destroy(&s->lock);
	if (s->bar0_fd >= 0)
		close(s->bar0_fd);
}
