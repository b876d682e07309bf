/* SPDX-License-Identifier: BSD-3-Clause */
/* Disks of the kernel behind a function. */
#ifndef UNAPI_CORE_PCI_DISK_H
#define UNAPI_CORE_PCI_DISK_H

#include "core/pci/pci.h"

/* True if a disk behind @bdf, a partition of it or what stands upon them is mounted or swapped to; @why says
 * which. Disks behind native NVMe multipath are not seen: sysfs hangs them on no function. */
bool pci_disk_needed(const char *bdf, char *why, size_t n);

#endif
