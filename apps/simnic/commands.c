/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/simnic/commands.h"
#include "apps/simnic/options.h"
#include "apps/simnic/server.h"
#include "core/base/reason.h"

#include <errno.h>
#include <jansson.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>

/* The pages of BAR0 that hold the rings' registers; the rest has side effects that memory cannot have. */
static const struct {
	uint64_t offset, size;
} shared_pages[] = {{0x2000, 0x2000}, {0xC000, 0x1000}, {0xE000, 0x1000}};

static uint8_t scratch[VFU_MAX_MSG];

static int answer(struct command_reply *r, const void *data, uint32_t len)
{
	memcpy(scratch, data, len);
	r->data = scratch;
	r->len = len;
	return 0;
}

static int too_short(const char *what)
{
	return unapi_fail(EINVAL, "%s: the message is too short", what);
}

/* ---- VERSION */

static int version(struct server *s, const uint8_t *p, uint32_t len, struct command_reply *r)
{
	static const char json[] = "{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":65536,"
				   "\"pgsizes\":4096,\"write_multiple\":true}}";
	struct vfu_version v;
	json_t *asked;

	if (len < sizeof(v))
		return too_short("VERSION");
	if (s->greeted)
		return unapi_fail(EINVAL, "a second VERSION");
	memcpy(&v, p, sizeof(v));
	if (v.major)
		return unapi_fail(EINVAL, "VERSION: this server speaks 0.x, not %u.%u", v.major, v.minor);
	if (len > sizeof(v)) { /* no text: every capability has its default */
		const char *text = (const char *)p + sizeof(v);

		if (text[len - sizeof(v) - 1])
			return unapi_fail(EINVAL, "VERSION: the text has no end");
		asked = json_loadb(text, strlen(text), 0, NULL);
		if (!asked)
			return unapi_fail(EINVAL, "VERSION: not JSON");
		json_decref(asked);
	}
	v.minor = 0;
	memcpy(scratch, &v, sizeof(v));
	memcpy(scratch + sizeof(v), json, sizeof(json));
	r->data = scratch;
	r->len = sizeof(v) + sizeof(json);
	s->greeted = true;
	return 0;
}

/* ---- DMA */

static int map(struct server *s, const uint8_t *p, uint32_t len)
{
	struct vfu_dma_map m;

	if (len < sizeof(m))
		return too_short("DMA_MAP");
	memcpy(&m, p, sizeof(m));
	if (s->nr_fds > 1)
		return unapi_fail(EINVAL, "DMA_MAP: more than one descriptor");
	return dma_map(&s->dev->dma, m.address, m.size, m.flags, s->nr_fds ? s->fds[0] : -1, m.offset);
}

static int unmap(struct server *s, const uint8_t *p, uint32_t len, struct command_reply *r)
{
	struct vfu_dma_unmap u;
	int rc = 0;

	if (len < sizeof(u))
		return too_short("DMA_UNMAP");
	memcpy(&u, p, sizeof(u));
	if (u.flags & ~VFU_DMA_UNMAP_ALL)
		return unapi_fail(EINVAL, "DMA_UNMAP: flags 0x%x", u.flags);
	if (u.flags & VFU_DMA_UNMAP_ALL) {
		if (u.address || u.size)
			return unapi_fail(EINVAL, "DMA_UNMAP: all, and an address");
		dma_unmap_all(&s->dev->dma);
	} else {
		rc = dma_unmap(&s->dev->dma, u.address, u.size);
	}
	return rc ? rc : answer(r, &u, sizeof(u));
}

/* ---- what the device is */

static int device_info(const uint8_t *p, uint32_t len, struct command_reply *r)
{
	struct vfu_device_info i;

	if (len < sizeof(i))
		return too_short("DEVICE_GET_INFO");
	memcpy(&i, p, sizeof(i));
	if (i.argsz < sizeof(i))
		return unapi_fail(EINVAL, "DEVICE_GET_INFO: argsz %u", i.argsz);
	i = (struct vfu_device_info){sizeof(i), VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI,
				     VFIO_PCI_NUM_REGIONS, VFIO_PCI_NUM_IRQS};
	return answer(r, &i, sizeof(i));
}

static uint64_t region_size(uint32_t index)
{
	switch (index) {
	case VFIO_PCI_BAR0_REGION_INDEX:
		return SIM_BAR0_SIZE;
	case VFIO_PCI_BAR3_REGION_INDEX:
		return SIM_BAR3_SIZE;
	case VFIO_PCI_CONFIG_REGION_INDEX:
		return PCICONF_SIZE;
	default:
		return 0;
	}
}

static int region_info(struct server *s, const uint8_t *p, uint32_t len, struct command_reply *r)
{
	struct vfu_region_info i;
	struct {
		struct vfio_info_cap_header header;
		uint32_t count, reserved;
		struct vfio_region_sparse_mmap_area areas[ARRAY_SIZE(shared_pages)];
	} sparse = {{VFIO_REGION_INFO_CAP_SPARSE_MMAP, 1, 0}, ARRAY_SIZE(shared_pages), 0, {{0}}};
	uint32_t asked;

	if (len < sizeof(i))
		return too_short("GET_REGION_INFO");
	memcpy(&i, p, sizeof(i));
	if (i.index >= VFIO_PCI_NUM_REGIONS || i.argsz < sizeof(i))
		return unapi_fail(EINVAL, "GET_REGION_INFO: index %u, argsz %u", i.index, i.argsz);
	asked = i.argsz;
	i = (struct vfu_region_info){.argsz = sizeof(i), .index = i.index, .size = region_size(i.index)};
	if (i.size)
		i.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (i.index != VFIO_PCI_BAR0_REGION_INDEX || s->shared_fd < 0)
		return answer(r, &i, sizeof(i));

	i.flags |= VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS;
	i.argsz = sizeof(i) + sizeof(sparse);
	if (asked < i.argsz) /* the client asks again with this size */
		return answer(r, &i, sizeof(i));
	i.cap_offset = sizeof(i);
	for (unsigned int n = 0; n < ARRAY_SIZE(shared_pages); n++) {
		sparse.areas[n].offset = shared_pages[n].offset;
		sparse.areas[n].size = shared_pages[n].size;
	}
	memcpy(scratch, &i, sizeof(i));
	memcpy(scratch + sizeof(i), &sparse, sizeof(sparse));
	r->data = scratch;
	r->len = i.argsz;
	r->fd = s->shared_fd;
	return 0;
}

static int irq_info(struct server *s, const uint8_t *p, uint32_t len, struct command_reply *r)
{
	struct vfu_irq_info i;

	if (len < sizeof(i))
		return too_short("GET_IRQ_INFO");
	memcpy(&i, p, sizeof(i));
	if (i.index >= VFIO_PCI_NUM_IRQS || i.argsz < sizeof(i))
		return unapi_fail(EINVAL, "GET_IRQ_INFO: index %u, argsz %u", i.index, i.argsz);
	i.argsz = sizeof(i);
	i.count = irq_count(&s->dev->irq, i.index);
	i.flags = i.count ? VFIO_IRQ_INFO_EVENTFD : 0;
	if (i.index == VFIO_PCI_INTX_IRQ_INDEX)
		i.flags |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	return answer(r, &i, sizeof(i));
}

/* ---- SET_IRQS */

static int set_eventfds(struct server *s, const struct vfu_irq_set *q)
{
	if (s->nr_fds && s->nr_fds != q->count)
		return unapi_fail(EINVAL, "SET_IRQS: %u descriptors for %u vectors", s->nr_fds, q->count);
	for (uint32_t i = 0; i < q->count; i++)
		irq_set_trigger(&s->dev->irq, q->index, q->start + i, s->nr_fds ? s->fds[i] : -1);
	s->nr_fds = 0; /* they are the device's now */
	return 0;
}

static int set_irqs(struct server *s, const uint8_t *p, uint32_t len)
{
	struct irq *irq = &s->dev->irq;
	struct vfu_irq_set q;
	uint32_t data, action, count;

	if (len < sizeof(q))
		return too_short("SET_IRQS");
	memcpy(&q, p, sizeof(q));
	data = q.flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	action = q.flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
	count = irq_count(irq, q.index);
	if (__builtin_popcount(data) != 1 || __builtin_popcount(action) != 1 || q.flags & ~(data | action) ||
	    !count || q.start >= count || q.count > count - q.start)
		return unapi_fail(EINVAL, "SET_IRQS: index %u, start %u, count %u, flags 0x%x", q.index,
				  q.start, q.count, q.flags);
	if (data == VFIO_IRQ_SET_DATA_BOOL && len - sizeof(q) < q.count)
		return too_short("SET_IRQS");
	if (action == VFIO_IRQ_SET_ACTION_TRIGGER && data == VFIO_IRQ_SET_DATA_EVENTFD)
		return q.count ? set_eventfds(s, &q) : unapi_fail(EINVAL, "SET_IRQS: no vectors");
	if (data == VFIO_IRQ_SET_DATA_EVENTFD)
		return unapi_fail(EINVAL, "SET_IRQS: no eventfds for masking");
	if (action == VFIO_IRQ_SET_ACTION_TRIGGER && data == VFIO_IRQ_SET_DATA_NONE && !q.count) {
		for (uint32_t i = 0; i < count; i++)
			irq_set_trigger(irq, q.index, i, -1);
		return 0;
	}
	if (!q.count)
		return unapi_fail(EINVAL, "SET_IRQS: no vectors");
	if (action == VFIO_IRQ_SET_ACTION_TRIGGER) {
		for (uint32_t i = 0; i < q.count; i++) {
			if (data == VFIO_IRQ_SET_DATA_NONE || p[sizeof(q) + i])
				irq_trigger(irq, q.index, q.start + i);
		}
		return 0;
	}
	if (q.index != VFIO_PCI_INTX_IRQ_INDEX)
		return unapi_fail(EINVAL, "SET_IRQS: only INTx can be masked");
	irq_mask_intx(irq, action == VFIO_IRQ_SET_ACTION_MASK);
	return 0;
}

/* ---- regions */

static void bar3_read(struct igb *d, uint64_t offset, uint8_t *to, uint32_t count)
{
	uint64_t pending = irq_pending_bits(&d->irq);

	memcpy(d->msix_table + SIM_MSIX_PBA, &pending, sizeof(pending));
	memcpy(to, d->msix_table + offset, count);
}

static int access_bar0(struct igb *d, uint64_t offset, uint8_t *data, uint32_t count, bool write)
{
	uint32_t val;

	/* Registers are 32 bits wide (8.1.1); wider accesses reach the device as several. */
	if (offset % 4 || (count != 4 && count != 8))
		return unapi_fail(EINVAL, "BAR0: %u bytes at 0x%llx", count, (unsigned long long)offset);
	for (uint32_t i = 0; i < count; i += 4) {
		if (write) {
			memcpy(&val, data + i, 4);
			igb_write(d, (uint32_t)offset + i, val);
		} else {
			val = igb_read(d, (uint32_t)offset + i);
			memcpy(data + i, &val, 4);
		}
	}
	return 0;
}

static int access_region(struct igb *d, const struct vfu_region_access *a, uint8_t *data, bool write)
{
	uint64_t size = region_size(a->region);
	int rc;

	if (a->offset > size || a->count > size - a->offset || !a->count)
		return unapi_fail(EINVAL, "region %u: %u bytes at 0x%llx", a->region, a->count,
				  (unsigned long long)a->offset);
	if (d->removed) { /* nobody answers on the bus: reads are all ones, writes go nowhere */
		if (!write)
			memset(data, 0xff, a->count);
		return 0;
	}
	switch (a->region) {
	case VFIO_PCI_BAR0_REGION_INDEX:
		return access_bar0(d, a->offset, data, a->count, write);
	case VFIO_PCI_BAR3_REGION_INDEX:
		if (write && a->offset + a->count <= SIM_MSIX_PBA)
			memcpy(d->msix_table + a->offset, data, a->count);
		else if (!write)
			bar3_read(d, a->offset, data, a->count);
		return 0;
	default:
		rc = write ? pciconf_write(&d->conf, a->offset, data, a->count)
			   : pciconf_read(&d->conf, a->offset, data, a->count);
		if (d->conf.flr) {
			d->conf.flr = false;
			pciconf_reset(&d->conf);
			igb_reset(d);
		}
		return rc;
	}
}

static int region_read(struct server *s, const uint8_t *p, uint32_t len, struct command_reply *r)
{
	struct vfu_region_access a;

	if (len < sizeof(a))
		return too_short("REGION_READ");
	memcpy(&a, p, sizeof(a));
	if (a.count > VFU_MAX_DATA)
		return unapi_fail(E2BIG, "REGION_READ: %u bytes", a.count);
	memcpy(scratch, &a, sizeof(a));
	r->data = scratch;
	r->len = sizeof(a) + a.count;
	return access_region(s->dev, &a, scratch + sizeof(a), false);
}

static int region_write(struct server *s, const uint8_t *p, uint32_t len, struct command_reply *r)
{
	struct vfu_region_access a;
	int rc;

	if (len < sizeof(a))
		return too_short("REGION_WRITE");
	memcpy(&a, p, sizeof(a));
	if (a.count != len - sizeof(a))
		return unapi_fail(EINVAL, "REGION_WRITE: count %u, but %zu bytes came", a.count,
				  len - sizeof(a));
	memcpy(scratch, p + sizeof(a), a.count);
	rc = access_region(s->dev, &a, scratch, true);
	return rc ? rc : answer(r, &a, sizeof(a));
}

static int region_write_multi(struct server *s, const uint8_t *p, uint32_t len, struct command_reply *r)
{
	struct vfu_write_record w;
	uint64_t count;
	int rc;

	if (len < sizeof(count))
		return too_short("REGION_WRITE_MULTI");
	memcpy(&count, p, sizeof(count));
	if (count > (len - sizeof(count)) / sizeof(w) || len != sizeof(count) + count * sizeof(w))
		return unapi_fail(EINVAL, "REGION_WRITE_MULTI: %llu records in %u bytes",
				  (unsigned long long)count, len);
	for (uint64_t i = 0; i < count; i++) {
		struct vfu_region_access a;

		memcpy(&w, p + sizeof(count) + i * sizeof(w), sizeof(w));
		a = (struct vfu_region_access){w.offset, w.region, w.count};
		if (w.count > sizeof(w.data))
			return unapi_fail(EINVAL, "REGION_WRITE_MULTI: %u bytes in a record", w.count);
		rc = access_region(s->dev, &a, w.data, true);
		if (rc)
			return rc;
	}
	return answer(r, &count, sizeof(count));
}

int command_run(struct server *s, uint16_t command, const uint8_t *p, uint32_t len, struct command_reply *r)
{
	switch (command) {
	case VFU_VERSION:
		return version(s, p, len, r);
	case VFU_DMA_MAP:
		return map(s, p, len);
	case VFU_DMA_UNMAP:
		return unmap(s, p, len, r);
	case VFU_DEVICE_GET_INFO:
		return device_info(p, len, r);
	case VFU_GET_REGION_INFO:
		return region_info(s, p, len, r);
	case VFU_GET_IRQ_INFO:
		return irq_info(s, p, len, r);
	case VFU_SET_IRQS:
		return set_irqs(s, p, len);
	case VFU_REGION_READ:
		return region_read(s, p, len, r);
	case VFU_REGION_WRITE:
		return region_write(s, p, len, r);
	case VFU_REGION_WRITE_MULTI:
		return region_write_multi(s, p, len, r);
	case VFU_DEVICE_RESET:
		if (s->dev->removed)
			return unapi_fail(ENODEV, "DEVICE_RESET: the device has been removed");
		igb_reset(s->dev);
		return 0;
	default:
		return unapi_fail(ENOSYS, "command %u", command);
	}
}
