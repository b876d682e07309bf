/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/pci/describe.h"
#include "core/base/reason.h"
#include "core/pci/iface.h"
#include "core/pci/libpci.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define CLASS_NETWORK 0x02

static bool add_iface(void *arg, const char *name)
{
	struct pci_function *f = arg;

	if (pci_iface_route(name) > PCI_ROUTE_NONE)
		f->active = true;
	if (f->nr_ifaces < PCI_MAX_IFACES) {
		struct pci_iface *i = &f->ifaces[f->nr_ifaces++];

		snprintf(i->name, sizeof(i->name), "%.15s", name);
		i->up = pci_iface_up(name);
	}
	return true;
}

struct peers {
	struct pci_function *f;
	struct pci_access *acc;
};

static bool add_peer(void *arg, const char *bdf)
{
	struct peers *p = arg;
	struct pci_peer *peer = &p->f->peers[p->f->nr_peers];

	if (!strcmp(bdf, p->f->bdf))
		return true;
	snprintf(peer->bdf, sizeof(peer->bdf), "%s", bdf);
	libpci_name(p->acc, peer->class_name, sizeof(peer->class_name), PCI_LOOKUP_CLASS,
		    (int)(pci_attr(bdf, "class") >> 8), 0, "Device");
	pci_driver(bdf, peer->driver, sizeof(peer->driver));
	return ++p->f->nr_peers < PCI_MAX_PEERS;
}

/* Drivers and modules are one and the same, but for '-' and '_'. */
static bool same_name(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i] != b[i] && !(strchr("-_", a[i]) && strchr("-_", b[i])))
			return false;
	return !b[n];
}

static void add_module(struct pci_function *f, const char *module)
{
	size_t at = strlen(f->modules), len;

	if (same_name(module, f->driver, strlen(module)))
		return;
	for (const char *s = f->modules; *s; s += len + (s[len] == ',')) {
		len = strcspn(s, ",");
		if (same_name(s, module, len))
			return;
	}
	snprintf(f->modules + at, sizeof(f->modules) - at, "%s%s", at ? "," : "", module);
}

static FILE *open_aliases(void)
{
	char path[PATH_MAX];
	struct utsname u;

	if (pci_roots()->modules)
		snprintf(path, sizeof(path), "%s/modules.alias", pci_roots()->modules);
	else if (uname(&u) == 0)
		snprintf(path, sizeof(path), "/lib/modules/%s/modules.alias", u.release);
	else
		return NULL;
	return fopen(path, "re");
}

/* What modprobe would load for it, from the running kernel's table of aliases: "alias PATTERN MODULE". */
static void fill_modules(struct pci_function *f)
{
	char path[PATH_MAX], modalias[256] = "", line[512], pattern[256], module[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/modalias", pci_roots()->sys, f->bdf);
	file = fopen(path, "re");
	if (file) {
		if (fscanf(file, "%255s", modalias) != 1)
			modalias[0] = '\0';
		fclose(file);
	}
	file = modalias[0] ? open_aliases() : NULL;
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "alias %255s %63s", pattern, module) == 2 && !strncmp(pattern, "pci:", 4) &&
		    !fnmatch(pattern, modalias, 0))
			add_module(f, module);
	if (file)
		fclose(file);
	if (pci_module_loaded("vfio_pci"))
		add_module(f, "vfio-pci");
}

static void describe(struct pci_access *acc, const char *bdf, struct pci_function *f)
{
	struct peers peers = {.f = f, .acc = acc};

	memset(f, 0, sizeof(*f));
	snprintf(f->bdf, sizeof(f->bdf), "%s", bdf);
	f->vendor = (uint16_t)pci_attr(bdf, "vendor");
	f->device = (uint16_t)pci_attr(bdf, "device");
	f->class = (uint16_t)(pci_attr(bdf, "class") >> 8);
	f->numa_node = pci_numa_node(bdf);
	f->group = pci_iommu_group(bdf);
	if (f->group < 0)
		f->group = -1;
	pci_driver(bdf, f->driver, sizeof(f->driver));
	libpci_name(acc, f->vendor_name, sizeof(f->vendor_name), PCI_LOOKUP_VENDOR, f->vendor, 0, "Vendor");
	libpci_name(acc, f->device_name, sizeof(f->device_name), PCI_LOOKUP_DEVICE, f->vendor, f->device,
		    "Device");
	pci_for_each_iface(bdf, add_iface, f);
	if (f->group >= 0)
		pci_for_each_in_group(f->group, add_peer, &peers);
	fill_modules(f);
	if (pci_needed(bdf, f->needed, sizeof(f->needed)))
		f->active = true;
}

static int gone(const char *name)
{
	return unapi_fail(ENODEV, "%s: there is no such PCI function (unapi-devbind --status lists them)",
			  name);
}

int pci_describe(const char *bdf, struct pci_function *f)
{
	struct pci_access *acc;

	if (!pci_exists(bdf))
		return gone(bdf);
	acc = libpci_open();
	describe(acc, bdf, f);
	libpci_close(acc);
	return 0;
}

struct listing {
	struct pci_access *acc;
	struct pci_function *list;
	int n;
	bool no_memory;
};

static bool add_function(void *arg, const char *bdf)
{
	struct listing *l = arg;
	long class = pci_attr(bdf, "class");
	struct pci_function *grown;

	if (class < 0 || class >> 16 != CLASS_NETWORK)
		return true;
	grown = reallocarray(l->list, (size_t)l->n + 1, sizeof(*grown));
	if (!grown) {
		l->no_memory = true;
		return false;
	}
	l->list = grown;
	describe(l->acc, bdf, &grown[l->n++]);
	return true;
}

static int by_bdf(const void *a, const void *b)
{
	return strcmp(((const struct pci_function *)a)->bdf, ((const struct pci_function *)b)->bdf);
}

int pci_list_network(struct pci_function **out)
{
	struct listing l = {0};
	char path[PATH_MAX];
	bool read;

	*out = NULL;
	snprintf(path, sizeof(path), "%s/bus/pci/devices", pci_roots()->sys);
	if (access(path, F_OK) < 0)
		return 0; /* a machine without PCI */
	l.acc = libpci_open();
	read = l.acc && libpci_scan(l.acc, add_function, &l);
	libpci_close(l.acc);
	if (!read || l.no_memory) {
		free(l.list);
		return l.no_memory ? unapi_fail(ENOMEM, "no memory to list PCI functions")
				   : unapi_fail(EIO, "%s: the PCI functions cannot be read", path);
	}
	if (l.n)
		qsort(l.list, (size_t)l.n, sizeof(*l.list), by_bdf);
	*out = l.list;
	return l.n;
}

int pci_find(const char *name, char bdf[PCI_BDF_LEN])
{
	if (pci_parse_bdf(name, bdf))
		return pci_exists(bdf) ? 0 : gone(name);
	if (pci_iface_function(name, bdf))
		return 0;
	return unapi_fail(
		ENODEV, "%s: neither a PCI address (0000:03:00.0) nor a network interface of a PCI function",
		name);
}
