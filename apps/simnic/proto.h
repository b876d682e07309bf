/* SPDX-License-Identifier: BSD-3-Clause */
/* The vfio-user wire format, as far as this server speaks it. Layouts: QEMU docs/interop/vfio-user.rst. */
#ifndef SIMNIC_PROTO_H
#define SIMNIC_PROTO_H

#include <stdint.h>

enum vfu_command {
	VFU_VERSION = 1,
	VFU_DMA_MAP = 2,
	VFU_DMA_UNMAP = 3,
	VFU_DEVICE_GET_INFO = 4,
	VFU_GET_REGION_INFO = 5,
	VFU_GET_IRQ_INFO = 7,
	VFU_SET_IRQS = 8,
	VFU_REGION_READ = 9,
	VFU_REGION_WRITE = 10,
	VFU_DEVICE_RESET = 13,
	VFU_REGION_WRITE_MULTI = 15,
};

#define VFU_TYPE_MASK	 0x0fu
#define VFU_TYPE_COMMAND 0u
#define VFU_TYPE_REPLY	 1u
#define VFU_NO_REPLY	 0x10u
#define VFU_ERROR	 0x20u

/* The transfer size this server offers; a longer message ends the connection. */
#define VFU_MAX_DATA	 65536u
#define VFU_MAX_MSG	 (VFU_MAX_DATA + 64u)
#define VFU_MAX_FDS	 16

struct vfu_header {
	uint16_t id;
	uint16_t command;
	uint32_t size; /* with this header */
	uint32_t flags;
	uint32_t error;
};

struct vfu_version {
	uint16_t major, minor;
	char json[];
};

#define VFU_DMA_READ	  1u
#define VFU_DMA_WRITE	  2u
#define VFU_DMA_UNMAP_ALL 2u

struct vfu_dma_map {
	uint32_t argsz, flags;
	uint64_t offset, address, size;
};

struct vfu_dma_unmap {
	uint32_t argsz, flags;
	uint64_t address, size;
};

struct vfu_device_info {
	uint32_t argsz, flags, num_regions, num_irqs;
};

struct vfu_region_info {
	uint32_t argsz, flags, index, cap_offset;
	uint64_t size, offset;
};

struct vfu_irq_info {
	uint32_t argsz, flags, index, count;
};

struct vfu_irq_set {
	uint32_t argsz, flags, index, start, count;
};

struct vfu_region_access {
	uint64_t offset;
	uint32_t region, count;
};

struct vfu_write_record {
	uint64_t offset;
	uint32_t region, count;
	uint8_t data[8];
};

#endif
