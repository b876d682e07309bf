/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * unapi-devbind as its user meets it: command line, output, exit code. Mostly it runs in a child of the test,
 * where the kernel behind sysfs is played; the installed program itself, given as the test's argument, runs
 * on the same tree where the files are only files.
 */
#include "core/base/compiler.h"
#include "tests/unit/fake_sysfs.h"
#include "tools/devbind/devbind.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static const char *program;

/* What the last run printed. */
static char out[8192], err[4096];

static void drain(int fd, char *text, size_t n)
{
	size_t at = 0;
	ssize_t got;

	while (at < n - 1 && (got = read(fd, text + at, n - 1 - at)) > 0)
		at += (size_t)got;
	text[at] = '\0';
}

/* Standard output is a pipe that is read to its end first: neither side prints more than a pipe holds. */
static int run(const char *file, char **argv, const int fds[2][2])
{
	int status, argc = 0;
	pid_t pid;

	while (argv[argc])
		argc++;
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(fds[0][1], 1);
		dup2(fds[1][1], 2);
		if (file) {
			execv(file, argv);
			_exit(126);
		}
		status = devbind_main(argc, argv);
		fflush(NULL);
		_exit(status);
	}
	close(fds[0][1]);
	close(fds[1][1]);
	drain(fds[0][0], out, sizeof(out));
	drain(fds[1][0], err, sizeof(err));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int run_words(const char *file, const char *words)
{
	char line[512], *argv[16] = {(char *)"unapi-devbind"}, *save = NULL;
	int fds[2][2], n = 1, rc;

	snprintf(line, sizeof(line), "%s", words);
	for (char *w = strtok_r(line, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		assert_true(n < (int)ARRAY_SIZE(argv) - 1);
		argv[n++] = w;
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(pipe2(fds[i], O_CLOEXEC), 0);
	rc = run(file, argv, fds);
	for (int i = 0; i < 2; i++)
		close(fds[i][0]);
	return rc;
}

#define devbind(words) run_words(NULL, words)

static void assert_says(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" does not say \"%s\"", text, part);
}

/* It failed, in one line which names the device. */
static void assert_one_line(const char *device, const char *part)
{
	assert_says(err, "unapi-devbind: ");
	assert_says(err, device);
	assert_says(err, part);
	assert_ptr_equal(strchr(err, '\n'), err + strlen(err) - 1);
}

static void assert_driver(const char *bdf, const char *want)
{
	char rel[100], target[200];
	ssize_t n;

	snprintf(rel, sizeof(rel), "sys/bus/pci/devices/%s/driver", bdf);
	n = readlink(fake_path(rel), target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = '\0';
	assert_string_equal(strrchr(target, '/') ? strrchr(target, '/') + 1 : target, want);
}

static void put_default_route(const char *dev)
{
	char text[100];

	snprintf(text, sizeof(text), "%s\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\n", dev);
	fake_put("proc/net/route", text);
}

static void status_has_the_familiar_lines(void **state)
{
	fake_function("0000:04:00.0", "vfio-pci");
	fake_function("0000:05:00.0", NULL);
	fake_attr("0000:05:00.0", "numa_node", "1\n");
	fake_attr("0000:05:00.0", "vendor", "0xfffe\n"); /* nobody's */
	put_default_route("eth0");
	assert_int_equal(devbind("--status"), 0);
	assert_says(out, "\nNetwork devices using DPDK-compatible driver\n"
			 "============================================\n"
			 "0000:04:00.0 '");
	assert_says(out, "\nNetwork devices using kernel driver\n"
			 "===================================\n"
			 "0000:03:00.0 '");
	assert_says(out, " 10c9' if=eth0 drv=igb unused=other_nic,vfio-pci *Active*\n");
	assert_says(out, " 10c9' drv=vfio-pci unused=igb,other_nic\n");
	assert_says(out, "\nOther Network devices\n"
			 "=====================\n"
			 "0000:05:00.0 'Device 10c9' numa_node=1 unused=igb,other_nic,vfio-pci\n");
	assert_string_equal(err, "");
	assert_int_equal(devbind("--status-dev net"), 0);
	assert_says(out, "drv=igb");
	assert_int_equal(devbind("--status-dev crypto"), 2);
}

static void status_without_network_functions(void **state)
{
	fake_attr(NIC, "class", "0x010601\n");
	assert_int_equal(devbind("-s"), 0);
	assert_says(out, "No 'Network' devices detected\n=============================\n");
	assert_int_equal(devbind("-s --json"), 0);
	assert_string_equal(out, "[]\n");
}

static void status_as_json(void **state)
{
	json_t *array, *nic, *peers;

	fake_function(PEER, "ahci");
	fake_attr(PEER, "class", "0x010601\n");
	put_default_route("eth0");
	assert_int_equal(devbind("--status --json"), 0);
	array = json_loads(out, 0, NULL);
	assert_int_equal(json_array_size(array), 1);
	nic = json_array_get(array, 0);
	assert_string_equal(json_string_value(json_object_get(nic, "address")), NIC);
	assert_string_equal(json_string_value(json_object_get(nic, "driver")), "igb");
	assert_int_equal(json_integer_value(json_object_get(nic, "device_id")), 0x10c9);
	assert_int_equal(json_integer_value(json_object_get(nic, "iommu_group")), GROUP);
	assert_true(json_is_null(json_object_get(nic, "numa_node")));
	assert_true(json_is_true(json_object_get(nic, "active")));
	assert_string_equal(json_string_value(json_object_get(nic, "needed")),
			    "eth0 carries the default route");
	assert_true(
		json_is_true(json_object_get(json_array_get(json_object_get(nic, "interfaces"), 0), "up")));
	peers = json_object_get(nic, "group_peers");
	assert_int_equal(json_array_size(peers), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(peers, 0), "address")), PEER);
	assert_string_equal(json_string_value(json_object_get(json_array_get(peers, 0), "driver")), "ahci");
	json_decref(array);
}

/* An interface's name may be any bytes; JSON is UTF-8. */
static void a_strange_name_does_not_hide_the_device(void **state)
{
	json_t *array;

	fake_remove("sys/class/net/eth0");
	fake_iface(NIC, "eth\xff");
	put_default_route("eth\xff");
	assert_int_equal(devbind("--status --json"), 0);
	array = json_loads(out, 0, NULL);
	assert_int_equal(json_array_size(array), 1);
	assert_true(json_is_true(json_object_get(json_array_get(array, 0), "active")));
	json_decref(array);
}

static void binding_tells_the_group(void **state)
{
	fake_put("dev/vfio/7", "");
	assert_int_equal(devbind("--bind=vfio-pci 03:00.0"), 0);
	assert_driver(NIC, "vfio-pci");
	assert_says(out, NIC ": bound to vfio-pci; its group is ");
	assert_says(out, "/dev/vfio/7\n");
	assert_null(strstr(out, "not usable"));
	assert_int_equal(devbind("-b vfio-pci 03:00.0"), 0);
	assert_says(out, "already");
	assert_int_equal(devbind("-u " NIC), 0);
	assert_driver(NIC, "");
	assert_int_equal(devbind("-u " NIC), 0);
	assert_says(out, "has no driver");
	assert_int_equal(devbind("-b igb " NIC " -s"), 0);
	assert_driver(NIC, "igb");
	assert_says(out, "drv=igb");
	assert_int_equal(devbind("-b none eth0"), 0);
	assert_driver(NIC, "");
}

/* Ports of one card often share a group: binding both leaves nothing to complain of. */
static void peers_are_told_once_all_is_bound(void **state)
{
	fake_put("dev/vfio/7", "");
	fake_function(PEER, "igb");
	assert_int_equal(devbind("--bind=vfio-pci 03:00.0"), 0);
	assert_says(out, NIC ": not usable yet: IOMMU group 7 is not viable: " PEER
			     " in it is bound to igb: unapi-devbind --unbind " PEER "\n");
	assert_int_equal(devbind("-b igb 03:00.0"), 0);
	assert_int_equal(devbind("--bind=vfio-pci 03:00.0 03:00.1"), 0);
	assert_driver(NIC, "vfio-pci");
	assert_driver(PEER, "vfio-pci");
	assert_null(strstr(out, "not usable"));
}

static void all_hindrances_are_told_before_anything_is_touched(void **state)
{
	fake_remove("sys/module/vfio_pci");
	fake_remove("sys/bus/pci/drivers/vfio-pci");
	fake_no_iommu(NIC);
	assert_int_equal(devbind("--bind=vfio-pci 03:00.0"), 1);
	assert_says(err, NIC ": the module vfio-pci is not loaded: modprobe vfio-pci\n");
	assert_says(err, NIC ": it is in no IOMMU group");
	assert_driver(NIC, "igb");
}

static void a_driver_that_refuses_gives_it_back(void **state)
{
	fake_kernel.refuses = "vfio-pci";
	assert_int_equal(devbind("--bind=vfio-pci 03:00.0"), 1);
	assert_one_line(NIC, "its old driver has it");
	assert_driver(NIC, "igb");
	fake_kernel.refuses = NULL;
	fake_kernel.fail_file = "/igb/unbind";
	fake_kernel.fail_errno = EACCES;
	assert_int_equal(devbind("--unbind 03:00.0"), 1);
	assert_one_line(NIC, "run it as root");
	assert_driver(NIC, "igb");
	fake_kernel.fail_file = NULL;
	assert_int_equal(devbind("--bind=nosuch 03:00.0"), 1);
	assert_one_line(NIC, "modprobe nosuch");
}

static void an_interface_that_is_needed_is_refused(void **state)
{
	put_default_route("eth0");
	assert_int_equal(devbind("--bind=vfio-pci eth0"), 1);
	assert_one_line(NIC, "eth0 carries the default route; --force");
	assert_int_equal(devbind("--unbind eth0"), 1);
	assert_driver(NIC, "igb");
	/* one that must not go keeps the others too */
	fake_function(PEER, "igb");
	assert_int_equal(devbind("--unbind 03:00.1 03:00.0"), 1);
	assert_driver(PEER, "igb");
	assert_int_equal(devbind("--force --bind=vfio-pci eth0"), 0);
	assert_driver(NIC, "vfio-pci");
}

static void a_device_that_a_process_has_is_refused(void **state)
{
	fake_bind(NIC, "vfio-pci");
	fake_put("dev/vfio/7", "");
	fake_dir("proc/4711/fd");
	fake_put("proc/4711/comm", "unapi-testpmd\n");
	fake_link("proc/4711/fd/9", fake_path("dev/vfio/7"));
	assert_int_equal(devbind("--bind=igb 03:00.0"), 1);
	assert_one_line(NIC, "process 4711 (unapi-testpmd)");
	assert_driver(NIC, "vfio-pci");
	assert_int_equal(devbind("--force --bind=igb 03:00.0"), 0);
	assert_driver(NIC, "igb");
}

static void noiommu_mode_is_for_who_needs_it(void **state)
{
	char text[8];

	assert_int_equal(devbind("--noiommu-mode --bind=vfio-pci 03:00.0"), 1);
	assert_says(err, "no-IOMMU mode: this kernel was built without it");
	assert_driver(NIC, "igb");
	fake_dir("sys/module/vfio/parameters");
	fake_put("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "N\n");
	fake_put("dev/vfio/7", "");
	assert_int_equal(devbind("--noiommu-mode --bind=vfio-pci 03:00.0"), 0);
	assert_driver(NIC, "vfio-pci");
	fake_get("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", text, sizeof(text));
	assert_string_equal(text, "N\n");
	fake_function("0000:04:00.0", "igb");
	fake_no_iommu("0000:04:00.0");
	assert_int_equal(devbind("--bind=vfio-pci 04:00.0"), 1);
	assert_says(err, "--noiommu-mode");
	assert_int_equal(devbind("--noiommu-mode --bind=vfio-pci 04:00.0"), 0);
	assert_driver("0000:04:00.0", "vfio-pci");
	fake_get("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", text, sizeof(text));
	assert_string_equal(text, "1");
}

static void check_tells_what_to_mend(void **state)
{
	assert_int_equal(devbind("--check 03:00.0"), 1);
	assert_string_equal(out, NIC
			    ": it is bound to igb, not to vfio-pci: unapi-devbind --bind=vfio-pci " NIC "\n");
	fake_bind(NIC, "vfio-pci");
	fake_put("dev/vfio/7", "");
	assert_int_equal(devbind("--check 03:00.0"), 0);
	assert_says(out, NIC ": ready");
	assert_int_equal(devbind("--check 03:00.0 nosuch"), 1);
	assert_one_line("nosuch", "neither");
}

static void bad_command_lines_are_refused(void **state)
{
	static const char *const wrong[] = {"",
					    "03:00.0",
					    "--bind=igb",
					    "--unbind",
					    "--check",
					    "--bind=igb --unbind 03:00.0",
					    "--check --unbind 03:00.0",
					    "--nonsense",
					    "--json",
					    "--json --unbind 03:00.0",
					    "--status 03:00.0",
					    "--noiommu-mode --bind=igb 03:00.0",
					    "--noiommu-mode -s"};
	static const char *const unknown[] = {"--bind=igb nosuch", "--unbind 0000:ff:1f.7", "--check 0:0"};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_int_equal(devbind(wrong[i]), 2);
		assert_string_not_equal(err, "");
	}
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		assert_int_equal(devbind(unknown[i]), 1);
		assert_one_line(strrchr(unknown[i], ' ') + 1, "PCI");
	}
	assert_driver(NIC, "igb");
	assert_int_equal(devbind("--help"), 0);
	assert_says(out, "--noiommu-mode");
	assert_int_equal(devbind("--version"), 0);
	assert_says(out, "unapi-devbind ");
}

/* Its own main(), its root, and files which nobody stands behind: vfio-pci never takes the function. */
static void the_program_itself(void **state)
{
	char text[64];

	if (!program)
		skip();
	setenv("UNAPI_SYSFS_ROOT", fake_path("."), 1);
	assert_int_equal(run_words(program, "--status"), 0);
	assert_says(out, "if=eth0 drv=igb unused=other_nic,vfio-pci\n");
	put_default_route("eth0");
	assert_int_equal(run_words(program, "--bind=vfio-pci eth0"), 1);
	assert_one_line(NIC, "default route");
	fake_put("proc/net/route", "");
	assert_int_equal(run_words(program, "--bind=vfio-pci eth0"), 1);
	assert_one_line(NIC, "vfio-pci did not take it");
	fake_get("sys/bus/pci/drivers_probe", text, sizeof(text));
	assert_string_equal(text, NIC);
	fake_get("sys/bus/pci/drivers/vfio-pci/new_id", text, sizeof(text));
	assert_string_equal(text, "");
	unsetenv("UNAPI_SYSFS_ROOT");
}

static void status_on_a_full_disk(void **state)
{
	char *argv[] = {(char *)"unapi-devbind", (char *)"--status", NULL};
	int fds[2][2];

	fds[0][0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	fds[0][1] = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(pipe2(fds[1], O_CLOEXEC), 0);
	assert_int_equal(run(NULL, argv, fds), 1);
	assert_one_line("standard output", "written");
	close(fds[0][0]);
	close(fds[1][0]);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fake_sysfs_setup, fake_sysfs_teardown)
	const struct CMUnitTest tests[] = {
		T(status_has_the_familiar_lines),
		T(status_without_network_functions),
		T(status_as_json),
		T(a_strange_name_does_not_hide_the_device),
		T(binding_tells_the_group),
		T(peers_are_told_once_all_is_bound),
		T(all_hindrances_are_told_before_anything_is_touched),
		T(a_driver_that_refuses_gives_it_back),
		T(an_interface_that_is_needed_is_refused),
		T(a_device_that_a_process_has_is_refused),
		T(noiommu_mode_is_for_who_needs_it),
		T(check_tells_what_to_mend),
		T(bad_command_lines_are_refused),
		T(the_program_itself),
		T(status_on_a_full_disk),
	};

	program = argc > 1 ? argv[1] : NULL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
