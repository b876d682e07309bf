/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/pci/pci.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct pci_roots real_roots = {"/sys", "/proc", "/dev"};
static const struct pci_roots *roots = &real_roots;

void pci_set_roots(const struct pci_roots *r)
{
	roots = r ? r : &real_roots;
}

const struct pci_roots *pci_roots(void)
{
	return roots;
}

bool pci_parse_bdf(const char *s, char bdf[PCI_BDF_LEN])
{
	unsigned int dom, bus, dev, fn;
	int end = 0;

	if (sscanf(s, "%4x:%2x:%2x.%1x%n", &dom, &bus, &dev, &fn, &end) != 4 || s[end]) {
		dom = 0;
		end = 0;
		if (sscanf(s, "%2x:%2x.%1x%n", &bus, &dev, &fn, &end) != 3 || s[end])
			return false;
	}
	if (dev > 0x1f || fn > 7)
		return false;
	snprintf(bdf, PCI_BDF_LEN, "%04x:%02x:%02x.%x", dom & 0xffff, bus & 0xff, dev, fn);
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

/* The last part of where a link points; "" if there is no such link. */
static void link_name(const char *bdf, const char *what, char *name, size_t n)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t len;

	device_path(path, bdf, what);
	len = readlink(path, target, sizeof(target) - 1);
	target[len < 0 ? 0 : len] = '\0';
	snprintf(name, n, "%s", strrchr(target, '/') ? strrchr(target, '/') + 1 : target);
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

struct hindrances {
	char *buf;
	size_t n, used;
	unsigned int count;
};

/* drivers/vfio/vfio_main.c vfio_dev_viable(): no driver, a VFIO driver, pci-stub and bridges' pcieport do no
 * harm. */
static bool add_hindrance(void *arg, const char *bdf)
{
	static const char *const harmless[] = {"", "vfio-pci", "pci-stub", "pcieport"};
	struct hindrances *h = arg;
	char driver[64];
	int len;

	pci_driver(bdf, driver, sizeof(driver));
	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		if (!strcmp(driver, harmless[i]))
			return true;
	len = snprintf(h->buf + h->used, h->n - h->used, "%s%s (%s)", h->count ? ", " : "", bdf, driver);
	h->used = len < 0 || h->used + (size_t)len >= h->n ? h->n - 1 : h->used + (size_t)len;
	h->count++;
	return true;
}

unsigned int pci_group_hindrances(int group, char *buf, size_t n)
{
	struct hindrances h = {.buf = buf, .n = n};

	buf[0] = '\0';
	pci_for_each_in_group(group, add_hindrance, &h);
	return h.count;
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

pid_t pci_opener(const char *path)
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
