/* SPDX-License-Identifier: BSD-3-Clause */
/* Describing functions to people (names by libpci), finding them, and what the host would lose with them. */
#ifndef UNAPI_CORE_PCI_DESCRIBE_H
#define UNAPI_CORE_PCI_DESCRIBE_H

#include "core/pci/pci.h"

#define PCI_MAX_IFACES 4
#define PCI_MAX_PEERS  8

/* An interface of the kernel. */
struct pci_iface {
	char name[16];
	bool up;
};

/* Another function of the same IOMMU group. */
struct pci_peer {
	char bdf[PCI_BDF_LEN];
	char class_name[64]; /* "Ethernet controller" */
	char driver[64];
};

struct pci_function {
	char bdf[PCI_BDF_LEN];
	uint16_t vendor, device, class;		 /* class: base class and subclass */
	char vendor_name[128], device_name[128]; /* "Vendor" and "Device" if nobody knows them */
	char driver[64];			 /* "" none */
	char modules[256];		  /* kernel modules that could drive it and do not, "igb,vfio-pci" */
	int numa_node, group;		  /* -1 none */
	unsigned int nr_ifaces, nr_peers; /* of those that have room here */
	struct pci_iface ifaces[PCI_MAX_IFACES];
	struct pci_peer peers[PCI_MAX_PEERS];
	bool active;	  /* this host routes through one of its interfaces, or it is needed */
	char needed[128]; /* what pci_needed() says, "" if nothing */
};

/* All functions of class network controller, by address; free() the array. Returns how many, -ENOMEM, -EIO.
 */
int pci_list_network(struct pci_function **out);

/* One function by address. -ENODEV. */
int pci_describe(const char *bdf, struct pci_function *f);

/* "03:00.0", "0000:03:00.0" or an interface's name. -ENODEV with the reason. */
int pci_find(const char *name, char bdf[PCI_BDF_LEN]);

/*
 * Why taking @bdf from the kernel would cut somebody off: "eth0 carries the default route", "eth0 carries
 * this ssh session"; false if nothing does. An interface counts with what is stacked upon it (bridge, bond,
 * VLAN).
 */
bool pci_needed(const char *bdf, char *why, size_t n);

#endif
