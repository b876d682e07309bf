/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PCI functions as Linux shows them in sysfs: who drives one, what shares its IOMMU group, and why VFIO does
 * not have it.
 *
 * A function is named by its address in full, "0000:03:00.0".
 */
#ifndef UNAPI_CORE_PCI_H
#define UNAPI_CORE_PCI_H

#include "core/base/compiler.h"

#include <sys/types.h>

#define PCI_BDF_LEN                                                                             \
	17 /* "10000:03:00.0": domains of more than four digits exist; with the terminating NUL \
	    */

/* Where the system shows itself; tests point it at trees of their own. Not thread safe. */
struct pci_roots {
	const char *sys, *proc, *dev;
	const char
		*modules; /* the directory that has modules.alias of the running kernel; NULL: look it up */
};
void pci_set_roots(const struct pci_roots *r); /* NULL: /sys, /proc, /dev */
const struct pci_roots *pci_roots(void);

/* "03:00.0" and "0000:03:00.0" to the latter. False: not a PCI address. */
bool pci_parse_bdf(const char *s, char bdf[PCI_BDF_LEN]);

bool pci_exists(const char *bdf);
/*
 * The function that a thing in sysfs (@rel: "class/net/eth0/device") hangs on. Between the two there may be a
 * virtio device or a USB tree: who takes the function takes the thing in any case. False: it hangs on none.
 */
bool pci_function_above(const char *rel, char bdf[PCI_BDF_LEN]);
/* The IOMMU group's number. -ENODEV: no such function; -ENOENT: it is in none (no IOMMU, or it is off). */
int pci_iommu_group(const char *bdf);
int pci_numa_node(const char *bdf); /* -1: unknown */
/* The driver bound to it, "" for none. */
void pci_driver(const char *bdf, char *driver, size_t n);
/* A hexadecimal attribute: "vendor", "device", "class"; -1 if it cannot be read. */
long pci_attr(const char *bdf, const char *name);
/* Call @fn for each function in the group; it returns false to stop. */
void pci_for_each_in_group(int group, bool (*fn)(void *arg, const char *bdf), void *arg);
/* The group's node: "/dev/vfio/7", or "/dev/vfio/noiommu-7" for a group that the kernel made up for a
 * function without an IOMMU. It exists once a function of the group is bound to vfio-pci. */
void pci_group_node(int group, char *path, size_t n);
/* True of drivers that leave a function to VFIO: vfio-pci and its variants for single devices. */
bool pci_driver_is_vfio(const char *driver);
/* True if @driver on one function lets VFIO use the other functions of its group. */
bool pci_driver_is_harmless(const char *driver);
/* True if the kernel has the module loaded or built in. */
bool pci_module_loaded(const char *module);
/* A process that has the device or its group open, 0 if none is found (only root sees those of others); what
 * it calls itself into @comm. */
pid_t pci_owner(const char *bdf, char *comm, size_t n);

/* What keeps VFIO from giving us a function; in the order in which things must be right. */
enum pci_trouble {
	PCI_GONE,	 /* no such function */
	PCI_NO_IOMMU,	 /* it is in no IOMMU group */
	PCI_NO_MODULE,	 /* vfio-pci is not loaded */
	PCI_NOT_BOUND,	 /* another driver has it, or none */
	PCI_GROUP_PEER,	 /* another function of its group has a driver of the kernel: one entry for each */
	PCI_NO_NODE,	 /* no /dev/vfio/GROUP */
	PCI_NO_ACCESS,	 /* no permission for it */
	PCI_BUSY,	 /* a process has it */
	PCI_LOCKED_LIMIT /* RLIMIT_MEMLOCK is too low */
};

struct pci_problem {
	enum pci_trouble trouble;
	int err;	/* the errno that opening meets because of it */
	char what[224]; /* in one line, without the address: "it is bound to igb, not to vfio-pci" */
	char mend[224]; /* the one command that mends it, or what to do where no command does */
};

#define PCI_MAX_PROBLEMS 16

/*
 * pci_preflight() - all that keeps VFIO from giving us a function
 * @lock_bytes: memory that will be pinned for DMA, checked against the limit of locked memory; 0: not checked
 * @out: filled in the order of enum pci_trouble
 *
 * What cannot be told before something else is right is left out: the group's node exists only once the
 * function is bound. Returns how many problems there are, 0 if none.
 */
unsigned int pci_preflight(const char *bdf, uint64_t lock_bytes, struct pci_problem out[PCI_MAX_PROBLEMS]);

/*
 * pci_diagnose() - why VFIO does not give us a function
 * @err: the errno that was met
 *
 * Sets the reason to the first problem of the preflight, with what mends it. Returns -errno: ENODEV, ENOTSUP
 * (no IOMMU), ENOENT (module, node), EINVAL (not bound to vfio-pci), EPERM (group not viable), EACCES, EBUSY,
 * or -@err when all looks right.
 */
int pci_diagnose(const char *bdf, int err);

#endif
