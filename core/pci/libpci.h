/* SPDX-License-Identifier: BSD-3-Clause */
/* libpci for what it knows best: which functions there are, and what they are called. */
#ifndef UNAPI_CORE_PCI_LIBPCI_H
#define UNAPI_CORE_PCI_LIBPCI_H

#include "core/pci/pci.h"

#include <pci/pci.h>

/* On the sysfs of pci_roots(). NULL: there is none that libpci can read. One thread at a time uses it. */
struct pci_access *libpci_open(void);
void libpci_close(struct pci_access *acc); /* NULL is nothing to close */

/* Call @fn with the address of each function; it returns false to stop. False: the bus could not be read. */
bool libpci_scan(struct pci_access *acc, bool (*fn)(void *arg, const char *bdf), void *arg);

/* @what: PCI_LOOKUP_VENDOR, PCI_LOOKUP_DEVICE or PCI_LOOKUP_CLASS. What has no name, or @acc is NULL, gets
 * @otherwise. */
void libpci_name(struct pci_access *acc, char *buf, size_t n, int what, int id1, int id2,
		 const char *otherwise);

#endif
