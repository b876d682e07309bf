/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory that the client lets the device reach, and nothing else: an IOMMU. */
#ifndef SIMNIC_DMA_H
#define SIMNIC_DMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dma_region {
	uint64_t iova, size;
	uint8_t *va; /* NULL: mapped without a descriptor, out of our reach */
	uint32_t prot;
};

/* Who made an access: told to the user when it faults. */
struct dma_who {
	const char *what; /* "rx descriptor", "tx buffer"... */
	unsigned int queue, slot;
};

struct dma {
	struct dma_region *regions; /* sorted by iova */
	unsigned int count, room;
	unsigned int last;   /* the region found last: most accesses come in runs */
	uint32_t generation; /* changes whenever a pointer taken before may be stale */
	uint64_t faults;
	char last_fault[192];
};

void dma_init(struct dma *d);
void dma_fini(struct dma *d);

/* @fd -1: no descriptor. -EEXIST overlap; -EINVAL shape or a file shorter than claimed. The caller keeps @fd.
 */
int dma_map(struct dma *d, uint64_t iova, uint64_t size, uint32_t prot, int fd, uint64_t offset);
int dma_unmap(struct dma *d, uint64_t iova, uint64_t size);
void dma_unmap_all(struct dma *d);

/* The bytes [iova, iova + len) if one region holds them with all of @prot, else NULL. No fault is counted. */
void *dma_find(struct dma *d, uint64_t iova, uint64_t len, uint32_t prot);

/* Copy across regions. -EFAULT, with the fault counted and described, if any byte is out of reach. */
int dma_read(struct dma *d, uint64_t iova, void *to, size_t len, struct dma_who who);
int dma_write(struct dma *d, uint64_t iova, const void *from, size_t len, struct dma_who who);

void dma_fault(struct dma *d, uint64_t iova, uint64_t len, bool write, struct dma_who who);

#endif
