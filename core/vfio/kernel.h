/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel VFIO carrier, between its files: group and container. iommufd and the device node would be a
 * sibling of kernel_group.c behind the same two calls. */
#ifndef UNAPI_CORE_VFIO_KERNEL_H
#define UNAPI_CORE_VFIO_KERNEL_H

#include "core/vfio/device.h"

/* The two system calls in which the kernel decides, so that a test can be the kernel. errno as usual. */
struct kernel_calls {
	int (*open)(const char *path, int flags);
	int (*ioctl)(int fd, unsigned long request, void *arg);
};
extern const struct kernel_calls *kernel_calls;

/* A VFIO container: one set of I/O page tables, shared by all groups that the kernel lets into it. */
struct kernel_container {
	struct dma_space space;
	int fd;
	unsigned int users; /* groups in it; under the containers' lock */
	struct list_head link;
};

struct kernel_group {
	struct kernel_container *container;
	int fd, id;
	unsigned int users; /* devices of it that are open; under the containers' lock */
	struct list_head link;
};

/* Open the group of @bdf and put it into a container. Reasons name what mends it. */
int kernel_group_get(const char *bdf, struct kernel_group **out);
void kernel_group_put(struct kernel_group *g);

/* ---- kernel_dma.c */

extern const struct dma_space_ops kernel_dma_ops;

struct vfio_iommu_type1_info;

/* What VFIO_IOMMU_GET_INFO says: @len bytes at @info, capabilities included, not believed. */
int kernel_parse_iommu(struct dma_space *s, const struct vfio_iommu_type1_info *info, size_t len);
/* Ask the container's IOMMU for it, when its first group or another one has joined. */
int kernel_read_iommu(struct kernel_container *c);

#endif
