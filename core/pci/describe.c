/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/pci/describe.h"
#include "core/base/reason.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <pci/pci.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#define CLASS_NETWORK 0x02

/* libpci leaves by exit() unless its error hook does not return. */
static __thread jmp_buf libpci_failed;

static void __attribute__((noreturn)) libpci_error(char *msg, ...)
{
	longjmp(libpci_failed, 1);
}

static void libpci_quiet(char *msg, ...) {}

static void fill_names(struct pci_function *f)
{
	struct pci_access *acc = pci_alloc();

	if (!acc)
		return;
	acc->error = libpci_error;
	acc->warning = libpci_quiet;
	if (setjmp(libpci_failed))
		return; /* names are a courtesy */
	pci_init(acc);
	pci_lookup_name(acc, f->vendor_name, sizeof(f->vendor_name), PCI_LOOKUP_VENDOR, f->vendor);
	pci_lookup_name(acc, f->device_name, sizeof(f->device_name), PCI_LOOKUP_DEVICE, f->vendor, f->device);
	pci_cleanup(acc);
}

static void fill_ifaces(struct pci_function *f)
{
	char path[PATH_MAX];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/net", pci_roots()->sys, f->bdf);
	d = opendir(path);
	if (!d)
		return;
	while ((e = readdir(d)) && f->nr_ifaces < PCI_MAX_IFACES)
		if (e->d_name[0] != '.')
			snprintf(f->ifaces[f->nr_ifaces++], sizeof(f->ifaces[0]), "%.15s", e->d_name);
	closedir(d);
}

static void add_module(struct pci_function *f, const char *module)
{
	size_t at = strlen(f->modules);

	if (!strcmp(module, f->driver) || strstr(f->modules, module))
		return;
	snprintf(f->modules + at, sizeof(f->modules) - at, "%s%s", at ? "," : "", module);
}

/* What modprobe would load for it, from the running kernel's table of aliases: "alias PATTERN MODULE". */
static void fill_modules(struct pci_function *f)
{
	char path[PATH_MAX], modalias[256] = "", line[512], pattern[256], module[64];
	struct utsname u;
	FILE *file;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/modalias", pci_roots()->sys, f->bdf);
	file = fopen(path, "re");
	if (file) {
		if (fscanf(file, "%255s", modalias) != 1)
			modalias[0] = '\0';
		fclose(file);
	}
	if (uname(&u) == 0) {
		snprintf(path, sizeof(path), "/lib/modules/%s/modules.alias", u.release);
		file = modalias[0] ? fopen(path, "re") : NULL;
		while (file && fgets(line, sizeof(line), file))
			if (sscanf(line, "alias %255s %63s", pattern, module) == 2 &&
			    !strncmp(pattern, "pci:", 4) && !fnmatch(pattern, modalias, 0))
				add_module(f, module);
		if (file)
			fclose(file);
	}
	if (pci_module_loaded("vfio_pci"))
		add_module(f, "vfio-pci");
}

int pci_describe(const char *bdf, struct pci_function *f)
{
	char why[160];

	memset(f, 0, sizeof(*f));
	if (!pci_exists(bdf))
		return unapi_fail(
			ENODEV, "%s: there is no such PCI function (unapi-devbind --status lists them)", bdf);
	snprintf(f->bdf, sizeof(f->bdf), "%s", bdf);
	f->vendor = (uint16_t)pci_attr(bdf, "vendor");
	f->device = (uint16_t)pci_attr(bdf, "device");
	f->class = (uint16_t)(pci_attr(bdf, "class") >> 8);
	f->numa_node = pci_numa_node(bdf);
	f->group = pci_iommu_group(bdf);
	if (f->group < 0)
		f->group = -1;
	pci_driver(bdf, f->driver, sizeof(f->driver));
	fill_names(f);
	fill_ifaces(f);
	fill_modules(f);
	f->active = pci_in_use(f, why, sizeof(why));
	return 0;
}

static int by_bdf(const void *a, const void *b)
{
	return strcmp(((const struct pci_function *)a)->bdf, ((const struct pci_function *)b)->bdf);
}

int pci_list_network(struct pci_function **out)
{
	struct pci_function *list = NULL, *grown;
	char path[PATH_MAX], bdf[PCI_BDF_LEN];
	struct dirent *e;
	int n = 0;
	DIR *d;

	*out = NULL;
	snprintf(path, sizeof(path), "%s/bus/pci/devices", pci_roots()->sys);
	d = opendir(path);
	if (!d)
		return 0; /* a machine without PCI */
	while ((e = readdir(d))) {
		if (!pci_parse_bdf(e->d_name, bdf) || pci_attr(bdf, "class") >> 16 != CLASS_NETWORK)
			continue;
		grown = reallocarray(list, (size_t)n + 1, sizeof(*list));
		if (!grown) {
			free(list);
			closedir(d);
			return unapi_fail(ENOMEM, "no memory to list PCI functions");
		}
		list = grown;
		if (pci_describe(bdf, &list[n]) == 0)
			n++;
	}
	closedir(d);
	if (n)
		qsort(list, (size_t)n, sizeof(*list), by_bdf);
	*out = list;
	return n;
}

int pci_find(const char *name, char bdf[PCI_BDF_LEN])
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *last;

	if (pci_parse_bdf(name, bdf)) {
		if (pci_exists(bdf))
			return 0;
		return unapi_fail(ENODEV,
				  "%s: there is no such PCI function (unapi-devbind --status lists them)",
				  name);
	}
	/* .../net/eth0/device is a link to the function */
	snprintf(path, sizeof(path), "%s/class/net/%s/device", pci_roots()->sys, name);
	if (strchr(name, '/') || !realpath(path, target))
		return unapi_fail(
			ENODEV,
			"%s: neither a PCI address (0000:03:00.0) nor a network interface of a PCI function",
			name);
	last = strrchr(target, '/') + 1;
	if (!pci_parse_bdf(last, bdf))
		return unapi_fail(ENODEV, "%s: this interface is not a PCI function's", name);
	return 0;
}
