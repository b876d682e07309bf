/* SPDX-License-Identifier: BSD-3-Clause */
/* --bind and --unbind: every device is checked before the first is touched. */
#include "core/pci/bind.h"
#include "core/pci/describe.h"
#include "core/base/reason.h"
#include "tools/devbind/devbind.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int devbind_complain(void)
{
	fprintf(stderr, "unapi-devbind: %s\n", unapi_reason());
	return 1;
}

/* True if somebody would miss it: told. */
static bool refused(const char *bdf)
{
	char why[160], comm[32];
	pid_t pid;

	if (pci_needed(bdf, why, sizeof(why))) {
		fprintf(stderr, "unapi-devbind: %s: %s; --force takes it all the same\n", bdf, why);
		return true;
	}
	pid = pci_owner(bdf, comm, sizeof(comm));
	if (!pid)
		return false;
	fprintf(stderr,
		"unapi-devbind: %s: process %d (%s) has its IOMMU group open; end it, or --force asks it to "
		"let go, and waits\n",
		bdf, (int)pid, comm);
	return true;
}

/* The devices' addresses in full. NULL: told why not. */
static char (*look_up(char *const devs[], int n, bool force))[PCI_BDF_LEN]
{
	char(*list)[PCI_BDF_LEN] = calloc((size_t)n, sizeof(*list));
	bool bad = !list;

	for (int i = 0; i < n && list; i++) {
		if (pci_find(devs[i], list[i]))
			bad |= devbind_complain();
		else if (!force)
			bad |= refused(list[i]);
	}
	if (!bad)
		return list;
	free(list);
	return NULL;
}

/* No-IOMMU mode is for the whole host, so it is turned on only where a device needs it. */
static int want_noiommu(char (*list)[PCI_BDF_LEN], int n)
{
	bool needed = !pci_noiommu_exists(); /* then turning it on tells why not */

	for (int i = 0; i < n; i++) {
		if (pci_iommu_group(list[i]) < 0)
			needed = true;
		else
			printf("%s: it has an IOMMU and needs no no-IOMMU mode\n", list[i]);
	}
	return needed && pci_enable_noiommu() ? devbind_complain() : 0;
}

/* All that stands against it on all devices, so that one attempt tells everything. */
static int vfio_hindered(const char *bdf)
{
	struct pci_problem list[PCI_MAX_PROBLEMS];
	unsigned int n = pci_preflight(bdf, 0, list);
	int rc = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (list[i].trouble != PCI_NO_IOMMU && list[i].trouble != PCI_NO_MODULE)
			continue;
		fprintf(stderr, "unapi-devbind: %s: %s: %s\n", bdf, list[i].what, list[i].mend);
		rc = 1;
	}
	return rc;
}

/* A group is used as a whole: name what else must be mended, and the node that its user opens. */
static void tell_group(const char *bdf)
{
	struct pci_problem list[PCI_MAX_PROBLEMS];
	unsigned int n = pci_preflight(bdf, 0, list);
	char node[64];

	pci_group_node(pci_iommu_group(bdf), node, sizeof(node));
	printf("%s: bound to vfio-pci; its group is %s\n", bdf, node);
	for (unsigned int i = 0; i < n; i++)
		printf("%s: not usable yet: %s: %s\n", bdf, list[i].what, list[i].mend);
}

/* A device must not be left between two drivers because a terminal hung up. */
static void hold_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGPIPE);
	sigaddset(&set, SIGTERM);
	sigprocmask(how, &set, NULL);
}

static int bind_one(const char *bdf, const char *driver)
{
	char now[64];
	int rc;

	pci_driver(bdf, now, sizeof(now));
	if (!strcmp(now, driver)) {
		printf("%s: is bound to %s already\n", bdf, driver);
		return 0;
	}
	hold_signals(SIG_BLOCK);
	rc = pci_bind(bdf, driver);
	hold_signals(SIG_UNBLOCK);
	if (rc)
		return devbind_complain();
	if (!pci_driver_is_vfio(driver))
		printf("%s: bound to %s\n", bdf, driver);
	return 0;
}

int devbind_bind(const char *driver, char *const devs[], int n, const struct devbind_options *o)
{
	char(*list)[PCI_BDF_LEN] = look_up(devs, n, o->force);
	bool vfio = !strcmp(driver, "vfio-pci");
	char now[64];
	int rc;

	if (!list)
		return 1;
	rc = o->noiommu ? want_noiommu(list, n) : 0;
	for (int i = 0; i < n && vfio; i++)
		rc |= vfio_hindered(list[i]);
	if (!rc) {
		for (int i = 0; i < n; i++)
			rc |= bind_one(list[i], driver);
		/* Only now: the devices may be each other's peers. */
		for (int i = 0; i < n; i++) {
			pci_driver(list[i], now, sizeof(now));
			if (pci_driver_is_vfio(now) && !strcmp(now, driver))
				tell_group(list[i]);
		}
	}
	free(list);
	return rc;
}

int devbind_unbind(char *const devs[], int n, const struct devbind_options *o)
{
	char(*list)[PCI_BDF_LEN] = look_up(devs, n, o->force);
	char driver[64];
	int rc = 0, failed;

	if (!list)
		return 1;
	for (int i = 0; i < n; i++) {
		pci_driver(list[i], driver, sizeof(driver));
		hold_signals(SIG_BLOCK);
		failed = pci_unbind(list[i]);
		hold_signals(SIG_UNBLOCK);
		if (failed)
			rc |= devbind_complain();
		else if (driver[0])
			printf("%s: taken from %s\n", list[i], driver);
		else
			printf("%s: has no driver\n", list[i]);
	}
	free(list);
	return rc;
}
