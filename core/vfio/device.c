/* SPDX-License-Identifier: BSD-3-Clause */
/* What a device is on either carrier: registers, config space, slow path. */
#include "core/vfio/device.h"
#include "core/base/reason.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void vfio_device_init(struct vfio_device *v, const char *name, const struct vfio_device_ops *ops,
		      struct dma_space *space)
{
	snprintf(v->name, sizeof(v->name), "%s", name);
	v->ops = ops;
	v->numa_node = -1;
	v->space = space;
	for (uint32_t i = 0; i < VFIO_PCI_NUM_REGIONS; i++)
		v->regions[i].index = i;
}

static int take_area(struct vfio_region *r, uint64_t offset, uint64_t size)
{
	if ((offset | size) & 4095 || !size || offset > r->size || size > r->size - offset)
		return unapi_fail(EPROTO, "region %u of %#llx bytes offers to map %#llx bytes at %#llx",
				  r->index, (unsigned long long)r->size, (unsigned long long)size,
				  (unsigned long long)offset);
	if (r->nr_areas == VFIO_MAX_AREAS)
		return 0; /* the rest is reached by calls */
	r->areas[r->nr_areas++] = (struct vfio_area){.offset = offset, .size = size};
	return 0;
}

static int parse_sparse(struct vfio_region *r, const uint8_t *cap, size_t len)
{
	struct vfio_region_info_cap_sparse_mmap s;
	int rc = 0;

	if (len < sizeof(s))
		return unapi_fail(EPROTO, "region %u: a capability is cut short", r->index);
	memcpy(&s, cap, sizeof(s));
	if (s.nr_areas > (len - sizeof(s)) / sizeof(struct vfio_region_sparse_mmap_area))
		return unapi_fail(EPROTO, "region %u: %u mappable areas are announced and not sent", r->index,
				  s.nr_areas);
	for (uint32_t i = 0; i < s.nr_areas && !rc; i++) {
		struct vfio_region_sparse_mmap_area a;

		memcpy(&a, cap + sizeof(s) + i * sizeof(a), sizeof(a));
		if (a.size) /* the kernel says "nothing may be mapped" by one empty area */
			rc = take_area(r, a.offset, a.size);
	}
	return rc;
}

int vfio_parse_region(struct vfio_region *r, const struct vfio_region_info *info, size_t len)
{
	const uint8_t *base = (const uint8_t *)info;
	size_t at = 0, caps = 0;
	bool sparse = false;
	int rc = 0;

	r->flags = info->flags;
	r->size = info->size;
	r->offset = info->offset;
	r->nr_areas = 0;
	if (!(info->flags & VFIO_REGION_INFO_FLAG_MMAP) || !r->size)
		return 0;
	if (info->flags & VFIO_REGION_INFO_FLAG_CAPS)
		at = info->cap_offset;
	while (at && !rc) {
		struct vfio_info_cap_header h;

		/* Each capability has at least its header, so a chain longer than this goes in circles. */
		if (at < sizeof(*info) || at + sizeof(h) > len || ++caps > len / sizeof(h))
			return unapi_fail(EPROTO, "region %u: its capabilities are not where they should be",
					  r->index);
		memcpy(&h, base + at, sizeof(h));
		if (h.id == VFIO_REGION_INFO_CAP_SPARSE_MMAP && !sparse) {
			sparse = true;
			rc = parse_sparse(r, base + at, len - at);
		}
		at = h.next;
	}
	/* Less than a page cannot be mapped, and is not worth it. */
	if (!rc && !sparse && r->size >= 4096)
		rc = take_area(r, 0, r->size & ~4095ULL);
	return rc;
}

int vfio_map_region(struct vfio_device *v, struct vfio_region *r, int fd, bool check_size)
{
	int prot = 0;
	struct stat st;

	prot |= r->flags & VFIO_REGION_INFO_FLAG_READ ? PROT_READ : 0;
	prot |= r->flags & VFIO_REGION_INFO_FLAG_WRITE ? PROT_WRITE : 0;
	if (check_size && fstat(fd, &st) < 0)
		return unapi_fail(errno, "%s: region %u's descriptor: %s", v->name, r->index,
				  strerror(errno));
	for (unsigned int i = 0; i < r->nr_areas; i++) {
		struct vfio_area *a = &r->areas[i];
		uint64_t end = r->offset + a->offset + a->size;

		if (check_size && (end < r->offset || end > (uint64_t)st.st_size)) {
			r->nr_areas = i;
			return unapi_fail(EPROTO,
					  "%s: region %u is said to be mappable to %#llx, its descriptor has "
					  "%#llx bytes",
					  v->name, r->index, (unsigned long long)end,
					  (unsigned long long)st.st_size);
		}
		a->addr = mmap(NULL, a->size, prot, MAP_SHARED, fd, (off_t)(r->offset + a->offset));
		if (a->addr == MAP_FAILED) {
			r->nr_areas = i;
			return unapi_fail(errno, "%s: mapping region %u: %s", v->name, r->index,
					  strerror(errno));
		}
	}
	return 0;
}

void vfio_unmap_regions(struct vfio_device *v)
{
	for (uint32_t i = 0; i < VFIO_PCI_NUM_REGIONS; i++) {
		struct vfio_region *r = &v->regions[i];

		while (r->nr_areas) {
			struct vfio_area *a = &r->areas[--r->nr_areas];

			munmap((void *)(uintptr_t)a->addr, a->size);
		}
	}
}

int vfio_config_read(struct vfio_device *v, unsigned int off, void *buf, size_t n)
{
	ssize_t rc = v->ops->region_read(v, &v->regions[VFIO_PCI_CONFIG_REGION_INDEX], off, buf, n);

	return rc < 0 ? (int)rc : 0;
}

int vfio_config_write(struct vfio_device *v, unsigned int off, const void *buf, size_t n)
{
	ssize_t rc = v->ops->region_write(v, &v->regions[VFIO_PCI_CONFIG_REGION_INDEX], off, buf, n);

	return rc < 0 ? (int)rc : 0;
}

static int change_command(struct vfio_device *v, uint16_t set, uint16_t clear)
{
	uint16_t cmd, want;
	int rc = vfio_config_read(v, PCI_COMMAND, &cmd, 2);

	if (rc)
		return rc;
	want = (uint16_t)((cmd | set) & ~clear);
	return want == cmd ? 0 : vfio_config_write(v, PCI_COMMAND, &want, 2);
}

int vfio_set_bus_master(struct vfio_device *v, bool on)
{
	return change_command(v, on ? PCI_COMMAND_MASTER : 0, on ? 0 : PCI_COMMAND_MASTER);
}

int vfio_device_identify(struct vfio_device *v)
{
	uint16_t ids[2], sub[2];
	int rc = vfio_config_read(v, PCI_VENDOR_ID, ids, 4);

	if (!rc)
		rc = vfio_config_read(v, PCI_SUBSYSTEM_VENDOR_ID, sub, 4);
	if (rc)
		return rc;
	v->vendor_id = ids[0];
	v->device_id = ids[1];
	v->subsystem_vendor_id = sub[0];
	v->subsystem_device_id = sub[1];
	if (v->vendor_id == 0xffff)
		return unapi_fail(ENODEV,
				  "%s: config space reads all ones: the device is gone or powered down",
				  v->name);
	return change_command(v, PCI_COMMAND_MEMORY, PCI_COMMAND_MASTER);
}

int vfio_reset(struct vfio_device *v)
{
	if (!v->can_reset)
		return unapi_fail(ENOTSUP, "%s: the function has no reset", v->name);
	return v->ops->reset(v);
}

void vfio_close(struct vfio_device *v)
{
	if (!v)
		return;
	vfio_irq_disable(v);
	if (!READ_ONCE(v->gone))
		vfio_set_bus_master(v, false);
	vfio_unmap_regions(v);
	v->ops->close(v);
}

void vfio_set_event_fn(struct vfio_device *v, vfio_event_fn fn, void *arg)
{
	v->event_fn = fn;
	v->event_arg = arg;
}

void vfio_slow_fd_ready(struct vfio_device *v, int fd)
{
	v->ops->slow_fd_ready(v, fd);
}

void vfio_mark_gone(struct vfio_device *v)
{
	if (!__atomic_exchange_n(&v->gone, true, __ATOMIC_ACQ_REL) && v->event_fn)
		v->event_fn(v->event_arg, v, VFIO_EVENT_GONE);
}

static volatile uint8_t *mapped(struct vfio_region *r, uint64_t off)
{
	for (unsigned int i = 0; i < r->nr_areas; i++) {
		struct vfio_area *a = &r->areas[i];

		if (off >= a->offset && off - a->offset < a->size)
			return a->addr + (off - a->offset);
	}
	return NULL;
}

volatile uint32_t *vfio_region_ptr32(struct vfio_region *r, uint64_t off)
{
	return (volatile uint32_t *)mapped(r, off);
}

uint32_t vfio_region_read32_slow(struct vfio_device *v, struct vfio_region *r, uint64_t off)
{
	volatile uint32_t *p = vfio_region_ptr32(r, off);
	uint32_t val;

	if (p)
		return *p;
	if (READ_ONCE(v->gone) || v->ops->region_read(v, r, off, &val, 4) != 4)
		return UINT32_MAX;
	return val;
}

void vfio_region_write32_slow(struct vfio_device *v, struct vfio_region *r, uint64_t off, uint32_t val)
{
	volatile uint32_t *p = vfio_region_ptr32(r, off);

	if (p)
		*p = val;
	else if (!READ_ONCE(v->gone))
		v->ops->region_write(v, r, off, &val, 4);
}
