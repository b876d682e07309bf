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
	if (rc == -EROFS)
		return unapi_fail(EROFS, "%s: %s: %s is read-only here (a container?): run it on the host",
				  bdf, step, pci_roots()->sys);
	return unapi_fail(-rc, "%s: %s: %s", bdf, step, strerror(-rc));
}

static bool driver_exists(const char *driver)
{
	char path[PATH_MAX];

	if (!driver[0] || driver[0] == '.' || strchr(driver, '/'))
		return false;
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

static void get_override(const char *bdf, char *driver, size_t n)
{
	char path[PATH_MAX];
	FILE *f;

	driver[0] = '\0';
	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/driver_override", pci_roots()->sys, bdf);
	f = fopen(path, "re");
	if (!f)
		return;
	if (!fgets(driver, (int)n, f))
		driver[0] = '\0';
	fclose(f);
	driver[strcspn(driver, "\n")] = '\0';
	if (!strcmp(driver, "(null)"))
		driver[0] = '\0';
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

/* Who has it, and by what override: vfio-pci takes a function back only by the latter. */
struct binding {
	char driver[64], override[64];
};

static int fail_and_put_back(const char *bdf, int rc, const struct binding *old)
{
	char why[400];

	snprintf(why, sizeof(why), "%s", unapi_reason());
	set_override(bdf, old->override);
	if (old->driver[0] && !drives(bdf, old->driver))
		write_sys(bdf, "bus/pci/drivers/%s/bind", old->driver);
	return unapi_fail(-rc, "%s; %s", why,
			  !old->driver[0]	     ? "it had no driver before"
			  : drives(bdf, old->driver) ? "its old driver has it"
						     : "its old driver did not take it back either");
}

static int preflight(const char *bdf, const char *driver)
{
	if (!driver_exists(driver))
		return unapi_fail(ENOENT, "%s: there is no driver %s, or it is not loaded: modprobe %s", bdf,
				  driver, driver);
	if (!strcmp(driver, "vfio-pci") && pci_iommu_group(bdf) == -ENOENT && !pci_noiommu_enabled())
		return pci_diagnose(bdf, ENOTSUP);
	return 0;
}

static int rebind(const char *bdf, const char *driver)
{
	int rc = set_override(bdf, driver);

	if (!rc)
		rc = release(bdf);
	if (rc)
		return rc;
	rc = write_sys(bdf, "bus/pci/drivers_probe");
	if (rc)
		return explain(bdf, rc, "having it probed");
	if (!drives(bdf, driver))
		return unapi_fail(EIO, "%s: %s did not take it (the kernel's log says why: dmesg)", bdf,
				  driver);
	return 0;
}

int pci_bind(const char *bdf, const char *driver)
{
	struct binding old;
	int rc;

	if (drives(bdf, driver))
		return 0;
	rc = preflight(bdf, driver);
	if (rc)
		return rc;
	pci_driver(bdf, old.driver, sizeof(old.driver));
	get_override(bdf, old.override, sizeof(old.override));
	rc = rebind(bdf, driver);
	if (rc)
		return fail_and_put_back(bdf, rc, &old);
	/* The override stays while VFIO has it, so that no re-probe gives it to another; it would only be in
	 * the way of a kernel driver's successor. */
	return pci_driver_is_vfio(driver) ? 0 : set_override(bdf, "");
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

bool pci_noiommu_exists(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/" NOIOMMU, pci_roots()->sys);
	return access(path, F_OK) == 0;
}

int pci_enable_noiommu(void)
{
	int rc;

	if (!pci_module_loaded("vfio"))
		return unapi_fail(ENOENT, "no-IOMMU mode: the module vfio is not loaded: modprobe vfio");
	if (!pci_noiommu_exists())
		return unapi_fail(ENOTSUP, "no-IOMMU mode: this kernel was built without it "
					   "(CONFIG_VFIO_NOIOMMU; Debian's are): use an IOMMU");
	rc = write_sys("1", NOIOMMU);
	return rc ? explain("no-IOMMU mode", rc, "turning it on") : 0;
}
