/* SPDX-License-Identifier: BSD-3-Clause */
/* Moving a function from one driver to another, by driver_override, one function at a time. */
#ifndef UNAPI_CORE_PCI_BIND_H
#define UNAPI_CORE_PCI_BIND_H

#include "core/pci/pci.h"

/*
 * pci_bind() - bind @bdf to @driver
 *
 * When the new driver does not take it, the old one gets it back. 0 (also if it was bound so already);
 * -ENOENT the driver is not loaded, -ENOTSUP no IOMMU for vfio-pci, -EACCES/-EPERM, -EROFS, -EIO the driver
 * refused.
 */
int pci_bind(const char *bdf, const char *driver);

/* Leave it without a driver. 0 also if it had none. */
int pci_unbind(const char *bdf);

/* Have the kernel offer groups without an IOMMU. -ENOENT: no vfio module; -ENOTSUP: built without that. */
int pci_enable_noiommu(void);
bool pci_noiommu_exists(void);
bool pci_noiommu_enabled(void);

#endif
