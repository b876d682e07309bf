/* SPDX-License-Identifier: BSD-3-Clause */
/* unapi-devbind: give NICs to vfio-pci, and back. */
#include "core/pci/pci.h"
#include "tools/devbind/devbind.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* A tree to work on instead of the system's, for tests. */
static void set_roots(const char *dir)
{
	static char sys[PATH_MAX], proc[PATH_MAX], dev[PATH_MAX], modules[PATH_MAX];
	static const struct pci_roots roots = {.sys = sys, .proc = proc, .dev = dev, .modules = modules};

	snprintf(sys, sizeof(sys), "%s/sys", dir);
	snprintf(proc, sizeof(proc), "%s/proc", dir);
	snprintf(dev, sizeof(dev), "%s/dev", dir);
	snprintf(modules, sizeof(modules), "%s/lib/modules", dir);
	pci_set_roots(&roots);
}

int main(int argc, char **argv)
{
	const char *root = getenv("UNAPI_SYSFS_ROOT");

	if (root)
		set_roots(root);
	return devbind_main(argc, argv);
}
