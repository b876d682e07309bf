/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vfio-user messages this library sends and understands. Source of the layout: QEMU's
 * docs/interop/vfio-user.rst. All fields are host-endian.
 */
#ifndef UNAPI_CORE_USER_PROTO_H
#define UNAPI_CORE_USER_PROTO_H

#include <stdint.h>

enum vfio_user_command {
	VFIO_USER_VERSION = 1,
	VFIO_USER_DMA_MAP = 2,
	VFIO_USER_DMA_UNMAP = 3,
	VFIO_USER_DEVICE_GET_INFO = 4,
	VFIO_USER_DEVICE_GET_REGION_INFO = 5,
	VFIO_USER_DEVICE_GET_IRQ_INFO = 7,
	VFIO_USER_DEVICE_SET_IRQS = 8,
	VFIO_USER_REGION_READ = 9,
	VFIO_USER_REGION_WRITE = 10,
	VFIO_USER_DEVICE_RESET = 13,
};

#define VFIO_USER_TYPE_MASK 0xfu
#define VFIO_USER_COMMAND   0u
#define VFIO_USER_REPLY	    1u
#define VFIO_USER_NO_REPLY  (1u << 4)
#define VFIO_USER_ERROR	    (1u << 5)

struct vfio_user_hdr {
	uint16_t id;
	uint16_t command;
	uint32_t size; /* this header included */
	uint32_t flags;
	uint32_t error; /* errno, with VFIO_USER_ERROR */
};

struct vfio_user_version {
	uint16_t major, minor;
	/* JSON text with NUL follows */
};

#define VFIO_USER_DMA_READ_OK  1u
#define VFIO_USER_DMA_WRITE_OK 2u

struct vfio_user_dma_map {
	uint32_t argsz, flags;
	uint64_t offset, address, size;
};

struct vfio_user_dma_unmap {
	uint32_t argsz, flags;
	uint64_t address, size;
};

struct vfio_user_region_rw {
	uint64_t offset;
	uint32_t region, count;
	/* data follows */
};

/* Both sides' limits unless the other says less. */
#define VFIO_USER_MAX_XFER (1u << 20)
#define VFIO_USER_MAX_FDS  16
#define VFIO_USER_MAX_MSG  (VFIO_USER_MAX_XFER + 4096)

#endif
