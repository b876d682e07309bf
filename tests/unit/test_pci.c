/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/pci on a sysfs tree of its own. Binding is played by the test: the program is linked with its write()
 * wrapped, and writes to the files that make the kernel act change the tree as the kernel would, before they
 * return.
 */
#include "core/base/reason.h"
#include "core/pci/bind.h"
#include "core/pci/describe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define NIC   "0000:03:00.0"
#define PEER  "0000:03:00.1"
#define GROUP 7

static char root[64], sys_dir[80], proc_dir[80], dev_dir[80];
static struct pci_roots roots = {sys_dir, proc_dir, dev_dir};

/* What the played kernel does. */
static struct {
	const char *refuses; /* this driver's probe fails */
	int probes;
} kernel;

ssize_t __real_write(int fd, const void *buf, size_t n);
ssize_t __wrap_write(int fd, const void *buf, size_t n);

static void path_of(char path[PATH_MAX], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void path_of(char path[PATH_MAX], const char *fmt, ...)
{
	char rel[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(rel, sizeof(rel), fmt, ap);
	va_end(ap);
	snprintf(path, PATH_MAX, "%s/%s", root, rel);
}

static void make_dir(const char *rel)
{
	char path[PATH_MAX];

	path_of(path, "%s", rel);
	for (char *p = path + strlen(root) + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		mkdir(path, 0755);
		*p = '/';
	}
	assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
}

static void put(const char *rel, const char *text)
{
	char path[PATH_MAX];
	FILE *f;

	path_of(path, "%s", rel);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void put_link(const char *rel, const char *target)
{
	char path[PATH_MAX];

	path_of(path, "%s", rel);
	unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

static void get(const char *rel, char *text, size_t n)
{
	char path[PATH_MAX];
	FILE *f;

	path_of(path, "%s", rel);
	f = fopen(path, "r");
	assert_non_null(f);
	text[fread(text, 1, n - 1, f)] = '\0';
	fclose(f);
}

static void bind_now(const char *bdf, const char *driver)
{
	char rel[200], target[200];

	snprintf(rel, sizeof(rel), "sys/bus/pci/devices/%s/driver", bdf);
	snprintf(target, sizeof(target), "../../drivers/%s", driver);
	put_link(rel, target);
}

static void unbind_now(const char *bdf)
{
	char path[PATH_MAX];

	path_of(path, "sys/bus/pci/devices/%s/driver", bdf);
	unlink(path);
}

/* drivers/base/dd.c: a probe by driver_override if there is one, else by id. */
static void probe(const char *bdf)
{
	char rel[200], driver[64];

	kernel.probes++;
	snprintf(rel, sizeof(rel), "sys/bus/pci/devices/%s/driver_override", bdf);
	get(rel, driver, sizeof(driver));
	driver[strcspn(driver, "\n")] = '\0';
	if (!driver[0] || !strcmp(driver, "(null)"))
		strcpy(driver, "igb");
	if (!kernel.refuses || strcmp(kernel.refuses, driver))
		bind_now(bdf, driver);
}

ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
	char link[64], path[PATH_MAX], text[128];
	ssize_t len, rc;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	path[len < 0 ? 0 : len] = '\0';
	if (strncmp(path, root, strlen(root)))
		return __real_write(fd, buf, n);
	snprintf(text, sizeof(text), "%.*s", (int)n, (const char *)buf);
	if (strstr(path, "/new_id"))
		fail_msg("new_id takes every device of an id");
	if (ftruncate(fd, 0))
		return -1;
	rc = __real_write(fd, buf, n);
	if (strstr(path, "/drivers_probe"))
		probe(text);
	else if (strstr(path, "/unbind"))
		unbind_now(text);
	else if (strstr(path, "/drivers/igb/bind"))
		bind_now(text, "igb");
	return rc;
}

static void make_function(const char *bdf, const char *driver)
{
	char rel[200], target[64];

	snprintf(rel, sizeof(rel), "sys/bus/pci/devices/%s", bdf);
	make_dir(rel);
	snprintf(rel, sizeof(rel), "sys/bus/pci/devices/%s/vendor", bdf);
	put(rel, "0x8086\n");
	snprintf(rel, sizeof(rel), "sys/bus/pci/devices/%s/device", bdf);
	put(rel, "0x10c9\n");
	snprintf(rel, sizeof(rel), "sys/bus/pci/devices/%s/class", bdf);
	put(rel, "0x020000\n");
	snprintf(rel, sizeof(rel), "sys/bus/pci/devices/%s/numa_node", bdf);
	put(rel, "-1\n");
	snprintf(rel, sizeof(rel), "sys/bus/pci/devices/%s/driver_override", bdf);
	put(rel, "(null)\n");
	snprintf(rel, sizeof(rel), "sys/bus/pci/devices/%s/iommu_group", bdf);
	snprintf(target, sizeof(target), "../../../kernel/iommu_groups/%d", GROUP);
	put_link(rel, target);
	snprintf(rel, sizeof(rel), "sys/kernel/iommu_groups/%d/devices/%s", GROUP, bdf);
	make_dir(rel);
	if (driver)
		bind_now(bdf, driver);
}

static int setup(void **state)
{
	static const char *const dirs[] = {
		"sys/bus/pci/drivers/igb",
		"sys/bus/pci/drivers/vfio-pci",
		"sys/module/vfio_pci",
		"sys/module/vfio",
		"sys/class/net/eth0",
		"proc/net",
		"dev/vfio",
	};

	snprintf(root, sizeof(root), "/tmp/unapi-pci-XXXXXX");
	assert_non_null(mkdtemp(root));
	snprintf(sys_dir, sizeof(sys_dir), "%s/sys", root);
	snprintf(proc_dir, sizeof(proc_dir), "%s/proc", root);
	snprintf(dev_dir, sizeof(dev_dir), "%s/dev", root);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		make_dir(dirs[i]);
	put("sys/bus/pci/drivers_probe", "");
	put("sys/bus/pci/drivers/igb/bind", "");
	put("sys/bus/pci/drivers/igb/unbind", "");
	put("sys/bus/pci/drivers/vfio-pci/unbind", "");
	put("proc/net/route", "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n");
	put("proc/net/ipv6_route", "");
	make_function(NIC, "igb");
	make_dir("sys/bus/pci/devices/" NIC "/net/eth0");
	put_link("sys/class/net/eth0/device", "../../../bus/pci/devices/" NIC);
	pci_set_roots(&roots);
	memset(&kernel, 0, sizeof(kernel));
	unsetenv("SSH_CONNECTION");
	return 0;
}

static int teardown(void **state)
{
	char cmd[128];

	pci_set_roots(NULL);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
	return system(cmd);
}

static void assert_driver(const char *bdf, const char *want)
{
	char driver[64];

	pci_driver(bdf, driver, sizeof(driver));
	assert_string_equal(driver, want);
}

static void assert_reason(const char *part)
{
	if (!strstr(unapi_reason(), part))
		fail_msg("the reason \"%s\" does not say \"%s\"", unapi_reason(), part);
}

static void addresses_are_parsed(void **state)
{
	static const char *const bad[] = {"",	     "eth0",	      "03:00",	  "03:00.8",
					  "03:20.0", "0000:03:00.0x", "03:00.0.0"};
	char bdf[PCI_BDF_LEN];

	assert_true(pci_parse_bdf("03:00.1", bdf));
	assert_string_equal(bdf, "0000:03:00.1");
	assert_true(pci_parse_bdf("00ab:1f:1f.7", bdf));
	assert_string_equal(bdf, "00ab:1f:1f.7");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(pci_parse_bdf(bad[i], bdf));
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
	assert_int_equal(pci_find("0000:04:00.0", bdf), -ENODEV);
}

static void network_functions_are_listed(void **state)
{
	struct pci_function *list;

	make_function(PEER, NULL);
	put("sys/bus/pci/devices/" PEER "/class", "0x010000\n"); /* a disk controller */
	assert_int_equal(pci_list_network(&list), 1);
	assert_string_equal(list[0].bdf, NIC);
	assert_string_equal(list[0].driver, "igb");
	assert_int_equal(list[0].device, 0x10c9);
	assert_int_equal(list[0].group, GROUP);
	assert_int_equal(list[0].nr_ifaces, 1);
	assert_string_equal(list[0].ifaces[0], "eth0");
	assert_non_null(strstr(list[0].modules, "vfio-pci"));
	assert_false(list[0].active);
	free(list);
}

static void binding_there_and_back(void **state)
{
	char text[32];

	assert_int_equal(pci_bind(NIC, "vfio-pci"), 0);
	assert_driver(NIC, "vfio-pci");
	assert_int_equal(pci_bind(NIC, "vfio-pci"), 0);
	assert_int_equal(kernel.probes, 1);
	assert_int_equal(pci_bind(NIC, "igb"), 0);
	assert_driver(NIC, "igb");
	get("sys/bus/pci/devices/" NIC "/driver_override", text, sizeof(text));
	assert_string_equal(text, "\n");
	assert_int_equal(pci_unbind(NIC), 0);
	assert_driver(NIC, "");
	assert_int_equal(pci_unbind(NIC), 0);
}

static void a_refused_binding_puts_the_old_driver_back(void **state)
{
	char text[32];

	kernel.refuses = "vfio-pci";
	assert_int_equal(pci_bind(NIC, "vfio-pci"), -EIO);
	assert_reason("its old driver has it again");
	assert_driver(NIC, "igb");
	get("sys/bus/pci/devices/" NIC "/driver_override", text, sizeof(text));
	assert_string_equal(text, "\n");
}

static void binding_checks_before_it_touches(void **state)
{
	char path[PATH_MAX];

	assert_int_equal(pci_bind(NIC, "nosuch"), -ENOENT);
	assert_reason("modprobe nosuch");
	path_of(path, "sys/bus/pci/devices/" NIC "/iommu_group");
	unlink(path);
	assert_int_equal(pci_bind(NIC, "vfio-pci"), -ENOTSUP);
	assert_reason("IOMMU");
	assert_driver(NIC, "igb");
	assert_int_equal(kernel.probes, 0);
}

static void the_default_route_is_noticed(void **state)
{
	struct pci_function f;
	char why[160];

	assert_int_equal(pci_describe(NIC, &f), 0);
	assert_false(pci_in_use(&f, why, sizeof(why)));
	/* through a bridge it is in */
	make_dir("sys/class/net/eth0/upper_br0");
	make_dir("sys/class/net/br0");
	put("proc/net/route", "Iface\tDestination\n"
			      "br0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n");
	assert_false(pci_in_use(&f, why, sizeof(why)));
	put("proc/net/route", "Iface\tDestination\n"
			      "br0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\n");
	assert_true(pci_in_use(&f, why, sizeof(why)));
	assert_string_equal(why, "eth0 carries the default route");
	put("proc/net/route", "");
	put("proc/net/ipv6_route",
	    "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
	    "fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n");
	assert_true(pci_in_use(&f, why, sizeof(why)));
}

static void an_ssh_session_is_noticed(void **state)
{
	struct pci_function f;
	char why[160];

	assert_int_equal(pci_describe(NIC, &f), 0);
	snprintf(f.ifaces[0], sizeof(f.ifaces[0]),
		 "lo"); /* the one interface that is surely here, with 127.0.0.1 */
	setenv("SSH_CONNECTION", "10.0.0.1 50000 127.0.0.1 22", 1);
	assert_true(pci_in_use(&f, why, sizeof(why)));
	assert_string_equal(why, "lo carries this ssh session");
	setenv("SSH_CONNECTION", "10.0.0.1 50000 192.0.2.77 22", 1);
	assert_false(pci_in_use(&f, why, sizeof(why)));
	setenv("SSH_CONNECTION", "rubbish", 1);
	assert_false(pci_in_use(&f, why, sizeof(why)));
}

static void diagnosis_names_the_first_thing_that_is_wrong(void **state)
{
	char path[PATH_MAX];

	assert_int_equal(pci_diagnose("0000:09:00.0", ENOENT), -ENODEV);
	assert_int_equal(pci_diagnose(NIC, ENOENT), -EINVAL);
	assert_reason("bound to igb, not to vfio-pci: unapi-devbind --bind=vfio-pci " NIC);
	path_of(path, "sys/module/vfio_pci");
	rmdir(path);
	assert_int_equal(pci_diagnose(NIC, ENOENT), -ENOENT);
	assert_reason("modprobe vfio-pci");
	make_dir("sys/module/vfio_pci");

	bind_now(NIC, "vfio-pci");
	make_function(PEER, "igb");
	assert_int_equal(pci_diagnose(NIC, EPERM), -EPERM);
	assert_reason("not viable");
	assert_reason("unapi-devbind --unbind " PEER);
	unbind_now(PEER);

	assert_int_equal(pci_diagnose(NIC, ENOENT), -ENOENT); /* no /dev/vfio/7 */
	put("dev/vfio/7", "");
	assert_int_equal(pci_diagnose(NIC, EBUSY), -EBUSY);
	path_of(path, "proc/4711/fd");
	make_dir("proc/4711/fd");
	path_of(path, "%s", "dev/vfio/7");
	put_link("proc/4711/fd/5", path);
	assert_int_equal(pci_diagnose(NIC, EBUSY), -EBUSY);
	assert_reason("process 4711");

	path_of(path, "sys/bus/pci/devices/" NIC "/iommu_group");
	unlink(path);
	assert_int_equal(pci_diagnose(NIC, ENOENT), -ENOTSUP);
	assert_reason("intel_iommu=on");
}

static void noiommu_mode_is_told_when_missing(void **state)
{
	assert_int_equal(pci_enable_noiommu(), -ENOTSUP);
	assert_reason("CONFIG_VFIO_NOIOMMU");
	make_dir("sys/module/vfio/parameters");
	put("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "N\n");
	assert_false(pci_noiommu_enabled());
	assert_int_equal(pci_enable_noiommu(), 0);
	assert_true(pci_noiommu_enabled());
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(addresses_are_parsed),
		T(a_function_is_found_by_address_or_interface),
		T(network_functions_are_listed),
		T(binding_there_and_back),
		T(a_refused_binding_puts_the_old_driver_back),
		T(binding_checks_before_it_touches),
		T(the_default_route_is_noticed),
		T(an_ssh_session_is_noticed),
		T(diagnosis_names_the_first_thing_that_is_wrong),
		T(noiommu_mode_is_told_when_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
