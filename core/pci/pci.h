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

#define PCI_BDF_LEN 13 /* with the terminating NUL */

/* Where the system shows itself; tests point it at trees of their own. Not thread safe. */
struct pci_roots {
	const char *sys, *proc, *dev;
};
void pci_set_roots(const struct pci_roots *r); /* NULL: /sys, /proc, /dev */
const struct pci_roots *pci_roots(void);

/* "03:00.0" and "0000:03:00.0" to the latter. False: not a PCI address. */
bool pci_parse_bdf(const char *s, char bdf[PCI_BDF_LEN]);

bool pci_exists(const char *bdf);
/* The IOMMU group's number. -ENODEV: no such function; -ENOENT: it is in none (no IOMMU, or it is off). */
int pci_iommu_group(const char *bdf);
int pci_numa_node(const char *bdf); /* -1: unknown */
/* The driver bound to it, "" for none. */
void pci_driver(const char *bdf, char *driver, size_t n);
/* A hexadecimal attribute: "vendor", "device", "class"; -1 if it cannot be read. */
long pci_attr(const char *bdf, const char *name);
/* Call @fn for each function in the group; it returns false to stop. */
void pci_for_each_in_group(int group, bool (*fn)(void *arg, const char *bdf), void *arg);
/* The functions of a group that keep it from being used by VFIO (bound to a driver that is not VFIO's,
 * bridges apart), as "0000:03:00.1 (e1000e), ..."; returns how many. */
unsigned int pci_group_hindrances(int group, char *buf, size_t n);
/* True if the kernel has the module loaded or built in. */
bool pci_module_loaded(const char *module);
/* A process that has @path open, 0 if none is found. */
pid_t pci_opener(const char *path);

/*
 * pci_diagnose() - why VFIO does not give us a function
 * @err: the errno that was met
 *
 * Looks in the order in which things must be right and sets the reason to the first that is not, with the one
 * command that mends it. Returns -errno: ENODEV, ENOTSUP (no IOMMU), ENOENT (module), EINVAL (not bound to
 * vfio-pci), EPERM (group not viable), EACCES, EBUSY, or -@err when all looks right.
 */
int pci_diagnose(const char *bdf, int err);

#endif
