/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/fake_sysfs.h"
#include "core/pci/pci.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define DEVICES "sys/bus/pci/devices"
#define DRIVERS "sys/bus/pci/drivers"
#define GROUPS	"sys/kernel/iommu_groups"

struct fake_kernel fake_kernel;

static char root[64], sys_dir[80], proc_dir[80], dev_dir[80], modules_dir[80];
static const struct pci_roots roots = {
	.sys = sys_dir, .proc = proc_dir, .dev = dev_dir, .modules = modules_dir};

ssize_t __real_write(int fd, const void *buf, size_t n);
ssize_t __wrap_write(int fd, const void *buf, size_t n);

const char *fake_path(const char *rel)
{
	static char path[4][512];
	static unsigned int turn;
	char *p = path[turn++ % ARRAY_SIZE(path)];

	snprintf(p, sizeof(path[0]), "%s/%s", root, rel);
	return p;
}

void fake_dir(const char *rel)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s/", root, rel);
	for (char *p = path + strlen(root) + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
		*p = '/';
	}
}

void fake_put(const char *rel, const char *text)
{
	FILE *f = fopen(fake_path(rel), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

void fake_get(const char *rel, char *text, size_t n)
{
	FILE *f = fopen(fake_path(rel), "r");

	assert_non_null(f);
	text[fread(text, 1, n - 1, f)] = '\0';
	fclose(f);
}

void fake_link(const char *rel, const char *target)
{
	unlink(fake_path(rel));
	assert_int_equal(symlink(target, fake_path(rel)), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

void fake_remove(const char *rel)
{
	assert_int_equal(nftw(fake_path(rel), remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* "sys/bus/pci/devices/0000:03:00.0/driver" */
static const char *of_device(const char *bdf, const char *name)
{
	static char rel[2][200];
	static unsigned int turn;
	char *r = rel[turn++ % ARRAY_SIZE(rel)];

	snprintf(r, sizeof(rel[0]), DEVICES "/%s/%s", bdf, name);
	return r;
}

void fake_attr(const char *bdf, const char *name, const char *text)
{
	fake_put(of_device(bdf, name), text);
}

void fake_bind(const char *bdf, const char *driver)
{
	char target[100];

	snprintf(target, sizeof(target), "../../drivers/%s", driver);
	fake_link(of_device(bdf, "driver"), target);
}

void fake_unbind(const char *bdf)
{
	unlink(fake_path(of_device(bdf, "driver")));
}

void fake_no_iommu(const char *bdf)
{
	char rel[100];

	assert_int_equal(unlink(fake_path(of_device(bdf, "iommu_group"))), 0);
	snprintf(rel, sizeof(rel), GROUPS "/%d/devices/%s", GROUP, bdf);
	fake_remove(rel);
}

void fake_function(const char *bdf, const char *driver)
{
	char rel[200], target[64];

	fake_dir(of_device(bdf, ""));
	fake_attr(bdf, "vendor", "0x8086\n");
	fake_attr(bdf, "device", "0x10c9\n");
	fake_attr(bdf, "class", "0x020000\n");
	fake_attr(bdf, "numa_node", "-1\n");
	fake_attr(bdf, "driver_override", "(null)\n");
	fake_attr(bdf, "modalias", "pci:v00008086d000010C9sv00008086sd0000A03Cbc02sc00i00\n");
	snprintf(target, sizeof(target), "../../../../kernel/iommu_groups/%d", GROUP);
	fake_link(of_device(bdf, "iommu_group"), target);
	snprintf(rel, sizeof(rel), GROUPS "/%d/devices/%s", GROUP, bdf);
	fake_dir(rel);
	if (driver)
		fake_bind(bdf, driver);
}

void fake_iface(const char *bdf, const char *name)
{
	char rel[200], target[200];

	snprintf(rel, sizeof(rel), "sys/class/net/%s", name);
	fake_dir(rel);
	snprintf(rel, sizeof(rel), "sys/class/net/%s/flags", name);
	fake_put(rel, "0x1003\n");
	snprintf(rel, sizeof(rel), "sys/class/net/%s/device", name);
	snprintf(target, sizeof(target), "../../../bus/pci/devices/%s", bdf);
	fake_link(rel, target);
}

/* drivers/base/dd.c: a probe by driver_override if there is one, else by id. */
static void probe(const char *bdf)
{
	char driver[64];

	fake_kernel.probes++;
	fake_get(of_device(bdf, "driver_override"), driver, sizeof(driver));
	driver[strcspn(driver, "\n")] = '\0';
	if (!driver[0] || !strcmp(driver, "(null)"))
		strcpy(driver, "igb");
	if (!fake_kernel.refuses || strcmp(fake_kernel.refuses, driver))
		fake_bind(bdf, driver);
}

/* drivers/base/bus.c bind_store(): only a driver that matches, which vfio-pci does by override alone. */
static void bind_by_hand(const char *path, const char *bdf)
{
	char driver[64], override[64];

	if (sscanf(strstr(path, DRIVERS) + strlen(DRIVERS), "/%63[^/]", driver) != 1)
		return;
	fake_get(of_device(bdf, "driver_override"), override, sizeof(override));
	override[strcspn(override, "\n")] = '\0';
	if (!strcmp(override, driver) ||
	    (!strcmp(driver, "igb") && (!override[0] || !strcmp(override, "(null)"))))
		fake_bind(bdf, driver);
}

static int ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
	char link[64], path[PATH_MAX], text[128];
	ssize_t len, rc;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	path[len < 0 ? 0 : len] = '\0';
	if (!root[0] || strncmp(path, root, strlen(root)))
		return __real_write(fd, buf, n);
	if (fake_kernel.fail_file && ends_with(path, fake_kernel.fail_file)) {
		errno = fake_kernel.fail_errno;
		return -1;
	}
	if (ends_with(path, "/new_id"))
		fail_msg("new_id takes every device of an id");
	fake_kernel.writes++;
	snprintf(text, sizeof(text), "%.*s", (int)n, (const char *)buf);
	if (ftruncate(fd, 0))
		return -1;
	rc = __real_write(fd, buf, n);
	if (ends_with(path, "/drivers_probe"))
		probe(text);
	else if (ends_with(path, "/unbind"))
		fake_unbind(text);
	else if (ends_with(path, "/bind"))
		bind_by_hand(path, text);
	return rc;
}

int fake_sysfs_setup(void **state)
{
	static const char *const drivers[] = {"igb", "vfio-pci", "virtio-pci", "pcieport"};
	static const char *const dirs[] = {
		"sys/module/vfio_pci", "sys/module/vfio", "sys/class/net", "proc/net", "dev/vfio",
		"lib/modules"};
	char rel[100];

	snprintf(root, sizeof(root), "/tmp/unapi-pci-XXXXXX");
	assert_non_null(mkdtemp(root));
	assert_int_equal(chmod(root, 0755), 0);
	snprintf(sys_dir, sizeof(sys_dir), "%s/sys", root);
	snprintf(proc_dir, sizeof(proc_dir), "%s/proc", root);
	snprintf(dev_dir, sizeof(dev_dir), "%s/dev", root);
	snprintf(modules_dir, sizeof(modules_dir), "%s/lib/modules", root);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		fake_dir(dirs[i]);
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
		snprintf(rel, sizeof(rel), DRIVERS "/%s", drivers[i]);
		fake_dir(rel);
		snprintf(rel, sizeof(rel), DRIVERS "/%s/bind", drivers[i]);
		fake_put(rel, "");
		snprintf(rel, sizeof(rel), DRIVERS "/%s/unbind", drivers[i]);
		fake_put(rel, "");
		snprintf(rel, sizeof(rel), DRIVERS "/%s/new_id", drivers[i]);
		fake_put(rel, "");
	}
	fake_put("sys/bus/pci/drivers_probe", "");
	fake_put("proc/net/route", "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n");
	fake_put("proc/net/ipv6_route", "");
	fake_put("lib/modules/modules.alias", "# Aliases extracted from modules themselves.\n"
					      "alias pci:v00008086d000010C9sv*sd*bc*sc*i* igb\n"
					      "alias pci:v00008086d000010CAsv*sd*bc*sc*i* igbvf\n"
					      "alias pci:v00008086d*sv*sd*bc02sc*i* other_nic\n");
	fake_function(NIC, "igb");
	fake_iface(NIC, "eth0");
	pci_set_roots(&roots);
	memset(&fake_kernel, 0, sizeof(fake_kernel));
	unsetenv("SSH_CONNECTION");
	return 0;
}

int fake_sysfs_teardown(void **state)
{
	pci_set_roots(NULL);
	fake_remove("");
	root[0] = '\0';
	return 0;
}
