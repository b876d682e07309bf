/* SPDX-License-Identifier: BSD-3-Clause */
/* What the two carriers share; everybody else uses vfio.h. */
#ifndef UNAPI_CORE_VFIO_DEVICE_H
#define UNAPI_CORE_VFIO_DEVICE_H

#include "core/vfio/vfio.h"

void vfio_device_init(struct vfio_device *v, const char *name, const struct vfio_device_ops *ops,
		      struct dma_space *space);

/* Read the ids from config space, turn memory decoding on and bus mastering off. */
int vfio_device_identify(struct vfio_device *v);

/*
 * Region information as the kernel and vfio-user servers give it: @len bytes at @info, capabilities included.
 * Fills @r with size, flags and the areas that may be mapped (the sparse-mmap capability, else the whole
 * region). Nothing in the input is believed: -EPROTO for areas outside the region, unaligned ones, or a chain
 * of capabilities that loops.
 */
int vfio_parse_region(struct vfio_region *r, const struct vfio_region_info *info, size_t len);

/* Map r's areas from @fd; @check_size: the descriptor came from a server, it must be as long as it is said to
 * be. */
int vfio_map_region(struct vfio_device *v, struct vfio_region *r, int fd, bool check_size);
void vfio_unmap_regions(struct vfio_device *v);

int vfio_open_kernel(const char *bdf, struct vfio_device **out);

#endif
