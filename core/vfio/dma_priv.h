/* SPDX-License-Identifier: BSD-3-Clause */
/* Between dma_mem.c, which makes memory, dma_space.c, which maps it, and the carriers. */
#ifndef UNAPI_CORE_DMA_PRIV_H
#define UNAPI_CORE_DMA_PRIV_H

#include "core/vfio/dma.h"

/* Fill va, size, fd, pages and fell_back for at least @size bytes on m->node. */
int dma_mem_make(struct dma_mem *m, uint64_t size, enum dma_pages want);
void dma_mem_unmake(struct dma_mem *m);
uint64_t dma_page_size(enum dma_pages p);

/* Take page sizes and address ranges from @fresh, and what @fresh says is left of the mapping limit. */
void dma_space_set_limits(struct dma_space *s, const struct dma_space *fresh);

#endif
