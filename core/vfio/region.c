/* SPDX-License-Identifier: BSD-3-Clause */
/* Regions of either carrier: what may be mapped, mapping it, and 32-bit registers. */
#include "core/base/reason.h"
#include "core/vfio/device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PAGE	      4096ULL
#define REPLY_FIRST   1024u
#define REPLY_LONGEST (1u << 20) /* what a list of capabilities may take at most, on either carrier */

static int take_area(struct vfio_region *r, uint64_t offset, uint64_t size)
{
	if ((offset | size) & (PAGE - 1) || !size || offset > r->size || size > r->size - offset)
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

/*
 * The MSI-X-mappable capability (id 3) needs no action: without it the kernel lists the areas around the
 * table by the sparse capability, and old kernels refuse the mapping, which vfio_map_region() survives.
 */
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
	if (!rc && !sparse && r->size >= PAGE)
		rc = take_area(r, 0, r->size & ~(PAGE - 1));
	if (rc)
		r->nr_areas = 0;
	return rc;
}

int vfio_ask_region(struct vfio_region *r, vfio_region_asker ask, void *arg)
{
	struct vfio_region_info *info = NULL;
	uint32_t len = REPLY_FIRST;
	int rc;

	/* The answer says how long it would have been; twice is enough for whoever means it. */
	for (int tries = 0; tries < 2; tries++) {
		struct vfio_region_info *longer = realloc(info, len);

		if (!longer) {
			free(info);
			return unapi_fail(ENOMEM, "no memory for region information of %u bytes", len);
		}
		info = longer;
		memset(info, 0, len);
		info->argsz = len;
		info->index = r->index;
		rc = ask(arg, info, len);
		if (rc < 0)
			break;
		if (info->argsz <= len) {
			rc = vfio_parse_region(r, info, (size_t)rc < len ? (size_t)rc : len);
			break;
		}
		len = info->argsz;
		rc = unapi_fail(EPROTO, "region %u: its information takes %u bytes", r->index, len);
		if (len > REPLY_LONGEST)
			break;
	}
	free(info);
	return rc;
}

/*
 * A server could cut its memory short later, and our next access would then raise SIGBUS. A seal on a memfd
 * rules that out; a file that takes none is mapped all the same, since a server that offers it means it.
 */
static int check_file(const struct vfio_device *v, const struct vfio_region *r, int fd)
{
	struct stat st;

	fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
	if (fstat(fd, &st) < 0)
		return unapi_fail(errno, "%s: region %u's descriptor: %s", v->name, r->index,
				  strerror(errno));
	for (unsigned int i = 0; i < r->nr_areas; i++) {
		const struct vfio_area *a = &r->areas[i];
		uint64_t end = r->offset + a->offset + a->size; /* offset + size is within the region */

		if (end < r->offset || end > (uint64_t)st.st_size)
			return unapi_fail(EPROTO,
					  "%s: region %u is said to be mappable to %#llx, its descriptor has "
					  "%#llx bytes",
					  v->name, r->index, (unsigned long long)end,
					  (unsigned long long)st.st_size);
	}
	return 0;
}

int vfio_map_region(struct vfio_device *v, struct vfio_region *r, int fd, bool check_size)
{
	unsigned int wanted = r->nr_areas;
	int prot = 0, rc = 0;

	prot |= r->flags & VFIO_REGION_INFO_FLAG_READ ? PROT_READ : 0;
	prot |= r->flags & VFIO_REGION_INFO_FLAG_WRITE ? PROT_WRITE : 0;
	if (check_size && wanted)
		rc = check_file(v, r, fd);
	r->nr_areas = 0;
	for (unsigned int i = 0; i < wanted && !rc; i++) {
		struct vfio_area a = r->areas[i];

		a.addr = mmap(NULL, a.size, prot, MAP_SHARED, fd, (off_t)(r->offset + a.offset));
		if (a.addr == MAP_FAILED) {
			unapi_log(UNAPI_LOG_INFO,
				  "%s: region %u at %#llx cannot be mapped (%s): it is reached by calls",
				  v->name, r->index, (unsigned long long)a.offset, strerror(errno));
			continue;
		}
		r->areas[r->nr_areas++] = a;
	}
	r->nr_mapped = r->nr_areas;
	return rc;
}

void vfio_unmap_regions(struct vfio_device *v)
{
	for (uint32_t i = 0; i < VFIO_PCI_NUM_REGIONS; i++) {
		struct vfio_region *r = &v->regions[i];

		r->nr_areas = 0;
		while (r->nr_mapped) {
			struct vfio_area *a = &r->areas[--r->nr_mapped];

			munmap((void *)(uintptr_t)a->addr, a->size);
		}
	}
}

void vfio_hide_areas(struct vfio_device *v)
{
	for (uint32_t i = 0; i < VFIO_PCI_NUM_REGIONS; i++)
		WRITE_ONCE(v->regions[i].nr_areas, 0);
}

volatile uint32_t *vfio_region_ptr32(struct vfio_region *r, uint64_t off)
{
	unsigned int n = READ_ONCE(r->nr_areas);

	for (unsigned int i = 0; i < n; i++) {
		struct vfio_area *a = &r->areas[i];

		if (off >= a->offset && off - a->offset < a->size)
			return (volatile uint32_t *)(a->addr + (off - a->offset));
	}
	return NULL;
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
