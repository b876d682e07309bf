/* SPDX-License-Identifier: BSD-3-Clause */
/* Network interfaces of the kernel: whose they are, and what stands upon them. */
#ifndef UNAPI_CORE_PCI_IFACE_H
#define UNAPI_CORE_PCI_IFACE_H

#include "core/pci/pci.h"

/* The function an interface hangs on. */
bool pci_iface_function(const char *name, char bdf[PCI_BDF_LEN]);

/* Call @fn for each interface of @bdf; it returns false to stop. */
void pci_for_each_iface(const char *bdf, bool (*fn)(void *arg, const char *name), void *arg);

/* Somebody has set it up (IFF_UP); it may have no link. */
bool pci_iface_up(const char *name);

/* True if @upper is @name or stands upon it: a bridge or bond it is in, a VLAN on it. */
bool pci_iface_carries(const char *name, const char *upper);

enum pci_route { PCI_ROUTE_NONE, PCI_ROUTE_SOME, PCI_ROUTE_DEFAULT };

/* The weightiest route of this host that goes out through @name or what stands upon it. */
enum pci_route pci_iface_route(const char *name);

#endif
