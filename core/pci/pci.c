/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/pci/pci.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct pci_roots real_roots = {.sys = "/sys", .proc = "/proc", .dev = "/dev"};
static const struct pci_roots *roots = &real_roots;

void pci_set_roots(const struct pci_roots *r)
{
	roots = r ? r : &real_roots;
}

const struct pci_roots *pci_roots(void)
{
	return roots;
}

/* @min to @max hexadecimal digits and nothing that strtoul() would also take (signs, blanks, 0x). */
static const char *hex(const char *s, int min, int max, unsigned int *v)
{
	static const char digits[] = "0123456789abcdef";
	const char *d;
	int n = 0;

	for (*v = 0; n < max && *s && (d = strchr(digits, tolower((unsigned char)*s))); n++, s++)
		*v = *v << 4 | (unsigned int)(d - digits);
	return n < min ? NULL : s;
}

bool pci_parse_bdf(const char *s, char bdf[PCI_BDF_LEN])
{
	unsigned int dom = 0, bus, dev, fn;
	const char *colon = strchr(s, ':');

	if (colon && strchr(colon + 1, ':')) {
		s = hex(s, 4, 8, &dom);
		if (!s || *s++ != ':')
			return false;
	}
	s = hex(s, 1, 2, &bus);
	if (!s || *s++ != ':')
		return false;
	s = hex(s, 1, 2, &dev);
	if (!s || *s++ != '.')
		return false;
	s = hex(s, 1, 1, &fn);
	if (!s || *s || dev > 0x1f || fn > 7)
		return false;
	snprintf(bdf, PCI_BDF_LEN, "%04x:%02x:%02x.%x", dom, bus & 0xff, dev & 0x1f, fn & 7);
	return true;
}

static void device_path(char path[PATH_MAX], const char *bdf, const char *what)
{
	snprintf(path, PATH_MAX, "%s/bus/pci/devices/%s/%s", roots->sys, bdf, what);
}

bool pci_exists(const char *bdf)
{
	char path[PATH_MAX];

	device_path(path, bdf, "");
	return access(path, F_OK) == 0;
}

bool pci_function_above(const char *rel, char bdf[PCI_BDF_LEN])
{
	char path[PATH_MAX], target[PATH_MAX];
	char *slash;

	snprintf(path, sizeof(path), "%s/%s", roots->sys, rel);
	if (!realpath(path, target))
		return false;
	while ((slash = strrchr(target, '/'))) {
		if (pci_parse_bdf(slash + 1, bdf))
			return true;
		*slash = '\0';
	}
	return false;
}

/* The last part of where a link points; "" if there is no such link, or it is longer than any name is. */
static void link_name(const char *bdf, const char *what, char *name, size_t n)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *last;
	ssize_t len;

	device_path(path, bdf, what);
	len = readlink(path, target, sizeof(target) - 1);
	target[len < 0 ? 0 : len] = '\0';
	last = strrchr(target, '/') ? strrchr(target, '/') + 1 : target;
	if (strlen(last) >= n)
		last = "";
	memcpy(name, last, strlen(last) + 1);
}

int pci_iommu_group(const char *bdf)
{
	char name[32];

	if (!pci_exists(bdf))
		return -ENODEV;
	link_name(bdf, "iommu_group", name, sizeof(name));
	return name[0] ? atoi(name) : -ENOENT;
}

void pci_driver(const char *bdf, char *driver, size_t n)
{
	link_name(bdf, "driver", driver, n);
}

static long read_number(const char *bdf, const char *name, int base, long otherwise)
{
	char path[PATH_MAX];
	char text[32];
	FILE *f;

	device_path(path, bdf, name);
	f = fopen(path, "re");
	if (!f)
		return otherwise;
	if (fgets(text, sizeof(text), f))
		otherwise = strtol(text, NULL, base);
	fclose(f);
	return otherwise;
}

long pci_attr(const char *bdf, const char *name)
{
	return read_number(bdf, name, 16, -1);
}

int pci_numa_node(const char *bdf)
{
	return (int)read_number(bdf, "numa_node", 10, -1);
}

void pci_for_each_in_group(int group, bool (*fn)(void *arg, const char *bdf), void *arg)
{
	char path[PATH_MAX], bdf[PCI_BDF_LEN];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/kernel/iommu_groups/%d/devices", roots->sys, group);
	d = opendir(path);
	if (!d)
		return;
	while ((e = readdir(d)))
		if (pci_parse_bdf(e->d_name, bdf) && !fn(arg, bdf))
			break;
	closedir(d);
}

void pci_group_node(int group, char *path, size_t n)
{
	char file[PATH_MAX], name[32] = "";
	FILE *f;

	/* drivers/vfio/group.c names both the made-up group and its node so. */
	snprintf(file, sizeof(file), "%s/kernel/iommu_groups/%d/name", roots->sys, group);
	f = fopen(file, "re");
	if (f) {
		if (!fgets(name, sizeof(name), f))
			name[0] = '\0';
		fclose(f);
	}
	snprintf(path, n, "%s/vfio/%s%d", roots->dev, strncmp(name, "vfio-noiommu", 12) ? "" : "noiommu-",
		 group);
}

bool pci_driver_is_vfio(const char *driver)
{
	/* mlx5_vfio_pci, hisi-acc-vfio-pci */
	return !strcmp(driver, "vfio-pci") || !fnmatch("*[-_]vfio[-_]pci", driver, 0);
}

/* drivers/vfio/vfio_main.c vfio_dev_viable(), later the drivers that say driver_managed_dma. */
bool pci_driver_is_harmless(const char *driver)
{
	return !driver[0] || !strcmp(driver, "pci-stub") || !strcmp(driver, "pcieport") ||
	       pci_driver_is_vfio(driver);
}

bool pci_module_loaded(const char *module)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/module/%s", roots->sys, module);
	return access(path, F_OK) == 0;
}

static bool has_open(const char *pid, const char *path)
{
	char dir[PATH_MAX], link[PATH_MAX], target[PATH_MAX];
	struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s/%.20s/fd", roots->proc, pid);
	d = opendir(dir);
	if (!d)
		return false;
	while (!found && (e = readdir(d))) {
		ssize_t n;

		if (snprintf(link, sizeof(link), "%s/%s", dir, e->d_name) >= (int)sizeof(link))
			continue;
		n = readlink(link, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		found = !strcmp(target, path);
	}
	closedir(d);
	return found;
}

static pid_t opener(const char *path)
{
	struct dirent *e;
	pid_t pid = 0;
	DIR *d = opendir(roots->proc);

	if (!d)
		return 0;
	while (!pid && (e = readdir(d))) {
		char *end;
		long n = strtol(e->d_name, &end, 10);

		if (n > 0 && !*end && has_open(e->d_name, path))
			pid = (pid_t)n;
	}
	closedir(d);
	return pid;
}

/* Who came by iommufd has the device's own node open, which sysfs names: vfio-dev/vfio3. */
static pid_t node_opener(const char *bdf)
{
	char path[PATH_MAX], name[32] = "";
	struct dirent *e;
	DIR *d;

	device_path(path, bdf, "vfio-dev");
	d = opendir(path);
	if (!d)
		return 0;
	while (!name[0] && (e = readdir(d)))
		if (!strncmp(e->d_name, "vfio", 4))
			snprintf(name, sizeof(name), "%.31s", e->d_name);
	closedir(d);
	snprintf(path, sizeof(path), "%s/vfio/devices/%s", roots->dev, name);
	return name[0] ? opener(path) : 0;
}

pid_t pci_owner(const char *bdf, char *comm, size_t n)
{
	int group = pci_iommu_group(bdf);
	char path[PATH_MAX];
	pid_t pid = 0;
	FILE *f;

	comm[0] = '\0';
	if (group >= 0) {
		pci_group_node(group, path, sizeof(path));
		pid = opener(path);
	}
	if (!pid)
		pid = node_opener(bdf);
	snprintf(path, sizeof(path), "%s/%d/comm", roots->proc, (int)pid);
	f = pid ? fopen(path, "re") : NULL;
	if (f) {
		if (fgets(comm, (int)n, f))
			comm[strcspn(comm, "\n")] = '\0';
		fclose(f);
	}
	return pid;
}
