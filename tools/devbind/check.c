/* SPDX-License-Identifier: BSD-3-Clause */
/* --check: what keeps a device from being opened through VFIO, each with what mends it. */
#include "core/pci/describe.h"
#include "tools/devbind/devbind.h"

#include <stdio.h>

static int check(const char *bdf)
{
	struct pci_problem list[PCI_MAX_PROBLEMS];
	unsigned int n = pci_preflight(bdf, 0, list);
	char node[64];

	if (!n) {
		pci_group_node(pci_iommu_group(bdf), node, sizeof(node));
		printf("%s: ready: bound to vfio-pci, its group is %s\n", bdf, node);
	}
	for (unsigned int i = 0; i < n; i++)
		printf("%s: %s: %s\n", bdf, list[i].what, list[i].mend);
	return n ? 1 : 0;
}

int devbind_check(char *const devs[], int n)
{
	char bdf[PCI_BDF_LEN];
	int rc = 0;

	for (int i = 0; i < n; i++)
		rc |= pci_find(devs[i], bdf) ? devbind_complain() : check(bdf);
	return rc;
}
