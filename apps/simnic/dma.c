/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/simnic/dma.h"
#include "apps/simnic/proto.h"
#include "core/base/compiler.h"
#include "core/base/reason.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define DMA_PAGE	4096u
#define DMA_MAX_REGIONS 65535u
#define FAULTS_SHOWN	16u

void dma_init(struct dma *d)
{
	memset(d, 0, sizeof(*d));
	d->generation = 1;
}

void dma_fini(struct dma *d)
{
	dma_unmap_all(d);
	free(d->regions);
	d->regions = NULL;
	d->room = 0;
}

/* The index of the first region that ends above @iova. */
static unsigned int lower_bound(const struct dma *d, uint64_t iova)
{
	unsigned int lo = 0, hi = d->count;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (d->regions[mid].iova + (d->regions[mid].size - 1) < iova)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int map_file(struct dma_region *r, int fd, uint64_t offset)
{
	int prot = (r->prot & VFU_DMA_READ ? PROT_READ : 0) | (r->prot & VFU_DMA_WRITE ? PROT_WRITE : 0);
	struct stat st;
	void *va;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return unapi_fail(EINVAL, "DMA map: the descriptor is not memory");
	/* A mapping beyond the end of the file would be SIGBUS at the first access. */
	if (offset > (uint64_t)st.st_size || r->size > (uint64_t)st.st_size - offset)
		return unapi_fail(EINVAL,
				  "DMA map: the file has %" PRIu64 " bytes, too few for %" PRIu64
				  " at %" PRIu64,
				  (uint64_t)st.st_size, r->size, offset);
	va = mmap(NULL, r->size, prot, MAP_SHARED, fd, (off_t)offset);
	if (va == MAP_FAILED)
		return unapi_fail(errno, "DMA map: mmap: %s", strerror(errno));
	r->va = va;
	return 0;
}

int dma_map(struct dma *d, uint64_t iova, uint64_t size, uint32_t prot, int fd, uint64_t offset)
{
	struct dma_region r = {.iova = iova, .size = size, .prot = prot};
	struct dma_region *grown;
	unsigned int at;
	int rc;

	if (!size || (iova | size | offset) % DMA_PAGE || iova + (size - 1) < iova ||
	    offset + size < offset || !(prot & (VFU_DMA_READ | VFU_DMA_WRITE)) ||
	    (prot & ~(VFU_DMA_READ | VFU_DMA_WRITE)))
		return unapi_fail(EINVAL, "DMA map: bad address, size, offset or flags");
	at = lower_bound(d, iova);
	if (at < d->count && d->regions[at].iova <= iova + (size - 1))
		return unapi_fail(EEXIST, "DMA map: overlaps what is mapped");
	if (d->count == DMA_MAX_REGIONS)
		return unapi_fail(ENOSPC, "DMA map: too many regions");
	if (d->count == d->room) {
		grown = realloc(d->regions, (d->room ? d->room * 2 : 16) * sizeof(*grown));
		if (!grown)
			return unapi_fail(ENOMEM, "DMA map: no memory");
		d->regions = grown;
		d->room = d->room ? d->room * 2 : 16;
	}
	if (fd >= 0) {
		rc = map_file(&r, fd, offset);
		if (rc)
			return rc;
	}
	memmove(&d->regions[at + 1], &d->regions[at], (d->count - at) * sizeof(r));
	d->regions[at] = r;
	d->count++;
	d->generation++;
	return 0;
}

int dma_unmap(struct dma *d, uint64_t iova, uint64_t size)
{
	unsigned int at = lower_bound(d, iova);

	if (at == d->count || d->regions[at].iova != iova || d->regions[at].size != size)
		return unapi_fail(ENOENT, "DMA unmap: no region has this address and size");
	if (d->regions[at].va)
		munmap(d->regions[at].va, size);
	d->count--;
	memmove(&d->regions[at], &d->regions[at + 1], (d->count - at) * sizeof(*d->regions));
	d->last = 0;
	d->generation++;
	return 0;
}

void dma_unmap_all(struct dma *d)
{
	for (unsigned int i = 0; i < d->count; i++) {
		if (d->regions[i].va)
			munmap(d->regions[i].va, d->regions[i].size);
	}
	d->count = 0;
	d->last = 0;
	d->generation++;
}

static inline bool within(const struct dma_region *r, uint64_t iova, uint64_t len)
{
	return iova >= r->iova && len <= r->size && iova - r->iova <= r->size - len;
}

void *dma_find(struct dma *d, uint64_t iova, uint64_t len, uint32_t prot)
{
	struct dma_region *r;

	if (unlikely(!d->count))
		return NULL;
	r = &d->regions[d->last];
	if (unlikely(!within(r, iova, len))) {
		unsigned int at = lower_bound(d, iova);

		if (at == d->count || !within(&d->regions[at], iova, len))
			return NULL;
		d->last = at;
		r = &d->regions[at];
	}
	if (unlikely(!r->va || (r->prot & prot) != prot))
		return NULL;
	return r->va + (iova - r->iova);
}

void dma_fault(struct dma *d, uint64_t iova, uint64_t len, bool write, struct dma_who who)
{
	snprintf(d->last_fault, sizeof(d->last_fault),
		 "%s of %" PRIu64 " bytes at 0x%" PRIx64
		 " by queue %u, slot %u (%s) is outside what the client mapped",
		 write ? "write" : "read", len, iova, who.queue, who.slot, who.what);
	if (d->faults++ < FAULTS_SHOWN)
		fprintf(stderr, "simnic: DMA fault: %s\n", d->last_fault);
}

/* The longest stretch at @iova, at most @len, that one region holds with @prot. */
static uint8_t *piece(struct dma *d, uint64_t iova, size_t len, uint32_t prot, size_t *got)
{
	unsigned int at = lower_bound(d, iova);
	struct dma_region *r = at < d->count ? &d->regions[at] : NULL;
	uint64_t left;

	if (!r || iova < r->iova || !r->va || (r->prot & prot) != prot)
		return NULL;
	left = r->size - (iova - r->iova);
	*got = left < len ? (size_t)left : len;
	return r->va + (iova - r->iova);
}

static int copy(struct dma *d, uint64_t iova, uint8_t *buf, size_t len, bool write, struct dma_who who)
{
	uint32_t prot = write ? VFU_DMA_WRITE : VFU_DMA_READ;
	size_t got;

	if (iova + len < iova) {
		dma_fault(d, iova, len, write, who);
		return -EFAULT;
	}
	while (len) {
		uint8_t *p = piece(d, iova, len, prot, &got);

		if (!p) {
			dma_fault(d, iova, len, write, who);
			return -EFAULT;
		}
		if (write)
			memcpy(p, buf, got);
		else
			memcpy(buf, p, got);
		iova += got;
		buf += got;
		len -= got;
	}
	return 0;
}

int dma_read(struct dma *d, uint64_t iova, void *to, size_t len, struct dma_who who)
{
	const void *p = dma_find(d, iova, len, VFU_DMA_READ);

	if (unlikely(!p))
		return copy(d, iova, to, len, false, who);
	memcpy(to, p, len);
	return 0;
}

int dma_write(struct dma *d, uint64_t iova, const void *from, size_t len, struct dma_who who)
{
	void *p = dma_find(d, iova, len, VFU_DMA_WRITE);

	if (unlikely(!p))
		return copy(d, iova, (uint8_t *)(uintptr_t)from, len, true, who);
	memcpy(p, from, len);
	return 0;
}
