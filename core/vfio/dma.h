/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that devices reach.
 *
 * A dma_space is one set of I/O page tables: a VFIO container, or one vfio-user server. A dma_mem is a piece
 * of shareable memory (memfd) with one I/O virtual address that is the same in every space, so that a
 * buffer's IOVA follows from its handle alone, whichever device it is sent by.
 */
#ifndef UNAPI_CORE_DMA_H
#define UNAPI_CORE_DMA_H

#include "core/base/compiler.h"
#include "core/base/list.h"

struct dma_space;
struct dma_mem;

struct dma_iova_range {
	uint64_t start, last; /* inclusive */
};

#define DMA_MAX_RANGES 16

struct dma_space_ops {
	int (*map)(struct dma_space *s, const struct dma_mem *m);
	int (*unmap)(struct dma_space *s, const struct dma_mem *m);
};

struct dma_space {
	const struct dma_space_ops *ops;
	char name[64];
	uint64_t page_sizes;	/* bit mask of supported page sizes */
	unsigned int nr_ranges; /* usable IOVA ranges, ascending; 0: everything below 1 << 48 */
	struct dma_iova_range ranges[DMA_MAX_RANGES];
	uint32_t max_maps; /* mappings the carrier allows at once (kernel: dma_entry_limit) */
	uint32_t nr_maps;
	unsigned int slot;     /* its bit in dma_mem.map_mask */
	struct list_head link; /* in the list of all spaces; guarded by dma.c's lock */
};

enum dma_pages { DMA_PAGES_4K, DMA_PAGES_2M, DMA_PAGES_1G };

struct dma_mem {
	void *va;
	uint64_t iova;
	uint64_t size; /* a multiple of the page size */
	int fd;	       /* memfd; offset 0 is va */
	int node;      /* NUMA node asked for, -1 any */
	enum dma_pages pages;
	bool shared_by_all;  /* mapped into every space, also those that appear later (packet pools) */
	uint64_t map_mask;   /* which spaces have it: dma.c's business */
	char fell_back[160]; /* why the pages are smaller than asked for; "" if they are not */
	struct list_head link;
};

/*
 * dma_alloc() - populated, zeroed, shareable memory on a NUMA node
 * @space: the space it is mapped into (rings); NULL: every space of the process, now and later (pools)
 * @node: NUMA node, -1 for any; -ENOMEM with the reason if that node has no pages (never SIGBUS later)
 * @want: the largest page size to try; falls back to smaller ones and says so with an info log line, once
 *
 * The IOVA is chosen inside what every space allows. -ENOSPC when the carrier's mapping limit is reached,
 * -EAGAIN/-EPERM/-ENOMEM with the locked-memory figure when the kernel refuses to pin (RLIMIT_MEMLOCK).
 */
int dma_alloc(struct dma_space *space, size_t size, int node, enum dma_pages want, struct dma_mem **out);
/* Unmap it everywhere, then free it. No device may use it any more. */
void dma_free(struct dma_mem *m);

/* Carriers call these when a space appears (maps what is shared by all) and disappears (forgets all maps). */
int dma_space_register(struct dma_space *s);
void dma_space_unregister(struct dma_space *s);

/* One line on what backs @m: "2 MiB hugepages on node 0" or "4 KiB pages (no hugepages free: ...)". */
void dma_mem_describe(const struct dma_mem *m, char *buf, size_t n);

#endif
