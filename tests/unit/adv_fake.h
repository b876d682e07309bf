/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device played by hand, for testing descriptor rings without one: it has one register block, memory that
 * nobody maps, and what it does to the rings the test does in its stead.
 */
#ifndef UNAPI_TEST_ADV_FAKE_H
#define UNAPI_TEST_ADV_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/net/netdev.h"

#include <stdio.h>
#include <string.h>

#define FAKE_TAIL 0x18

struct adv_fake {
	struct vfio_device v;
	struct vfio_device_ops ops;
	uint32_t regs[16];	  /* the register block; mapped, or reached by calls */
	unsigned int tail_writes; /* counted where they are calls */
};

static inline ssize_t adv_fake_write(struct vfio_device *v, struct vfio_region *r, uint64_t off,
				     const void *buf, size_t n)
{
	struct adv_fake *f = container_of(v, struct adv_fake, v);

	memcpy((uint8_t *)f->regs + off, buf, n);
	f->tail_writes += off == FAKE_TAIL;
	return (ssize_t)n;
}

static inline void adv_fake_init(struct adv_fake *f, bool mapped)
{
	struct vfio_region *bar = &f->v.regions[0];

	memset(f, 0, sizeof(*f));
	f->ops = (struct vfio_device_ops){.carrier = "none", .region_write = adv_fake_write};
	f->v.ops = &f->ops;
	f->v.numa_node = -1;
	snprintf(f->v.name, sizeof(f->v.name), "fake");
	bar->size = sizeof(f->regs);
	bar->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (mapped) {
		bar->nr_areas = 1;
		bar->areas[0] =
			(struct vfio_area){.size = sizeof(f->regs), .addr = (volatile uint8_t *)f->regs};
	}
}

static inline uint32_t adv_fake_tail(const struct adv_fake *f)
{
	return READ_ONCE(f->regs[FAKE_TAIL / 4]);
}

static inline uint32_t pool_inflight(const struct page_pool *pool)
{
	struct unapi_page_pool_info info;

	unapi_page_pool_get_info(pool, &info);
	return info.inflight;
}

/* The buffer that an address handed to the device lies in. */
static inline uint32_t buf_at_iova(struct page_pool *pool, uint64_t iova)
{
	const struct unapi_pool_view *v = page_pool_view(pool);

	return page_pool_id(pool) << UNAPI_POOL_SHIFT | (uint32_t)((iova - v->iova) / v->stride);
}

#endif
