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

/*
 * Fill @r by asking for its information: @ask gets a zeroed buffer of @len bytes, argsz and index filled in,
 * and returns how many bytes of it the answer has, or -errno. It is asked again if argsz says that the answer
 * is longer.
 */
typedef int (*vfio_region_asker)(void *arg, struct vfio_region_info *info, size_t len);
int vfio_ask_region(struct vfio_region *r, vfio_region_asker ask, void *arg);

/* Map r's areas from @fd; @check_size: the descriptor came from a server, it must be as long as it is said to
 * be (-EPROTO). An area that cannot be mapped is reached by calls. */
int vfio_map_region(struct vfio_device *v, struct vfio_region *r, int fd, bool check_size);
void vfio_unmap_regions(struct vfio_device *v);
/* Registers are reached by calls from now on, the mappings stay: some thread may be within one. */
void vfio_hide_areas(struct vfio_device *v);

/* Bind the device-request and error interrupts to descriptors of the slow path, where there are such. */
int vfio_watch_events(struct vfio_device *v);
void vfio_unwatch_events(struct vfio_device *v);

/* Where config space has capability @id (PCI_CAP_ID_*); *at is 0 if it has none. */
int vfio_find_cap(struct vfio_device *v, uint8_t id, uint8_t *at);

/* The silent half of vfio_mark_gone(), for whoever holds a lock that the event function must not meet. */
void vfio_set_gone(struct vfio_device *v);

int vfio_open_kernel(const char *bdf, struct vfio_device **out);

#endif
