/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding, describing and binding PCI functions, on a played sysfs. */
#include "core/base/reason.h"
#include "core/pci/bind.h"
#include "core/pci/describe.h"
#include "tests/unit/fake_sysfs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void assert_driver(const char *bdf, const char *want)
{
	char driver[64];

	pci_driver(bdf, driver, sizeof(driver));
	assert_string_equal(driver, want);
}

static void assert_override(const char *bdf, const char *want)
{
	char rel[100], text[64];

	snprintf(rel, sizeof(rel), "sys/bus/pci/devices/%s/driver_override", bdf);
	fake_get(rel, text, sizeof(text));
	assert_string_equal(text, want);
}

static void assert_reason(const char *part)
{
	if (!strstr(unapi_reason(), part))
		fail_msg("the reason \"%s\" does not say \"%s\"", unapi_reason(), part);
}

static void addresses_are_parsed(void **state)
{
	static const char *const bad[] = {"",
					  "eth0",
					  "03:00",
					  "03:00.8",
					  "03:20.0",
					  "0000:03:00.0x",
					  "03:00.0.0",
					  "0x3:00.0",
					  "+3:00.0",
					  " 03:00.0",
					  ":03:00.0",
					  "000:03:00.0",
					  "1-1:1.0",
					  "03:00.",
					  "0000:0000:03:00.0",
					  "123456789:03:00.0"};
	char bdf[PCI_BDF_LEN];

	assert_true(pci_parse_bdf("03:00.1", bdf));
	assert_string_equal(bdf, "0000:03:00.1");
	assert_true(pci_parse_bdf("00AB:1f:1F.7", bdf));
	assert_string_equal(bdf, "00ab:1f:1f.7");
	assert_true(pci_parse_bdf("10000:e1:00.0", bdf)); /* behind a VMD bridge */
	assert_string_equal(bdf, "10000:e1:00.0");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (pci_parse_bdf(bad[i], bdf))
			fail_msg("\"%s\" is taken for %s", bad[i], bdf);
}

static void a_function_is_found_by_address_or_interface(void **state)
{
	char bdf[PCI_BDF_LEN];

	assert_int_equal(pci_find("03:00.0", bdf), 0);
	assert_string_equal(bdf, NIC);
	assert_int_equal(pci_find("eth0", bdf), 0);
	assert_string_equal(bdf, NIC);
	assert_int_equal(pci_find("eth9", bdf), -ENODEV);
	assert_int_equal(pci_find("../../x", bdf), -ENODEV);
	assert_int_equal(pci_find("..", bdf), -ENODEV);
	assert_int_equal(pci_find("0000:04:00.0", bdf), -ENODEV);
	assert_reason("0000:04:00.0");
}

static void an_interface_behind_another_bus_is_its_functions(void **state)
{
	char bdf[PCI_BDF_LEN];

	fake_dir("sys/bus/pci/devices/" NIC "/virtio0");
	fake_link("sys/class/net/eth0/device", "../../../bus/pci/devices/" NIC "/virtio0");
	assert_int_equal(pci_find("eth0", bdf), 0);
	assert_string_equal(bdf, NIC);
	/* and one that hangs on no function is nobody's */
	fake_dir("sys/devices/virtual/net/dummy0");
	fake_link("sys/class/net/dummy0", "../../devices/virtual/net/dummy0");
	assert_int_equal(pci_find("dummy0", bdf), -ENODEV);
}

static void network_functions_are_listed(void **state)
{
	struct pci_function *list;

	fake_function("0000:0a:00.0", NULL);
	fake_function(PEER, "ahci");
	fake_attr(PEER, "class", "0x010601\n"); /* a disk controller */
	fake_attr(NIC, "numa_node", "1\n");
	assert_int_equal(pci_list_network(&list), 2);
	assert_string_equal(list[0].bdf, NIC);
	assert_string_equal(list[0].driver, "igb");
	assert_int_equal(list[0].vendor, 0x8086);
	assert_int_equal(list[0].device, 0x10c9);
	assert_int_equal(list[0].class, 0x0200);
	assert_int_equal(list[0].group, GROUP);
	assert_int_equal(list[0].numa_node, 1);
	assert_int_equal(list[0].nr_ifaces, 1);
	assert_string_equal(list[0].ifaces[0].name, "eth0");
	assert_true(list[0].ifaces[0].up);
	assert_false(list[0].active);
	assert_string_equal(list[0].needed, "");
	assert_int_equal(list[0].nr_peers, 2);
	for (unsigned int i = 0; i < 2; i++)
		assert_string_equal(list[0].peers[i].driver,
				    strcmp(list[0].peers[i].bdf, PEER) ? "" : "ahci");
	assert_string_equal(list[1].bdf, "0000:0a:00.0");
	assert_int_equal(list[1].numa_node, -1);
	free(list);
}

static void the_list_is_in_order_of_address(void **state)
{
	static const char *const some[] = {"0000:05:00.0", "0000:04:00.1", "0001:01:00.0",
					   "0000:04:00.0", "0000:81:00.0", "0000:02:10.3"};
	struct pci_function *list;

	for (size_t i = 0; i < ARRAY_SIZE(some); i++)
		fake_function(some[i], NULL);
	assert_int_equal(pci_list_network(&list), ARRAY_SIZE(some) + 1);
	for (size_t i = 0; i < ARRAY_SIZE(some); i++)
		assert_true(strcmp(list[i].bdf, list[i + 1].bdf) < 0);
	free(list);
}

static void interfaces_without_room_are_left_out(void **state)
{
	struct pci_function f;
	char name[16];

	for (int i = 1; i < 3; i++) {
		snprintf(name, sizeof(name), "eth%d", i);
		fake_iface(NIC, name);
	}
	fake_put("sys/class/net/eth1/flags", "0x1002\n");
	assert_int_equal(pci_describe(NIC, &f), 0);
	assert_int_equal(f.nr_ifaces, 3);
	for (unsigned int i = 0; i < f.nr_ifaces; i++)
		assert_int_equal(f.ifaces[i].up, strcmp(f.ifaces[i].name, "eth1") != 0);
	for (int i = 3; i < 2 * PCI_MAX_IFACES; i++) {
		snprintf(name, sizeof(name), "eth%d", i);
		fake_iface(NIC, name);
	}
	assert_int_equal(pci_describe(NIC, &f), 0);
	assert_int_equal(f.nr_ifaces, PCI_MAX_IFACES);
	assert_string_equal(f.driver, "igb");
}

/* igbvf contains igb; vfio-pci's module is called vfio_pci. */
static void modules_that_could_drive_it_are_named_once(void **state)
{
	struct pci_function f;

	fake_put("lib/modules/modules.alias", "alias pci:v00008086d000010C9sv*sd*bc*sc*i* igbvf\n"
					      "alias pci:v00008086d000010C9sv*sd*bc*sc*i* igb\n"
					      "alias pci:v00008086d*sv*sd*bc02sc*i* igb\n"
					      "alias pci:v00008086d*sv*sd*bc02sc*i* igb_new\n"
					      "alias usb:v0000d0000 nothing\n"
					      "rubbish\n");
	fake_bind(NIC, "vfio-pci");
	assert_int_equal(pci_describe(NIC, &f), 0);
	assert_string_equal(f.modules, "igbvf,igb,igb_new");
	fake_bind(NIC, "igb");
	assert_int_equal(pci_describe(NIC, &f), 0);
	assert_string_equal(f.modules, "igbvf,igb_new,vfio-pci");
	fake_bind(NIC, "igb-new");
	assert_int_equal(pci_describe(NIC, &f), 0);
	assert_string_equal(f.modules, "igbvf,igb,vfio-pci");
	assert_int_equal(pci_describe("0000:09:00.0", &f), -ENODEV);
}

static void a_machine_without_pci_has_no_functions(void **state)
{
	struct pci_function *list;

	fake_remove("sys/bus/pci");
	assert_int_equal(pci_list_network(&list), 0);
	assert_null(list);
}

static void a_tree_that_libpci_cannot_read_is_an_error_not_an_exit(void **state)
{
	struct pci_function *list;

	fake_remove("sys/bus/pci/devices");
	fake_put("sys/bus/pci/devices", "not a directory");
	assert_int_equal(pci_list_network(&list), -EIO);
	assert_null(list);
}

static void binding_there_and_back(void **state)
{
	assert_int_equal(pci_bind(NIC, "vfio-pci"), 0);
	assert_driver(NIC, "vfio-pci");
	assert_override(NIC, "vfio-pci");
	assert_int_equal(pci_bind(NIC, "vfio-pci"), 0);
	assert_int_equal(fake_kernel.probes, 1);
	assert_int_equal(pci_bind(NIC, "igb"), 0);
	assert_driver(NIC, "igb");
	assert_override(NIC, "\n");
	assert_int_equal(pci_unbind(NIC), 0);
	assert_driver(NIC, "");
	assert_int_equal(pci_unbind(NIC), 0);
	assert_int_equal(pci_bind(NIC, "vfio-pci"), 0);
	assert_driver(NIC, "vfio-pci");
	assert_int_equal(pci_unbind(NIC), 0);
	assert_override(NIC, "\n");
}

static void a_refused_binding_puts_the_old_driver_back(void **state)
{
	fake_kernel.refuses = "vfio-pci";
	assert_int_equal(pci_bind(NIC, "vfio-pci"), -EIO);
	assert_reason("its old driver has it");
	assert_driver(NIC, "igb");
	assert_override(NIC, "\n");
	/* the other way vfio-pci needs its override again, or it would not take the function */
	fake_kernel.refuses = NULL;
	assert_int_equal(pci_bind(NIC, "vfio-pci"), 0);
	fake_kernel.refuses = "igb";
	assert_int_equal(pci_bind(NIC, "igb"), -EIO);
	assert_reason("its old driver has it");
	assert_driver(NIC, "vfio-pci");
	assert_override(NIC, "vfio-pci");
}

static void a_failure_on_the_way_leaves_things_as_they_were(void **state)
{
	static const struct {
		const char *file;
		int err;
		const char *reason;
	} steps[] = {
		{"/driver_override", EACCES, "run it as root"},
		{"/driver_override", EROFS, "read-only"},
		{"/igb/unbind", EPERM, "taking it from its driver"},
		{"/drivers_probe", EINVAL, "having it probed"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		fake_kernel.fail_file = steps[i].file;
		fake_kernel.fail_errno = steps[i].err;
		assert_int_equal(pci_bind(NIC, "vfio-pci"), -steps[i].err);
		assert_reason(steps[i].reason);
		assert_reason("its old driver has it");
		assert_driver(NIC, "igb");
	}
	/* what cannot be mended is said */
	fake_kernel.refuses = "vfio-pci";
	fake_kernel.fail_file = "/igb/bind";
	assert_int_equal(pci_bind(NIC, "vfio-pci"), -EIO);
	assert_reason("did not take it back either");
	assert_int_equal(pci_bind(NIC, "vfio-pci"), -EIO);
	assert_reason("it had no driver before");
}

static void binding_checks_before_it_touches(void **state)
{
	static const char *const none[] = {"nosuch", "", "..", ".", "../drivers/igb"};

	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		assert_int_equal(pci_bind(NIC, none[i]), -ENOENT);
		assert_reason(NIC ": there is no driver");
	}
	assert_int_equal(pci_bind(NIC, "nosuch"), -ENOENT);
	assert_reason("modprobe nosuch");
	fake_no_iommu(NIC);
	assert_int_equal(pci_bind(NIC, "vfio-pci"), -ENOTSUP);
	assert_reason("IOMMU");
	assert_driver(NIC, "igb");
	assert_int_equal(fake_kernel.writes, 0);
}

static void noiommu_mode_is_told_when_missing(void **state)
{
	assert_int_equal(pci_enable_noiommu(), -ENOTSUP);
	assert_reason("CONFIG_VFIO_NOIOMMU");
	fake_dir("sys/module/vfio/parameters");
	fake_put("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "N\n");
	assert_false(pci_noiommu_enabled());
	assert_int_equal(pci_enable_noiommu(), 0);
	assert_true(pci_noiommu_enabled());
	fake_no_iommu(NIC);
	assert_int_equal(pci_bind(NIC, "vfio-pci"), 0);
	fake_remove("sys/module/vfio");
	assert_int_equal(pci_enable_noiommu(), -ENOENT);
	assert_reason("modprobe vfio");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fake_sysfs_setup, fake_sysfs_teardown)
	const struct CMUnitTest tests[] = {
		T(addresses_are_parsed),
		T(a_function_is_found_by_address_or_interface),
		T(an_interface_behind_another_bus_is_its_functions),
		T(network_functions_are_listed),
		T(the_list_is_in_order_of_address),
		T(interfaces_without_room_are_left_out),
		T(modules_that_could_drive_it_are_named_once),
		T(a_machine_without_pci_has_no_functions),
		T(a_tree_that_libpci_cannot_read_is_an_error_not_an_exit),
		T(binding_there_and_back),
		T(a_refused_binding_puts_the_old_driver_back),
		T(a_failure_on_the_way_leaves_things_as_they_were),
		T(binding_checks_before_it_touches),
		T(noiommu_mode_is_told_when_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
