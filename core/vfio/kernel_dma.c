/* SPDX-License-Identifier: BSD-3-Clause */
/* DMA through a VFIO container of type 1 (<linux/vfio.h>, drivers/vfio/vfio_iommu_type1.c). */
#include "core/base/reason.h"
#include "core/pci/pci.h"
#include "core/vfio/dma_priv.h"
#include "core/vfio/kernel.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define INFO_FIRST   1024u
#define INFO_LONGEST (1u << 20)

/* What the process has pinned or locked already: the kernel counts both against one limit. */
static unsigned long long locked_kib(void)
{
	char path[PATH_MAX], line[128];
	unsigned long long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/self/status", pci_roots()->proc);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "VmLck: %llu", &kib) == 1)
			break;
	fclose(f);
	return kib;
}

/* The kernel's log alone would say that it was the limit, and nobody says how much would do. */
static int map_failed(const struct dma_space *s, const struct dma_mem *m, int err)
{
	unsigned long long kib = m->size >> 10, need;
	struct rlimit rl;

	if (err == ENOMEM && getrlimit(RLIMIT_MEMLOCK, &rl) == 0 && rl.rlim_cur != RLIM_INFINITY) {
		need = locked_kib() + kib;
		if (need > rl.rlim_cur >> 10)
			return unapi_fail(
				ENOMEM,
				"%s: pinning %llu KiB for DMA was refused: the locked-memory limit is %llu "
				"KiB, %llu are needed so far: ulimit -l %llu (or LimitMEMLOCK=, or "
				"CAP_IPC_LOCK)",
				s->name, kib, (unsigned long long)(rl.rlim_cur >> 10), need, need);
	}
	if (err == ENOSPC)
		return unapi_fail(ENOSPC,
				  "%s: the kernel's limit of DMA mappings is reached "
				  "(vfio_iommu_type1.dma_entry_limit)",
				  s->name);
	return unapi_fail(err, "%s: mapping %llu KiB at %#llx for DMA: %s", s->name, kib,
			  (unsigned long long)m->iova, strerror(err));
}

static int kernel_map(struct dma_space *s, const struct dma_mem *m)
{
	struct kernel_container *c = container_of(s, struct kernel_container, space);
	struct vfio_iommu_type1_dma_map map = {.argsz = sizeof(map),
					       .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
					       .vaddr = (uintptr_t)m->va,
					       .iova = m->iova,
					       .size = m->size};

	return kernel_calls->ioctl(c->fd, VFIO_IOMMU_MAP_DMA, &map) < 0 ? map_failed(s, m, errno) : 0;
}

static int kernel_unmap(struct dma_space *s, const struct dma_mem *m)
{
	struct kernel_container *c = container_of(s, struct kernel_container, space);
	struct vfio_iommu_type1_dma_unmap unmap = {.argsz = sizeof(unmap), .iova = m->iova, .size = m->size};

	if (kernel_calls->ioctl(c->fd, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0)
		return unapi_fail(errno, "%s: unmapping %llu KiB at %#llx: %s", s->name,
				  (unsigned long long)(m->size >> 10), (unsigned long long)m->iova,
				  strerror(errno));
	return 0;
}

const struct dma_space_ops kernel_dma_ops = {.map = kernel_map, .unmap = kernel_unmap};

static int parse_ranges(struct dma_space *s, const uint8_t *cap, size_t len)
{
	struct vfio_iommu_type1_info_cap_iova_range head;

	if (len < sizeof(head))
		return unapi_fail(EPROTO, "%s: the list of I/O address ranges is cut short", s->name);
	memcpy(&head, cap, sizeof(head));
	if (head.nr_iovas > (len - sizeof(head)) / sizeof(struct vfio_iova_range))
		return unapi_fail(EPROTO, "%s: %u I/O address ranges are announced and not given", s->name,
				  head.nr_iovas);
	s->nr_ranges = 0;
	for (uint32_t i = 0; i < head.nr_iovas && s->nr_ranges < DMA_MAX_RANGES; i++) {
		struct vfio_iova_range r;

		memcpy(&r, cap + sizeof(head) + i * sizeof(r), sizeof(r));
		if (r.start <= r.end)
			s->ranges[s->nr_ranges++] = (struct dma_iova_range){r.start, r.end};
	}
	return s->nr_ranges ? 0 : unapi_fail(ENOTSUP, "%s: the IOMMU has no usable addresses", s->name);
}

int kernel_parse_iommu(struct dma_space *s, const struct vfio_iommu_type1_info *info, size_t len)
{
	const uint8_t *base = (const uint8_t *)info;
	size_t at = info->flags & VFIO_IOMMU_INFO_CAPS ? info->cap_offset : 0, caps = 0;
	int rc = 0;

	if (info->flags & VFIO_IOMMU_INFO_PGSIZES)
		s->page_sizes = info->iova_pgsizes;
	while (at && !rc) {
		struct vfio_info_cap_header h;

		if (at < sizeof(*info) || at + sizeof(h) > len || ++caps > len / sizeof(h))
			return unapi_fail(EPROTO, "%s: the IOMMU's capabilities are not where they should be",
					  s->name);
		memcpy(&h, base + at, sizeof(h));
		if (h.id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE) {
			rc = parse_ranges(s, base + at, len - at);
		} else if (h.id == VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL &&
			   len - at >= sizeof(struct vfio_iommu_type1_info_dma_avail)) {
			struct vfio_iommu_type1_info_dma_avail avail;

			memcpy(&avail, base + at, sizeof(avail));
			s->max_maps = avail.avail;
		}
		at = h.next;
	}
	return rc;
}

int kernel_read_iommu(struct kernel_container *c)
{
	struct vfio_iommu_type1_info *info = NULL;
	struct dma_space fresh = {.page_sizes = 4096, .max_maps = 65535};
	uint32_t len = INFO_FIRST;
	int rc = 0;

	memcpy(fresh.name, c->space.name, sizeof(fresh.name));
	for (int tries = 0; tries < 2; tries++) {
		struct vfio_iommu_type1_info *longer = realloc(info, len);

		if (!longer) {
			rc = unapi_fail(ENOMEM, "%s: no memory", fresh.name);
			break;
		}
		info = longer;
		memset(info, 0, len);
		info->argsz = len;
		if (kernel_calls->ioctl(c->fd, VFIO_IOMMU_GET_INFO, info) < 0) {
			rc = unapi_fail(errno, "%s: asking the IOMMU what it can do: %s", fresh.name,
					strerror(errno));
			break;
		}
		/* The kernel says in argsz how long the whole answer is, and leaves out what does not fit. */
		if (info->argsz <= len) {
			rc = kernel_parse_iommu(&fresh, info, len);
			break;
		}
		len = info->argsz;
		rc = unapi_fail(EPROTO, "%s: the IOMMU's information takes %u bytes", fresh.name, len);
		if (len > INFO_LONGEST)
			break;
	}
	free(info);
	if (!rc)
		dma_space_set_limits(&c->space, &fresh);
	return rc;
}
