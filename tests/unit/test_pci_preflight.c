/* SPDX-License-Identifier: BSD-3-Clause */
/* What keeps VFIO from giving a function, and what mends it. */
#include "core/base/reason.h"
#include "core/pci/pci.h"
#include "tests/unit/fake_sysfs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define NODE  "dev/vfio/7"
#define THIRD "0000:03:00.2"

static struct pci_problem list[PCI_MAX_PROBLEMS];

static void assert_problem(const struct pci_problem *p, enum pci_trouble trouble, int err, const char *what,
			   const char *mend)
{
	assert_int_equal(p->trouble, trouble);
	assert_int_equal(p->err, err);
	if (!strstr(p->what, what))
		fail_msg("\"%s\" does not say \"%s\"", p->what, what);
	if (!strstr(p->mend, mend))
		fail_msg("\"%s\" does not say \"%s\"", p->mend, mend);
}

static void assert_only(enum pci_trouble trouble, int err, const char *what, const char *mend)
{
	assert_int_equal(pci_preflight(NIC, 0, list), 1);
	assert_problem(list, trouble, err, what, mend);
	assert_int_equal(pci_diagnose(NIC, EIO), -err);
	assert_non_null(strstr(unapi_reason(), NIC));
	assert_non_null(strstr(unapi_reason(), what));
	assert_non_null(strstr(unapi_reason(), list[0].mend));
}

static void make_ready(void)
{
	fake_bind(NIC, "vfio-pci");
	fake_put(NODE, "");
	assert_int_equal(pci_preflight(NIC, 0, list), 0);
}

static void a_ready_function_has_no_problem(void **state)
{
	make_ready();
	assert_int_equal(pci_diagnose(NIC, EIO), -EIO);
	assert_non_null(strstr(unapi_reason(), NODE));
	/* root would have seen who it is */
	assert_int_equal(pci_diagnose(NIC, EBUSY), -EBUSY);
	assert_non_null(strstr(unapi_reason(), "another process"));
}

static void a_function_that_is_not_there(void **state)
{
	assert_int_equal(pci_preflight("0000:09:00.0", 0, list), 1);
	assert_problem(list, PCI_GONE, ENODEV, "no such", "unapi-devbind --status");
	assert_int_equal(pci_diagnose("0000:09:00.0", ENOENT), -ENODEV);
}

static void the_driver(void **state)
{
	assert_only(PCI_NOT_BOUND, EINVAL, "bound to igb, not to vfio-pci",
		    "unapi-devbind --bind=vfio-pci " NIC);
	fake_unbind(NIC);
	assert_only(PCI_NOT_BOUND, EINVAL, "no driver has it", "unapi-devbind --bind=vfio-pci " NIC);
	fake_remove("sys/module/vfio_pci");
	assert_int_equal(pci_preflight(NIC, 0, list), 2);
	assert_problem(&list[0], PCI_NO_MODULE, ENOENT, "not loaded", "modprobe vfio-pci");
	assert_problem(&list[1], PCI_NOT_BOUND, EINVAL, "no driver", "--bind=vfio-pci");
	assert_int_equal(pci_diagnose(NIC, ENOENT), -ENOENT);
	assert_non_null(strstr(unapi_reason(), "--check")); /* there is more */
	/* a variant driver for one device is VFIO as well */
	fake_dir("sys/module/vfio_pci");
	fake_bind(NIC, "mlx5_vfio_pci");
	fake_put(NODE, "");
	assert_int_equal(pci_preflight(NIC, 0, list), 0);
}

static void the_iommu(void **state)
{
	make_ready();
	fake_no_iommu(NIC);
	assert_only(PCI_NO_IOMMU, ENOTSUP, "missing or off", "intel_iommu=on");
	assert_non_null(strstr(list[0].what, "no no-IOMMU mode"));
	fake_dir("sys/firmware/acpi/tables");
	fake_put("sys/firmware/acpi/tables/IVRS", "");
	assert_only(PCI_NO_IOMMU, ENOTSUP, "missing or off", "amd_iommu");
	fake_put("sys/firmware/acpi/tables/DMAR", "");
	assert_only(PCI_NO_IOMMU, ENOTSUP, "missing or off", "intel_iommu=on (the firmware offers VT-d");
	fake_dir("sys/class/iommu/dmar0");
	assert_only(PCI_NO_IOMMU, ENOTSUP, "no IOMMU covers it", "");
	fake_dir("sys/module/vfio/parameters");
	fake_put("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "N\n");
	assert_only(PCI_NO_IOMMU, ENOTSUP, "is not on: --noiommu-mode", "");
	fake_put("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
	assert_int_equal(pci_preflight(NIC, 0, list), 0);
}

static void peers_in_the_group(void **state)
{
	make_ready();
	fake_function(PEER, NULL);
	fake_function("0000:00:1c.0", "pcieport");
	fake_function(THIRD, "vfio-pci");
	assert_int_equal(pci_preflight(NIC, 0, list), 0);
	fake_bind(PEER, "igb");
	assert_only(PCI_GROUP_PEER, EPERM, "group 7 is not viable: " PEER " in it is bound to igb",
		    "unapi-devbind --unbind " PEER);
	fake_bind(THIRD, "snd_hda_intel");
	assert_int_equal(pci_preflight(NIC, 0, list), 2);
	for (int i = 0; i < 2; i++)
		assert_problem(&list[i], PCI_GROUP_PEER, EPERM, "not viable",
			       "unapi-devbind --unbind 0000:03:00.");
	assert_string_not_equal(list[0].mend, list[1].mend);
}

static void more_peers_than_there_is_room_for(void **state)
{
	char bdf[PCI_BDF_LEN];

	make_ready();
	for (int i = 1; i < 2 * PCI_MAX_PROBLEMS; i++) {
		snprintf(bdf, sizeof(bdf), "0000:04:%02x.0", i);
		fake_function(bdf, "igb");
	}
	assert_int_equal(pci_preflight(NIC, 0, list), PCI_MAX_PROBLEMS);
	assert_int_equal(list[PCI_MAX_PROBLEMS - 1].trouble, PCI_GROUP_PEER);
}

static void the_node(void **state)
{
	make_ready();
	fake_remove(NODE);
	assert_only(PCI_NO_NODE, ENOENT, NODE, "unapi-devbind --bind=vfio-pci");
	/* a group that the kernel made up has a node of another name */
	fake_put("sys/kernel/iommu_groups/7/name", "vfio-noiommu\n");
	assert_only(PCI_NO_NODE, ENOENT, "dev/vfio/noiommu-7", "");
	fake_put("dev/vfio/noiommu-7", "");
	assert_int_equal(pci_preflight(NIC, 0, list), 0);
}

/* What a test asserts in a child ends the child alone, so the child says by its exit code what it saw. */
static int as_nobody(void)
{
	if (getuid() == 0 && setresuid(65534, 65534, 65534))
		return 10;
	if (pci_preflight(NIC, 0, list) != 1)
		return 11;
	if (list[0].trouble != PCI_NO_ACCESS || list[0].err != EACCES)
		return 12;
	return strstr(list[0].mend, "chown") && strstr(list[0].mend, NODE) ? 0 : 13;
}

static void no_permission(void **state)
{
	int status;
	pid_t pid;

	make_ready();
	assert_int_equal(chmod(fake_path(NODE), 0), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(as_nobody());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void the_owner(void **state)
{
	char rel[100];

	make_ready();
	fake_dir("proc/4711/fd");
	fake_dir("proc/notapid/fd");
	fake_link("proc/4711/fd/4", "/dev/null");
	assert_int_equal(pci_preflight(NIC, 0, list), 0);
	fake_link("proc/4711/fd/5", fake_path(NODE));
	assert_only(PCI_BUSY, EBUSY, "in use by process 4711:", "kill 4711");
	fake_put("proc/4711/comm", "qemu-system-x86\n");
	assert_only(PCI_BUSY, EBUSY, "process 4711 (qemu-system-x86)", "kill 4711");
	/* who came by iommufd has the device's node, not the group's */
	fake_remove("proc/4711/fd/5");
	fake_dir("sys/bus/pci/devices/" NIC "/vfio-dev/vfio3");
	fake_link("proc/4711/fd/6", fake_path("dev/vfio/devices/vfio3"));
	assert_only(PCI_BUSY, EBUSY, "process 4711", "kill 4711");
	fake_remove("proc/4711");
	/* we ourselves are no hindrance */
	snprintf(rel, sizeof(rel), "proc/%d/fd", (int)getpid());
	fake_dir(rel);
	snprintf(rel, sizeof(rel), "proc/%d/fd/5", (int)getpid());
	fake_link(rel, fake_path(NODE));
	assert_int_equal(pci_preflight(NIC, 0, list), 0);
}

static void the_limit_of_locked_memory(void **state)
{
	struct rlimit was, low;

	make_ready();
	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &was), 0);
	low = was;
	low.rlim_cur = 64 << 10;
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &low), 0);
	fake_dir("proc/self");
	fake_put("proc/self/status", "Name:\ttest\nCapEff:\t0000000000000000\n");
	assert_int_equal(pci_preflight(NIC, 64 << 10, list), 0);
	assert_int_equal(pci_preflight(NIC, (100 << 10) + 1, list), 1);
	assert_problem(list, PCI_LOCKED_LIMIT, ENOMEM, "64 KiB, 101 KiB are needed", "ulimit -l 101");
	fake_put("proc/self/status", "Name:\ttest\nCapEff:\t0000000000004000\n"); /* CAP_IPC_LOCK */
	assert_int_equal(pci_preflight(NIC, 100 << 10, list), 0);
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &was), 0);
}

/* What a fresh machine with everything wrong is told: all of it, in the order of mending. */
static void everything_at_once(void **state)
{
	static const enum pci_trouble want[] = {PCI_NO_MODULE, PCI_NOT_BOUND, PCI_GROUP_PEER};

	fake_remove("sys/module/vfio_pci");
	fake_function(PEER, "igb");
	assert_int_equal(pci_preflight(NIC, 0, list), ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_int_equal(list[i].trouble, want[i]);
	fake_no_iommu(NIC);
	assert_int_equal(pci_preflight(NIC, 0, list), 3);
	assert_int_equal(list[0].trouble, PCI_NO_IOMMU);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fake_sysfs_setup, fake_sysfs_teardown)
	const struct CMUnitTest tests[] = {
		T(a_ready_function_has_no_problem),
		T(a_function_that_is_not_there),
		T(the_driver),
		T(the_iommu),
		T(peers_in_the_group),
		T(more_peers_than_there_is_room_for),
		T(the_node),
		T(no_permission),
		T(the_owner),
		T(the_limit_of_locked_memory),
		T(everything_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
