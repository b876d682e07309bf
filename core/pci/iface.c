/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/pci/iface.h"

#include <dirent.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#define UPPER_DEPTH 8 /* the kernel's own limit of nesting, MAX_NEST_DEV */

bool pci_iface_function(const char *name, char bdf[PCI_BDF_LEN])
{
	char rel[NAME_MAX + 32];

	snprintf(rel, sizeof(rel), "class/net/%.255s/device", name);
	return !strchr(name, '/') && pci_function_above(rel, bdf);
}

void pci_for_each_iface(const char *bdf, bool (*fn)(void *arg, const char *name), void *arg)
{
	char path[PATH_MAX], of[PCI_BDF_LEN];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/class/net", pci_roots()->sys);
	d = opendir(path);
	if (!d)
		return;
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && pci_iface_function(e->d_name, of) && !strcmp(of, bdf) &&
		    !fn(arg, e->d_name))
			break;
	closedir(d);
}

bool pci_iface_up(const char *name)
{
	unsigned int flags = 0;
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/class/net/%s/flags", pci_roots()->sys, name);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%x", &flags) != 1)
		flags = 0;
	fclose(f);
	return flags & IFF_UP;
}

static bool stands_on(const char *upper, const char *name, int depth)
{
	char path[PATH_MAX];
	struct dirent *e;
	bool found = false;
	DIR *d;

	if (!strcmp(upper, name))
		return true;
	if (depth == UPPER_DEPTH)
		return false;
	snprintf(path, sizeof(path), "%s/class/net/%s", pci_roots()->sys, name);
	d = opendir(path);
	if (!d)
		return false;
	while (!found && (e = readdir(d)))
		if (!strncmp(e->d_name, "upper_", 6))
			found = stands_on(upper, e->d_name + 6, depth + 1);
	closedir(d);
	return found;
}

bool pci_iface_carries(const char *name, const char *upper)
{
	return stands_on(upper, name, 0);
}

/* A line of /proc/net/route as net/ipv4/fib_trie.c prints it: addresses are network order read as a number.
 */
static enum pci_route route_v4(const char *line, char dev[IFNAMSIZ])
{
	unsigned int dest, mask;

	if (sscanf(line, "%15s %x %*x %*x %*d %*d %*d %x", dev, &dest, &mask) != 3)
		return PCI_ROUTE_NONE;
	if (!dest && !mask)
		return PCI_ROUTE_DEFAULT;
	return (dest & 0xffff) == 0xfea9 ? PCI_ROUTE_NONE : PCI_ROUTE_SOME; /* 169.254/16 nobody asked for */
}

/* A line of /proc/net/ipv6_route as net/ipv6/route.c prints it. Link-local and multicast routes every
 * interface has; what is unreachable goes out through lo. */
static enum pci_route route_v6(const char *line, char dev[IFNAMSIZ])
{
	unsigned int len;
	char dest[33];

	if (sscanf(line, "%32s %x %*s %*x %*s %*x %*x %*x %*x %15s", dest, &len, dev) != 3 ||
	    !strcmp(dev, "lo"))
		return PCI_ROUTE_NONE;
	if (!len && strspn(dest, "0") == 32)
		return PCI_ROUTE_DEFAULT;
	return strncmp(dest, "fe80", 4) && strncmp(dest, "ff", 2) ? PCI_ROUTE_SOME : PCI_ROUTE_NONE;
}

static enum pci_route weightiest(const char *file, enum pci_route (*parse)(const char *, char dev[IFNAMSIZ]),
				 const char *name, enum pci_route best)
{
	char path[PATH_MAX], line[256], dev[IFNAMSIZ];
	FILE *f;

	snprintf(path, sizeof(path), "%s/net/%s", pci_roots()->proc, file);
	f = fopen(path, "re");
	while (f && best < PCI_ROUTE_DEFAULT && fgets(line, sizeof(line), f)) {
		enum pci_route r = parse(line, dev);

		if (r > best && pci_iface_carries(name, dev))
			best = r;
	}
	if (f)
		fclose(f);
	return best;
}

enum pci_route pci_iface_route(const char *name)
{
	return weightiest("ipv6_route", route_v6, name, weightiest("route", route_v4, name, PCI_ROUTE_NONE));
}
