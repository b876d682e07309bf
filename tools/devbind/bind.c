/* SPDX-License-Identifier: BSD-3-Clause */
/* --bind and --unbind: every device is checked before the first is touched. */
#include "core/pci/bind.h"
#include "core/base/reason.h"
#include "core/pci/describe.h"
#include "tools/devbind/devbind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int complain(void)
{
	fprintf(stderr, "unapi-devbind: %s\n", unapi_reason());
	return 1;
}

/* Who are they, and would the host miss one? NULL: told. */
static struct pci_function *look_up(char *const devs[], int n, bool force)
{
	struct pci_function *list = calloc((size_t)n, sizeof(*list));
	char bdf[PCI_BDF_LEN], why[160];
	int bad = !list;

	for (int i = 0; i < n && list; i++) {
		if (pci_find(devs[i], bdf) || pci_describe(bdf, &list[i])) {
			bad |= complain();
		} else if (!force && pci_in_use(&list[i], why, sizeof(why))) {
			fprintf(stderr, "unapi-devbind: %s: %s; --force takes it all the same\n", bdf, why);
			bad = 1;
		}
	}
	if (!bad)
		return list;
	free(list);
	return NULL;
}

/* A group is used as a whole: name what else must be mended, and the node that its user opens. */
static void tell_group(const char *bdf)
{
	struct pci_problem list[PCI_MAX_PROBLEMS];
	unsigned int n = pci_preflight(bdf, 0, list);
	int group = pci_iommu_group(bdf);
	char node[64];

	if (group < 0)
		return;
	pci_group_node(group, node, sizeof(node));
	printf("%s: bound to vfio-pci; its group is %s\n", bdf, node);
	for (unsigned int i = 0; i < n; i++)
		printf("%s: not usable yet: %s: %s\n", bdf, list[i].what, list[i].mend);
}

int devbind_bind(const char *driver, char *const devs[], int n, bool force)
{
	struct pci_function *list = look_up(devs, n, force);
	int rc = 0;

	if (!list)
		return 1;
	for (int i = 0; i < n; i++) {
		if (!strcmp(list[i].driver, driver))
			printf("%s: is bound to %s already\n", list[i].bdf, driver);
		else if (pci_bind(list[i].bdf, driver))
			rc = complain();
		else if (!strcmp(driver, "vfio-pci"))
			tell_group(list[i].bdf);
	}
	free(list);
	return rc;
}

int devbind_unbind(char *const devs[], int n, bool force)
{
	struct pci_function *list = look_up(devs, n, force);
	int rc = 0;

	if (!list)
		return 1;
	for (int i = 0; i < n; i++) {
		if (!list[i].driver[0])
			printf("%s: has no driver\n", list[i].bdf);
		else if (pci_unbind(list[i].bdf))
			rc = complain();
	}
	free(list);
	return rc;
}
