/* SPDX-License-Identifier: BSD-3-Clause */
/* --status: sections and lines as dpdk-devbind.py prints them, since people parse those; --json for programs.
 */
#include "core/base/reason.h"
#include "core/pci/describe.h"
#include "tools/devbind/devbind.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum section { SECTION_VFIO, SECTION_KERNEL, SECTION_OTHER, NR_SECTIONS };

static enum section section_of(const struct pci_function *f)
{
	if (!f->driver[0])
		return SECTION_OTHER;
	return strcmp(f->driver, "vfio-pci") && strcmp(f->driver, "uio_pci_generic") ? SECTION_KERNEL
										     : SECTION_VFIO;
}

static void print_line(const struct pci_function *f)
{
	printf("%s '%s %04x'", f->bdf, f->device_name, f->device);
	for (unsigned int i = 0; i < f->nr_ifaces; i++)
		printf("%s%s", i ? "," : " if=", f->ifaces[i]);
	if (f->driver[0])
		printf(" drv=%s", f->driver);
	printf(" unused=%s", f->modules);
	if (f->numa_node >= 0)
		printf(" numa_node=%d", f->numa_node);
	puts(f->active ? " *Active*" : "");
}

static void print_sections(const struct pci_function *list, int n)
{
	static const char *const titles[NR_SECTIONS] = {
		"Network devices using DPDK-compatible driver",
		"Network devices using kernel driver",
		"Other Network devices",
	};
	bool any = false;

	for (enum section s = 0; s < NR_SECTIONS; s++) {
		bool headed = false;

		for (int i = 0; i < n; i++) {
			if (section_of(&list[i]) != s)
				continue;
			if (!headed) {
				printf("\n%s\n%.*s\n", titles[s], (int)strlen(titles[s]),
				       "============================================");
				headed = any = true;
			}
			print_line(&list[i]);
		}
	}
	if (!any)
		puts("\nNo 'Network' devices detected\n=============================");
}

static json_t *to_json(const struct pci_function *f)
{
	json_t *ifaces = json_array(), *obj;

	for (unsigned int i = 0; i < f->nr_ifaces; i++)
		json_array_append_new(ifaces, json_string(f->ifaces[i]));
	obj = json_pack("{s:s, s:i, s:i, s:s, s:s, s:o, s:s, s:s, s:b}", "address", f->bdf, "vendor_id",
			f->vendor, "device_id", f->device, "vendor", f->vendor_name, "device", f->device_name,
			"interfaces", ifaces, "driver", f->driver, "unused", f->modules, "active", f->active);
	json_object_set_new(obj, "numa_node", f->numa_node < 0 ? json_null() : json_integer(f->numa_node));
	json_object_set_new(obj, "iommu_group", f->group < 0 ? json_null() : json_integer(f->group));
	return obj;
}

static int print_json(const struct pci_function *list, int n)
{
	json_t *array = json_array();
	int rc;

	for (int i = 0; i < n; i++)
		json_array_append_new(array, to_json(&list[i]));
	rc = json_dumpf(array, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(array);
	return rc;
}

int devbind_status(bool json)
{
	struct pci_function *list;
	int n = pci_list_network(&list), rc = 0;

	if (n < 0) {
		fprintf(stderr, "unapi-devbind: %s\n", unapi_reason());
		return 1;
	}
	if (json)
		rc = print_json(list, n);
	else
		print_sections(list, n);
	free(list);
	if (rc || fflush(stdout)) {
		fputs("unapi-devbind: standard output cannot be written\n", stderr);
		return 1;
	}
	return 0;
}
