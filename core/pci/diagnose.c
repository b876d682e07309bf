/* SPDX-License-Identifier: BSD-3-Clause */
/* Why VFIO does not give us a function, in words: the checks stand in the order in which things must be
 * right. */
#include "core/base/reason.h"
#include "core/pci/pci.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int no_iommu(const char *bdf)
{
	return unapi_fail(
		ENOTSUP,
		"%s: it is in no IOMMU group: the IOMMU is missing or off (enable VT-d or AMD-Vi in the "
		"firmware, and boot with intel_iommu=on)",
		bdf);
}

static int not_bound(const char *bdf, const char *driver)
{
	if (!pci_module_loaded("vfio_pci"))
		return unapi_fail(
			ENOENT,
			"%s: the module vfio-pci is not loaded: modprobe vfio-pci, then unapi-devbind "
			"--bind=vfio-pci %s",
			bdf, bdf);
	if (driver[0])
		return unapi_fail(EINVAL,
				  "%s: it is bound to %s, not to vfio-pci: unapi-devbind --bind=vfio-pci %s",
				  bdf, driver, bdf);
	return unapi_fail(EINVAL, "%s: it is bound to no driver: unapi-devbind --bind=vfio-pci %s", bdf, bdf);
}

static int group_node(const char *bdf, int group, int err)
{
	char path[PATH_MAX], others[256];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/vfio/%d", pci_roots()->dev, group);
	if (pci_group_hindrances(group, others, sizeof(others)))
		return unapi_fail(EPERM,
				  "%s: IOMMU group %d is not viable, other devices in it have drivers of the "
				  "kernel: %s; "
				  "release each: unapi-devbind --unbind DEVICE",
				  bdf, group, others);
	if (access(path, F_OK) < 0)
		return unapi_fail(ENOENT,
				  "%s: there is no %s: the module vfio is not running as it should (modprobe "
				  "vfio-pci)",
				  bdf, path);
	if (access(path, R_OK | W_OK) < 0)
		return unapi_fail(EACCES, "%s: no permission for %s: chown %u %s", bdf, path,
				  (unsigned int)geteuid(), path);
	pid = err == EBUSY ? pci_opener(path) : 0;
	if (pid)
		return unapi_fail(EBUSY, "%s: %s is in use by process %d: only one process can have a group",
				  bdf, path, (int)pid);
	return unapi_fail(err, "%s: opening %s: %s", bdf, path, strerror(err));
}

int pci_diagnose(const char *bdf, int err)
{
	char driver[64];
	int group;

	if (!pci_exists(bdf))
		return unapi_fail(
			ENODEV, "%s: there is no such PCI function (unapi-devbind --status lists them)", bdf);
	group = pci_iommu_group(bdf);
	if (group < 0)
		return no_iommu(bdf);
	pci_driver(bdf, driver, sizeof(driver));
	if (strcmp(driver, "vfio-pci"))
		return not_bound(bdf, driver);
	return group_node(bdf, group, err);
}
