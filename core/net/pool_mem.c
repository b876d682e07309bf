/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory of a page pool.
 *
 * A buffer does not reach from one page into the next: the two may have no adjacent memory behind them, and a
 * device model that maps a packet in one piece then drops it (QEMU's igb: net_tx_pkt_add_raw_fragment_pci()
 * in hw/net/net_tx_pkt.c; it sets DD nevertheless). The stride stays what it is, so that buffers neither
 * share cache sets nor need more than one multiplication for their address; indices whose buffer would cross
 * a page are left out. In 2 MiB pages that is one in a thousand, in 4 KiB pages every other one, which costs
 * as much as a page for each buffer would.
 */
#include "core/net/pool_impl.h"
#include "core/base/reason.h"

#include <errno.h>
#include <string.h>

static const uint32_t page_sizes[] = {
	[DMA_PAGES_4K] = 1u << 12,
	[DMA_PAGES_2M] = 1u << 21,
	[DMA_PAGES_1G] = 1u << 30,
};

/* How many indices it takes to have @buffers that fit their page. */
static uint64_t indices_for(uint32_t buffers, uint32_t page_size)
{
	uint32_t found = 0;
	uint64_t i;

	for (i = 0; found < buffers; i++)
		found += pool_fits_page(page_size, (uint32_t)i);
	return i;
}

static int alloc_in(struct page_pool *p, int node, enum dma_pages pages)
{
	uint64_t indices = indices_for(p->buffers, page_sizes[pages]);

	if (indices > UNAPI_BUF_MASK + 1)
		return unapi_fail(ENOMEM, "%u buffers do not fit their pages of %u KiB; hugepages hold more",
				  p->buffers, page_sizes[pages] / 1024);
	p->indices = (uint32_t)indices;
	p->page_size = page_sizes[pages];
	return dma_alloc(NULL, indices * POOL_STRIDE, node, pages, &p->mem);
}

int pool_alloc_memory(struct page_pool *p, int node)
{
	char why[sizeof(p->mem->fell_back)];
	int rc = alloc_in(p, node, DMA_PAGES_2M);

	if (rc || p->mem->pages == DMA_PAGES_2M)
		return rc;
	/* No hugepages: more indices are needed. What is told of the memory is still why it is not larger. */
	memcpy(why, p->mem->fell_back, sizeof(why));
	dma_free(p->mem);
	rc = alloc_in(p, node, DMA_PAGES_4K);
	if (!rc)
		memcpy(p->mem->fell_back, why, sizeof(why));
	return rc;
}
