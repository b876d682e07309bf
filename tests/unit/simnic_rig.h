/* SPDX-License-Identifier: BSD-3-Clause */
/* The simulated NIC inside the test: a raw vfio-user client, written by hand, on the other end of a socket
 * pair, and a minimal driver. Everything runs in this thread when rig_step() says so, on a virtual clock.
 */
#ifndef SIMNIC_RIG_H
#define SIMNIC_RIG_H

#include "apps/simnic/igb.h"
#include "apps/simnic/options.h"
#include "apps/simnic/proto.h"
#include "apps/simnic/server.h"
#include "apps/simnic/wire.h"
#include "core/base/clock.h"
#include "drivers/igb/igb_regs.h"

#include <linux/vfio.h>
#include <linux/pci_regs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define RIG_IOVA     0x10000000ull
#define RIG_SIZE     (8u << 20)
#define RIG_RING     64u
#define RIG_BUF_SIZE 2048u

struct rig {
	struct sim_options opt;
	struct igb dev;
	struct server server;
	struct wire wire;
	uint64_t now;
	int client, memory;
	uint8_t *va;	 /* of the memory that is mapped at RIG_IOVA */
	int vectors[10]; /* eventfds */
	uint16_t next_id;
	uint32_t rx_tail[16], tx_tail[16], rx_seen[16];
	/* the last reply */
	struct vfu_header head;
	_Alignas(8) uint8_t body[VFU_MAX_MSG];
	uint32_t body_len;
	int body_fd;
};

/* What follows "RIG_IOVA +": rings of queue q, then buffers. */
static inline uint64_t rig_rx_ring(unsigned int q)
{
	return 0x2000ull * q;
}

static inline uint64_t rig_tx_ring(unsigned int q)
{
	return 0x2000ull * q + 0x1000;
}

static inline uint64_t rig_rx_buf(unsigned int q, uint32_t slot)
{
	return 0x100000ull + (q * RIG_RING + slot) * (uint64_t)RIG_BUF_SIZE;
}

static inline uint64_t rig_tx_buf(unsigned int q, uint32_t slot)
{
	return 0x400000ull + (q * RIG_RING + slot) * (uint64_t)RIG_BUF_SIZE;
}

/* @options: a list as in a device string. */
static inline void rig_up(struct rig *r, const char *options)
{
	char copy[256], *save;
	int sv[2];

	memset(r, 0, sizeof(*r));
	r->now = 1000 * NSEC_PER_SEC;
	unapi_clock_set_virtual(&r->now);
	sim_options_init(&r->opt);
	strcpy(r->opt.wire, "none");
	snprintf(copy, sizeof(copy), "%s", options);
	for (char *o = strtok_r(copy, ",", &save); o; o = strtok_r(NULL, ",", &save))
		assert_int_equal(sim_option(&r->opt, o), 0);
	assert_int_equal(igb_init(&r->dev, &r->opt, NULL), 0);
	assert_int_equal(server_init(&r->server, &r->dev, -1), 0);
	assert_int_equal(wire_open(&r->wire, r->opt.wire, &r->dev, &r->opt), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	r->client = sv[0];
	server_attach(&r->server, sv[1]);
	r->memory = memfd_create("rig", MFD_CLOEXEC);
	assert_int_equal(ftruncate(r->memory, RIG_SIZE), 0);
	r->va = mmap(NULL, RIG_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, r->memory, 0);
	assert_ptr_not_equal(r->va, MAP_FAILED);
	for (int i = 0; i < 10; i++)
		r->vectors[i] = -1;
	r->body_fd = -1;
}

static inline void rig_down(struct rig *r)
{
	server_fini(&r->server);
	wire_close(&r->wire);
	igb_fini(&r->dev);
	close(r->client);
	munmap(r->va, RIG_SIZE);
	close(r->memory);
	if (r->body_fd >= 0)
		close(r->body_fd);
	for (int i = 0; i < 10; i++) {
		if (r->vectors[i] >= 0)
			close(r->vectors[i]);
	}
	unapi_clock_set_virtual(NULL);
}

static inline void rig_step(struct rig *r)
{
	igb_run(&r->dev);
	if (r->wire.carrier != r->dev.phy.carrier)
		igb_carrier(&r->dev, r->wire.carrier);
	for (int i = 0; i < 8; i++) {
		igb_tx(&r->dev);
		if (r->wire.ops->poll)
			r->wire.ops->poll(&r->wire, 64);
	}
}

static inline void rig_pass(struct rig *r, uint64_t ns)
{
	r->now += ns;
	rig_step(r);
}

/* ---- the client */

static inline void rig_send_raw(struct rig *r, const void *data, size_t len, const int *fds,
				unsigned int nr_fds)
{
	uint8_t control[CMSG_SPACE(32 * sizeof(int))] __attribute__((aligned(8))) = {0};
	struct iovec iov = {(void *)(uintptr_t)data, len};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (nr_fds) {
		struct cmsghdr *c;

		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nr_fds * sizeof(int));
	}
	assert_int_equal(sendmsg(r->client, &m, MSG_NOSIGNAL), len);
}

/* Take one reply, if there is one. */
static inline bool rig_receive(struct rig *r)
{
	uint8_t control[CMSG_SPACE(4 * sizeof(int))] __attribute__((aligned(8)));
	struct iovec iov[2] = {{&r->head, sizeof(r->head)}, {r->body, sizeof(r->body)}};
	struct msghdr m = {
		.msg_iov = iov, .msg_iovlen = 2, .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(r->client, &m, MSG_DONTWAIT);
	struct cmsghdr *c;

	if (n <= 0)
		return false;
	assert_true(n >= (ssize_t)sizeof(r->head));
	assert_int_equal(n, r->head.size);
	r->body_len = (uint32_t)(n - (ssize_t)sizeof(r->head));
	c = CMSG_FIRSTHDR(&m);
	if (r->body_fd >= 0)
		close(r->body_fd);
	r->body_fd = -1;
	if (c)
		memcpy(&r->body_fd, CMSG_DATA(c), sizeof(int));
	return true;
}

/* A command and its reply. Returns 0, or -errno as the server said. */
static inline int rig_call(struct rig *r, uint16_t command, const void *payload, uint32_t len, const int *fds,
			   unsigned int nr_fds)
{
	static uint8_t msg[VFU_MAX_MSG];
	struct vfu_header h = {r->next_id++, command, (uint32_t)sizeof(h) + len, VFU_TYPE_COMMAND, 0};

	memcpy(msg, &h, sizeof(h));
	memcpy(msg + sizeof(h), payload, len);
	rig_send_raw(r, msg, h.size, fds, nr_fds);
	server_input(&r->server);
	assert_true(rig_receive(r));
	assert_int_equal(r->head.id, h.id);
	assert_int_equal(r->head.command, command);
	assert_int_equal(r->head.flags & VFU_TYPE_MASK, VFU_TYPE_REPLY);
	if (!(r->head.flags & VFU_ERROR))
		return 0;
	assert_int_equal(r->body_len, 0);
	assert_int_not_equal(r->head.error, 0);
	return -(int)r->head.error;
}

static inline int rig_version(struct rig *r)
{
	static const char payload[] = "\0\0\1\0{\"capabilities\":{\"max_msg_fds\":8}}";

	return rig_call(r, VFU_VERSION, payload, sizeof(payload), NULL, 0);
}

static inline int rig_map(struct rig *r, uint64_t iova, uint64_t size, uint32_t flags, int fd)
{
	struct vfu_dma_map m = {sizeof(m), flags, 0, iova, size};

	return rig_call(r, VFU_DMA_MAP, &m, sizeof(m), &fd, fd >= 0);
}

static inline int rig_access(struct rig *r, uint32_t region, uint64_t offset, void *data, uint32_t count,
			     bool write)
{
	uint8_t msg[sizeof(struct vfu_region_access) + 256];
	struct vfu_region_access a = {offset, region, count};
	int rc;

	memcpy(msg, &a, sizeof(a));
	memcpy(msg + sizeof(a), data, write ? count : 0);
	rc = rig_call(r, write ? VFU_REGION_WRITE : VFU_REGION_READ, msg,
		      (uint32_t)sizeof(a) + (write ? count : 0), NULL, 0);
	if (!rc && !write)
		memcpy(data, r->body + sizeof(a), count);
	return rc;
}

static inline uint32_t rig_read(struct rig *r, uint32_t reg)
{
	uint32_t val = 0;

	assert_int_equal(rig_access(r, VFIO_PCI_BAR0_REGION_INDEX, reg, &val, 4, false), 0);
	return val;
}

static inline void rig_write(struct rig *r, uint32_t reg, uint32_t val)
{
	assert_int_equal(rig_access(r, VFIO_PCI_BAR0_REGION_INDEX, reg, &val, 4, true), 0);
}

static inline void rig_command(struct rig *r, uint16_t command)
{
	assert_int_equal(rig_access(r, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, &command, 2, true), 0);
}

static inline int rig_set_irqs(struct rig *r, uint32_t index, uint32_t start, uint32_t count, const int *fds,
			       unsigned int nr_fds)
{
	struct vfio_irq_set s = {.argsz = sizeof(s),
				 .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
				 .index = index,
				 .start = start,
				 .count = count};

	return rig_call(r, VFU_SET_IRQS, &s, sizeof(s), fds, nr_fds);
}

/* How often the vector fired since the last call. */
static inline uint64_t rig_fired(struct rig *r, unsigned int vector)
{
	uint64_t n;

	return read(r->vectors[vector], &n, sizeof(n)) == (ssize_t)sizeof(n) ? n : 0;
}

static inline void rig_bind(struct rig *r, uint32_t index, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		r->vectors[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_int_equal(rig_set_irqs(r, index, 0, count, r->vectors, count), 0);
}

/* ---- a driver */

static inline void rig_rx_refill(struct rig *r, unsigned int q, unsigned int n)
{
	union e1000_adv_rx_desc *ring = (void *)(r->va + rig_rx_ring(q));

	for (; n; n--, r->rx_tail[q] = (r->rx_tail[q] + 1) % RIG_RING) {
		ring[r->rx_tail[q]].read.pkt_addr = RIG_IOVA + rig_rx_buf(q, r->rx_tail[q]);
		ring[r->rx_tail[q]].read.hdr_addr = 0;
	}
	rig_write(r, E1000_RDT(q), r->rx_tail[q]);
}

static inline void rig_queue_up(struct rig *r, unsigned int q)
{
	uint64_t rx = RIG_IOVA + rig_rx_ring(q), tx = RIG_IOVA + rig_tx_ring(q);

	rig_write(r, E1000_RDBAL(q), (uint32_t)rx);
	rig_write(r, E1000_RDBAH(q), (uint32_t)(rx >> 32));
	rig_write(r, E1000_RDLEN(q), RIG_RING * 16);
	rig_write(r, E1000_SRRCTL(q), E1000_SRRCTL_DESCTYPE_ADV_ONEBUF | 2);
	rig_write(r, E1000_RDH(q), 0);
	rig_write(r, E1000_RXDCTL(q), E1000_RXDCTL_QUEUE_ENABLE);
	rig_write(r, E1000_TDBAL(q), (uint32_t)tx);
	rig_write(r, E1000_TDBAH(q), (uint32_t)(tx >> 32));
	rig_write(r, E1000_TDLEN(q), RIG_RING * 16);
	rig_write(r, E1000_TDH(q), 0);
	rig_write(r, E1000_TXDCTL(q), E1000_TXDCTL_QUEUE_ENABLE);
	r->rx_tail[q] = r->tx_tail[q] = r->rx_seen[q] = 0;
}

/* Everything a driver does before traffic: MSI-X, one vector for each queue and the last for the rest. */
static inline void rig_start(struct rig *r, unsigned int queues)
{
	assert_int_equal(rig_version(r), 0);
	assert_int_equal(rig_map(r, RIG_IOVA, RIG_SIZE, VFU_DMA_READ | VFU_DMA_WRITE, r->memory), 0);
	rig_command(r, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	rig_bind(r, VFIO_PCI_MSIX_IRQ_INDEX, 10);
	rig_write(r, E1000_GPIE,
		  E1000_GPIE_MULTIPLE_MSIX | E1000_GPIE_EIAME | E1000_GPIE_PBA_SUPPORT | E1000_GPIE_NSICR);
	for (unsigned int q = 0; q < queues; q++) {
		uint32_t row = rig_read(r, E1000_IVAR(E1000_IVAR_ROW(q)));

		row |= (E1000_IVAR_VALID | q) << E1000_IVAR_RX_SHIFT(q);
		rig_write(r, E1000_IVAR(E1000_IVAR_ROW(q)), row);
	}
	rig_write(r, E1000_IVAR_MISC, (E1000_IVAR_VALID | 9) << E1000_IVAR_MISC_OTHER_SHIFT);
	rig_write(r, E1000_EIAC, 0x3ff);
	rig_write(r, E1000_EIAM, 0x3ff);
	rig_write(r, E1000_IMS, E1000_ICR_LSC);
	for (unsigned int q = 0; q < queues; q++)
		rig_queue_up(r, q);
	rig_write(r, E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_UPE | E1000_RCTL_BAM | E1000_RCTL_SECRC);
	rig_write(r, E1000_TCTL, E1000_TCTL_EN | E1000_TCTL_PSP);
	rig_write(r, E1000_CTRL, E1000_CTRL_SLU | E1000_CTRL_FD);
	rig_step(r);
	rig_pass(r, 20 * NSEC_PER_MSEC);
	assert_true(rig_read(r, E1000_STATUS) & E1000_STATUS_LU);
	for (unsigned int q = 0; q < queues; q++)
		rig_rx_refill(r, q, RIG_RING - 1);
}

/* Queue one frame of @len bytes that is in buffer @slot already; the tail is not written. */
static inline uint32_t rig_tx_put(struct rig *r, unsigned int q, uint32_t len, uint32_t cmd, uint32_t paylen)
{
	union e1000_adv_tx_desc *ring = (void *)(r->va + rig_tx_ring(q));
	uint32_t slot = r->tx_tail[q];

	ring[slot].read.buffer_addr = RIG_IOVA + rig_tx_buf(q, slot);
	ring[slot].read.cmd_type_len =
		len | cmd | E1000_ADVTXD_DTYP_DATA | E1000_ADVTXD_DCMD_DEXT | E1000_ADVTXD_DCMD_IFCS;
	ring[slot].read.olinfo_status = paylen << E1000_ADVTXD_PAYLEN_SHIFT;
	r->tx_tail[q] = (slot + 1) % RIG_RING;
	return slot;
}

static inline void rig_tx_kick(struct rig *r, unsigned int q)
{
	rig_write(r, E1000_TDT(q), r->tx_tail[q]);
	rig_step(r);
}

static inline bool rig_tx_done(struct rig *r, unsigned int q, uint32_t slot)
{
	union e1000_adv_tx_desc *ring = (void *)(r->va + rig_tx_ring(q));

	return ring[slot].wb.status & E1000_TXD_STAT_DD;
}

/* The next received descriptor of the queue, or NULL. */
static inline union e1000_adv_rx_desc *rig_rx_next(struct rig *r, unsigned int q)
{
	union e1000_adv_rx_desc *desc = (void *)(r->va + rig_rx_ring(q));

	desc += r->rx_seen[q];
	if (!(desc->wb.status_error & E1000_RXD_STAT_DD))
		return NULL;
	r->rx_seen[q] = (r->rx_seen[q] + 1) % RIG_RING;
	return desc;
}

/* A UDP/IPv4 frame with good checksums; returns its length. */
static inline uint32_t rig_udp_frame(uint8_t *p, uint32_t src, uint16_t sport, uint32_t payload)
{
	uint32_t len = ETH_HLEN + 28 + payload;
	struct packet_info i;

	memset(p, 0, len < 60 ? 60 : len);
	memcpy(p, "\x02\x11\x22\x33\x44\x55\x02\x66\x77\x88\x99\xaa\x08\x00", 14);
	p[14] = 0x45;
	put_be16(p + 16, (uint16_t)(28 + payload));
	p[22] = 64;
	p[23] = 17;
	put_be32(p + 26, src);
	put_be32(p + 30, 0x0a000002);
	put_be16(p + 24, (uint16_t)~csum_fold(csum_add(0, p + 14, 20)));
	put_be16(p + 34, sport);
	put_be16(p + 36, 2000);
	put_be16(p + 38, (uint16_t)(8 + payload));
	for (uint32_t n = 0; n < payload; n++)
		p[42 + n] = (uint8_t)n;
	packet_parse(&i, p, len < 60 ? 60 : len);
	put_be16(p + 40, (uint16_t)~csum_fold(csum_add(csum_pseudo(&i, p, 17, (uint16_t)(8 + payload)),
						       p + 34, 8 + payload)));
	return len < 60 ? 60 : len;
}

#endif
