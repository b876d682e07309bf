/* SPDX-License-Identifier: BSD-3-Clause */
/* --status: sections and lines as dpdk-devbind.py prints them, since people parse those; --json for programs.
 */
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
	return pci_driver_is_vfio(f->driver) || !strcmp(f->driver, "uio_pci_generic") ||
			       !strcmp(f->driver, "igb_uio")
		       ? SECTION_VFIO
		       : SECTION_KERNEL;
}

static void print_line(const struct pci_function *f)
{
	printf("%s '%s %04x'", f->bdf, f->device_name, f->device);
	if (f->numa_node >= 0)
		printf(" numa_node=%d", f->numa_node);
	for (unsigned int i = 0; i < f->nr_ifaces; i++)
		printf("%s%s", i ? "," : " if=", f->ifaces[i].name);
	if (f->driver[0])
		printf(" drv=%s", f->driver);
	printf(" unused=%s", f->modules);
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

/* Text of the system's that is not UTF-8 is left out, not the device. */
static json_t *text(const char *s)
{
	json_t *j = json_string(s);

	return j ? j : json_string("");
}

static json_t *none_below_zero(int n)
{
	return n < 0 ? json_null() : json_integer(n);
}

static json_t *ifaces_to_json(const struct pci_function *f)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < f->nr_ifaces; i++)
		json_array_append_new(array, json_pack("{s:o, s:b}", "name", text(f->ifaces[i].name), "up",
						       f->ifaces[i].up));
	return array;
}

static json_t *peers_to_json(const struct pci_function *f)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < f->nr_peers; i++)
		json_array_append_new(array,
				      json_pack("{s:s, s:o, s:s}", "address", f->peers[i].bdf, "class",
						text(f->peers[i].class_name), "driver", f->peers[i].driver));
	return array;
}

static json_t *to_json(const struct pci_function *f)
{
	return json_pack("{s:s, s:i, s:i, s:o, s:o, s:s, s:s, s:o, s:b, s:o, s:o, s:o, s:o}", "address",
			 f->bdf, "vendor_id", f->vendor, "device_id", f->device, "vendor",
			 text(f->vendor_name), "device", text(f->device_name), "driver", f->driver, "unused",
			 f->modules, "interfaces", ifaces_to_json(f), "active", f->active, "needed",
			 f->needed[0] ? text(f->needed) : json_null(), "numa_node",
			 none_below_zero(f->numa_node), "iommu_group", none_below_zero(f->group),
			 "group_peers", peers_to_json(f));
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

	if (n < 0)
		return devbind_complain();
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
