/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a process reaches a PCI device: one interface, two carriers.
 *
 * A driver sees regions, interrupts and DMA, and never learns whether the kernel's VFIO or a vfio-user server
 * stands behind them. Region, interrupt and flag numbers are those of <linux/vfio.h>.
 */
#ifndef UNAPI_CORE_VFIO_H
#define UNAPI_CORE_VFIO_H

#include "core/base/compiler.h"
#include "core/base/list.h"
#include "core/vfio/dma.h"

#include <linux/vfio.h>
#include <sys/types.h>

#define VFIO_MAX_AREAS 8

/* One stretch of a region that is mapped into this process. */
struct vfio_area {
	uint64_t offset; /* from the start of the region */
	uint64_t size;
	volatile uint8_t *addr;
};

struct vfio_region {
	uint32_t index;	       /* VFIO_PCI_BAR0_REGION_INDEX ... */
	uint32_t flags;	       /* VFIO_REGION_INFO_FLAG_READ | WRITE | MMAP */
	uint64_t size;	       /* 0: the device has no such region */
	uint64_t offset;       /* in the device file (kernel carrier) */
	unsigned int nr_areas; /* 0: every access is a call (vfio-user: a message); so once the device is gone
				*/
	struct vfio_area areas[VFIO_MAX_AREAS];
	unsigned int nr_mapped; /* of areas[], to be unmapped on close */
};

struct vfio_irq {
	uint32_t count; /* 0: the device has none of this index */
	uint32_t flags; /* VFIO_IRQ_INFO_* */
};

struct vfio_device;

struct vfio_device_ops {
	const char *carrier; /* "vfio group", "vfio-user" */
	bool kernel_irqs;    /* its vectors are interrupts of this machine's kernel */
	ssize_t (*region_read)(struct vfio_device *v, struct vfio_region *r, uint64_t off, void *buf,
			       size_t n);
	ssize_t (*region_write)(struct vfio_device *v, struct vfio_region *r, uint64_t off, const void *buf,
				size_t n);
	/* Bind eventfds @fds[0..count) to vectors start..start+count of interrupt @index; fd -1 unbinds.
	 * Returns 0, -errno, or > 0: so many could be had, and none is bound. */
	int (*set_irqs)(struct vfio_device *v, uint32_t index, uint32_t start, uint32_t count,
			const int *fds);
	/* VFIO_IRQ_SET_ACTION_MASK, _UNMASK or _TRIGGER without data on one vector; count 0 disables the
	 * index. */
	int (*irq_action)(struct vfio_device *v, uint32_t index, uint32_t start, uint32_t count,
			  uint32_t action);
	int (*reset)(struct vfio_device *v);
	void (*slow_fd_ready)(struct vfio_device *v, int fd);
	void (*close)(struct vfio_device *v);
};

enum vfio_irq_mode { VFIO_IRQ_NONE, VFIO_IRQ_INTX, VFIO_IRQ_MSI, VFIO_IRQ_MSIX };

/* What the slow path can be told about. */
enum vfio_event {
	VFIO_EVENT_REMOVE_REQUEST, /* the kernel asks for the device back (unplug, unbind) */
	VFIO_EVENT_ERROR,	   /* an uncorrectable PCIe error */
	VFIO_EVENT_GONE,	   /* the device or its server is gone: registers read all ones from now on */
};

typedef void (*vfio_event_fn)(void *arg, struct vfio_device *v, enum vfio_event ev);

/* An fd of the slow path: when it is readable, somebody calls vfio_slow_fd_ready() from one thread at a time.
 */
#define VFIO_MAX_SLOW_FDS 3

/* A descriptor of the slow path that an interrupt of its own index writes. */
struct vfio_watch {
	bool on;
	int fd;
};

struct vfio_device {
	const struct vfio_device_ops *ops;
	char name[64];	  /* the device as the user named it, shortened: for reasons and logs */
	char carrier[32]; /* how it is reached: "vfio group 12", "vfio-user" */
	int numa_node;	  /* -1: unknown */
	uint16_t vendor_id, device_id, subsystem_vendor_id, subsystem_device_id;
	bool can_reset;
	bool gone;	/* set once (atomic store), never cleared */
	bool gone_told; /* the event function knows */
	struct dma_space *space;
	struct vfio_region regions[VFIO_PCI_NUM_REGIONS];
	struct vfio_irq irqs[VFIO_PCI_NUM_IRQS];
	/* interrupts in force */
	enum vfio_irq_mode irq_mode;
	unsigned int nr_vectors;
	int *vector_fds; /* eventfds, non-blocking, nr_vectors of them; owned by this structure */
	/* slow path */
	int slow_fds[VFIO_MAX_SLOW_FDS];
	unsigned int nr_slow_fds;
	struct vfio_watch req, err; /* the device-request and the error interrupt */
	vfio_event_fn event_fn;
	void *event_arg;
};

/*
 * vfio_open() - take a device over
 * @spec: "0000:03:00.0", "vfio-user:/path" or "sim:MODEL[,option=value...]" (unapi/netdev.h describes them)
 *
 * On success bus mastering is off, memory decoding on, no interrupt is enabled. -ENODEV no such device;
 * -EINVAL the string; -EBUSY in use; -EACCES, -EPERM; -ENOTSUP what the IOMMU or the server cannot do;
 * -EPROTO a server that breaks the protocol; -ETIMEDOUT one that does not answer. The reason names the
 * command that helps.
 */
int vfio_open(const char *spec, struct vfio_device **out);

/* Disable interrupts and bus mastering, unmap, and give the device back. Every DMA mapping of it is gone
 * after. */
void vfio_close(struct vfio_device *v);

/* Reset the function (FLR, or what the carrier has). -ENOTSUP: it has none. */
int vfio_reset(struct vfio_device *v);

int vfio_set_bus_master(struct vfio_device *v, bool on);

/* Config space; @n is 1, 2 or 4. */
int vfio_config_read(struct vfio_device *v, unsigned int off, void *buf, size_t n);
int vfio_config_write(struct vfio_device *v, unsigned int off, const void *buf, size_t n);

/*
 * vfio_irq_enable() - bind eventfds to as many vectors as the device has, at most @want
 *
 * MSI-X first, then MSI, then INTx (@first says where to start). Returns the number of vectors (>= 1), with
 * v->irq_mode, v->nr_vectors and v->vector_fds set, or a negative errno. Vectors are added one by one where
 * the kernel allows it (no VFIO_IRQ_INFO_NORESIZE), so vfio_irq_enable() may be called again for more.
 */
int vfio_irq_enable(struct vfio_device *v, enum vfio_irq_mode first, unsigned int want);
void vfio_irq_disable(struct vfio_device *v);
/* INTx only: VFIO masks the line at each interrupt; the poller unmasks it here. A no-op for MSI and MSI-X. */
int vfio_irq_unmask_intx(struct vfio_device *v);

/*
 * Where the machine delivers a vector. -EOPNOTSUPP: it is no interrupt of this machine (vfio-user); -EINVAL:
 * not enabled, or a CPU that is not online; -ENOENT: /proc/interrupts has no such line. vfio_linux_irq()
 * gives the interrupt's number in /proc/irq. Setting takes any number of CPUs above 0; -EACCES: without the
 * right to (only root has it), -EPERM or -EIO: an interrupt that the kernel places itself. @which is "smp"
 * (where it may go) or "effective" (where it goes).
 */
int vfio_linux_irq(const struct vfio_device *v, unsigned int vector);
int vfio_irq_set_affinity(const struct vfio_device *v, unsigned int vector, const unsigned int *cpus,
			  unsigned int n);
int vfio_irq_get_affinity(const struct vfio_device *v, int irq, const char *which, char *text, size_t size);

/* Who hears of removal, errors and death. Called from vfio_slow_fd_ready() or from whoever met the failure,
 * whatever that one holds: the function notes it and returns, and calls nothing of this file or of dma.h. */
void vfio_set_event_fn(struct vfio_device *v, vfio_event_fn fn, void *arg);
void vfio_slow_fd_ready(struct vfio_device *v, int fd);

/* Mark the device gone (a driver that read all ones calls it) and tell the event function, once. */
void vfio_mark_gone(struct vfio_device *v);

uint32_t vfio_region_read32_slow(struct vfio_device *v, struct vfio_region *r, uint64_t off);
void vfio_region_write32_slow(struct vfio_device *v, struct vfio_region *r, uint64_t off, uint32_t val);

/* The mapped address of the 32-bit register at @off, or NULL where it is reached by calls only. */
volatile uint32_t *vfio_region_ptr32(struct vfio_region *r, uint64_t off);

/*
 * Registers. A device that is gone reads all ones, as PCI does; a write to it is dropped. Little-endian on
 * the bus and in this process alike (x86-64 only). A write is ordered after every earlier store to memory
 * (x86 TSO plus the volatile access; the message carriers send after the stores too).
 */
static inline uint32_t vfio_read32(struct vfio_device *v, struct vfio_region *r, uint64_t off)
{
	if (likely(READ_ONCE(r->nr_areas) == 1 && off - r->areas[0].offset < r->areas[0].size))
		return *(volatile uint32_t *)(r->areas[0].addr + (off - r->areas[0].offset));
	return vfio_region_read32_slow(v, r, off);
}

static inline void vfio_write32(struct vfio_device *v, struct vfio_region *r, uint64_t off, uint32_t val)
{
	if (likely(READ_ONCE(r->nr_areas) == 1 && off - r->areas[0].offset < r->areas[0].size))
		*(volatile uint32_t *)(r->areas[0].addr + (off - r->areas[0].offset)) = val;
	else
		vfio_region_write32_slow(v, r, off, val);
}

#endif
