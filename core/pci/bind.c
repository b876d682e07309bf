/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Binding by driver_override (Documentation/ABI/testing/sysfs-bus-pci): it concerns one function only, where
 * new_id would give the driver every device of that id.
 */
#include "core/pci/bind.h"
#include "core/base/reason.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int __attribute__((format(printf, 2, 3))) write_sys(const char *text, const char *fmt, ...)
{
	char path[PATH_MAX], rel[256];
	ssize_t n;
	va_list ap;
	int fd, err;

	va_start(ap, fmt);
	vsnprintf(rel, sizeof(rel), fmt, ap);
	va_end(ap);
	snprintf(path, sizeof(path), "%s/%s", pci_roots()->sys, rel);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	err = errno;
	close(fd);
	return n < 0 ? -err : 0;
}

static int explain(const char *bdf, int rc, const char *step)
{
	if (rc == -EACCES || rc == -EPERM)
		return unapi_fail(-rc, "%s: %s: no permission: run it as root", bdf, step);
	return unapi_fail(-rc, "%s: %s: %s", bdf, step, strerror(-rc));
}

static bool driver_exists(const char *driver)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/bus/pci/drivers/%s", pci_roots()->sys, driver);
	return access(path, F_OK) == 0;
}

static bool drives(const char *bdf, const char *driver)
{
	char now[64];

	pci_driver(bdf, now, sizeof(now));
	return !strcmp(now, driver);
}

/* An override of "\n" is none. */
static int set_override(const char *bdf, const char *driver)
{
	int rc = write_sys(driver[0] ? driver : "\n", "bus/pci/devices/%s/driver_override", bdf);

	return rc ? explain(bdf, rc, "setting driver_override") : 0;
}

static int release(const char *bdf)
{
	char driver[64];
	int rc;

	pci_driver(bdf, driver, sizeof(driver));
	if (!driver[0])
		return 0;
	rc = write_sys(bdf, "bus/pci/drivers/%s/unbind", driver);
	return rc ? explain(bdf, rc, "taking it from its driver") : 0;
}

static void put_back(const char *bdf, const char *old)
{
	release(bdf);
	set_override(bdf, "");
	if (old[0])
		write_sys(bdf, "bus/pci/drivers/%s/bind", old);
}

static int preflight(const char *bdf, const char *driver)
{
	if (!driver_exists(driver))
		return unapi_fail(ENOENT, "%s: the driver %s is not loaded: modprobe %s", bdf, driver,
				  driver);
	if (!strcmp(driver, "vfio-pci") && pci_iommu_group(bdf) == -ENOENT && !pci_noiommu_enabled())
		return pci_diagnose(bdf, ENOTSUP);
	return 0;
}

int pci_bind(const char *bdf, const char *driver)
{
	bool vfio = !strcmp(driver, "vfio-pci");
	char old[64];
	int rc;

	if (drives(bdf, driver))
		return 0;
	pci_driver(bdf, old, sizeof(old));
	rc = preflight(bdf, driver);
	if (!rc)
		rc = set_override(bdf, driver);
	if (rc)
		return rc;
	rc = release(bdf);
	if (!rc) {
		rc = write_sys(bdf, "bus/pci/drivers_probe");
		if (rc)
			rc = explain(bdf, rc, "having it probed");
		else if (!drives(bdf, driver))
			rc = unapi_fail(EIO, "%s: %s did not take it (the kernel's log says why: dmesg)", bdf,
					driver);
	}
	if (rc) {
		char why[400];

		snprintf(why, sizeof(why), "%s", unapi_reason());
		put_back(bdf, old);
		return unapi_fail(-rc, "%s; %s", why,
				  !old[0]	     ? "it had no driver before"
				  : drives(bdf, old) ? "its old driver has it again"
						     : "its old driver did not take it back either");
	}
	/* The override stays while VFIO has it, so that no re-probe gives it to another; it would only be in
	 * the way of a kernel driver's successor. */
	return vfio ? 0 : set_override(bdf, "");
}

int pci_unbind(const char *bdf)
{
	int rc = release(bdf);

	return rc ? rc : set_override(bdf, "");
}

#define NOIOMMU "module/vfio/parameters/enable_unsafe_noiommu_mode"

bool pci_noiommu_enabled(void)
{
	char path[PATH_MAX], val = 'N';
	int fd;

	snprintf(path, sizeof(path), "%s/" NOIOMMU, pci_roots()->sys);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, &val, 1) != 1)
		val = 'N';
	close(fd);
	return val == 'Y' || val == '1';
}

int pci_enable_noiommu(void)
{
	int rc;

	if (!pci_module_loaded("vfio"))
		return unapi_fail(ENOENT, "no-IOMMU mode: the module vfio is not loaded: modprobe vfio");
	rc = write_sys("1", NOIOMMU);
	if (rc == -ENOENT)
		return unapi_fail(
			ENOTSUP,
			"no-IOMMU mode: this kernel was built without it (CONFIG_VFIO_NOIOMMU; Debian's "
			"are): use an IOMMU");
	return rc ? explain("no-IOMMU mode", rc, "turning it on") : 0;
}
