/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's VFIO for tests: groups, containers and devices behind the two system calls that core/vfio
 * makes to it, and a sysfs tree to match. Modelled on drivers/vfio/{group,container,vfio_iommu_type1}.c.
 */
#ifndef UNAPI_TESTS_FAKE_KERNEL_H
#define UNAPI_TESTS_FAKE_KERNEL_H

#include "vfio_check.h"

#include "core/vfio/kernel.h"

#define FAKE_GROUPS                                                                            \
	3 /* 7, 8 and 9; the functions 0000:07:00.0 and 0000:07:00.1 are in group 7, and so on \
	   */
#define FAKE_GROUP(i) ((i) + 7)
#define FAKE_MAPS     16

struct fake_kernel {
	/* How it behaves. Reset by fake_kernel_init(). */
	int open_errno;	 /* of opening a group */
	bool not_viable; /* every group */
	bool no_type1;
	unsigned int domain[FAKE_GROUPS]; /* groups of different domains cannot share a container */
	int set_iommu_errno, map_errno, get_device_errno;
	uint32_t irq_flags; /* of MSI-X */
	int vectors;	    /* the system has: a bind of more answers so, as old kernels do */
	_Alignas(8) uint8_t iommu_info[2048];
	uint32_t iommu_info_len;
	bool no_bars; /* mapping a region fails */

	/* What happened. */
	unsigned int containers_made, resets, info_asked;
	int irq_fd[5][10]; /* dups of the eventfds, -1 none */
	int device_memory; /* memfd with the regions at their offsets */
	struct {
		int container; /* its descriptor, as it was opened */
		uint64_t iova, size;
	} map[FAKE_MAPS]; /* size 0: free */
	char root[64];
};

extern struct fake_kernel fake_kernel;

/* A good kernel with three groups, made the one that the carrier calls; and the real one again. */
int fake_kernel_init(void **state);
int fake_kernel_exit(void **state);

/* Put a link or a file into the tree. */
void fake_sys_link(const char *path, const char *target);
void fake_file(const char *path, const char *text);

unsigned int fake_maps(void);

/* The default VFIO_IOMMU_GET_INFO answer: page sizes only. A capability is put at its end. */
void fake_iommu_cap(uint16_t id, const void *rest, uint32_t len);

#endif
