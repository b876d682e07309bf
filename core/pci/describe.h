/* SPDX-License-Identifier: BSD-3-Clause */
/* Describing functions to people (names by libpci), finding them, and what the host would lose with them. */
#ifndef UNAPI_CORE_PCI_DESCRIBE_H
#define UNAPI_CORE_PCI_DESCRIBE_H

#include "core/pci/pci.h"

#define PCI_MAX_IFACES 4

struct pci_function {
	char bdf[PCI_BDF_LEN];
	uint16_t vendor, device, class; /* class: base class and subclass */
	char vendor_name[128], device_name[128];
	char driver[64];      /* "" none */
	char modules[128];    /* kernel modules that could drive it and do not, "igb,vfio-pci" */
	int numa_node, group; /* -1 none */
	unsigned int nr_ifaces;
	char ifaces[PCI_MAX_IFACES][16];
	bool active; /* one of them carries a route of this host */
};

/* All functions of class network controller, by address; free() the array. Returns how many, or -ENOMEM. */
int pci_list_network(struct pci_function **out);

/* One function by address. -ENODEV. */
int pci_describe(const char *bdf, struct pci_function *f);

/* "03:00.0", "0000:03:00.0" or an interface's name. -ENODEV with the reason. */
int pci_find(const char *name, char bdf[PCI_BDF_LEN]);

/*
 * Why taking @f from the kernel would cut somebody off: "eth0 carries the default route", "eth0 carries this
 * ssh session"; false if nothing does. An interface counts with what is stacked upon it (bridge, bond, VLAN).
 */
bool pci_in_use(const struct pci_function *f, char *why, size_t n);

#endif
