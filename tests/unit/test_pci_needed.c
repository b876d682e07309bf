/* SPDX-License-Identifier: BSD-3-Clause */
/* What the host would lose with a function. Addresses are the loopback's, the one interface that is surely
 * here: it is made the NIC's own, or what stands upon it. */
#include "core/pci/describe.h"
#include "core/pci/iface.h"
#include "tests/unit/fake_sysfs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define ZEROS "00000000000000000000000000000000"

static void assert_needed(const char *want)
{
	char why[160];

	assert_int_equal(pci_needed(NIC, why, sizeof(why)), want != NULL);
	assert_string_equal(why, want ? want : "");
}

static void assert_route(enum pci_route want)
{
	struct pci_function f;

	assert_int_equal(pci_iface_route("eth0"), want);
	assert_int_equal(pci_describe(NIC, &f), 0);
	assert_int_equal(f.active, want != PCI_ROUTE_NONE);
	assert_needed(want == PCI_ROUTE_DEFAULT ? "eth0 carries the default route" : NULL);
}

static void put_v4(const char *dev, const char *dest, const char *mask)
{
	char text[200];

	snprintf(text, sizeof(text),
		 "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
		 "%s\t%s\t0100A8C0\t0003\t0\t0\t100\t%s\t0\t0\t0\n",
		 dev, dest, mask);
	fake_put("proc/net/route", text);
}

static void put_v6(const char *dev, const char *dest, const char *len)
{
	char text[300];

	snprintf(text, sizeof(text),
		 "%s %s " ZEROS
		 " 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 %8s\n",
		 dest, len, dev);
	fake_put("proc/net/ipv6_route", text);
}

static void routes_are_weighed(void **state)
{
	assert_route(PCI_ROUTE_NONE);
	put_v4("eth1", "00000000", "00000000");
	assert_route(PCI_ROUTE_NONE);
	put_v4("eth0", "0000FEA9", "0000FFFF"); /* 169.254.0.0 */
	assert_route(PCI_ROUTE_NONE);
	put_v4("eth0", "0000A8C0", "00FFFFFF");
	assert_route(PCI_ROUTE_SOME);
	put_v4("eth0", "00000000", "00000000");
	assert_route(PCI_ROUTE_DEFAULT);
	fake_put("proc/net/route", "rubbish\n");
	assert_route(PCI_ROUTE_NONE);
	put_v6("eth0", "fe800000000000000000000000000000", "40");
	assert_route(PCI_ROUTE_NONE);
	put_v6("eth0", "ff000000000000000000000000000000", "08");
	assert_route(PCI_ROUTE_NONE);
	put_v6("eth0", "20010db8000000000000000000000000", "40");
	assert_route(PCI_ROUTE_SOME);
	put_v6("lo", ZEROS, "00"); /* unreachable by default */
	assert_route(PCI_ROUTE_NONE);
	put_v6("eth0", ZEROS, "00");
	assert_route(PCI_ROUTE_DEFAULT);
}

static void what_stands_upon_an_interface_counts(void **state)
{
	fake_dir("sys/class/net/eth0/upper_bond0");
	fake_dir("sys/class/net/bond0/upper_bond0.5");
	fake_dir("sys/class/net/bond0.5/upper_br0");
	fake_dir("sys/class/net/br0");
	put_v4("br0", "00000000", "00000000");
	assert_route(PCI_ROUTE_DEFAULT);
	put_v4("br1", "00000000", "00000000");
	assert_route(PCI_ROUTE_NONE);
	/* a circle cannot be, and does not hang us */
	fake_dir("sys/class/net/br0/upper_eth0");
	assert_route(PCI_ROUTE_NONE);
}

/* A DPDK-like count of the function's own net/ directory would see no interface here. */
static void an_interface_behind_virtio_counts(void **state)
{
	fake_dir("sys/bus/pci/devices/" NIC "/virtio0");
	fake_link("sys/class/net/eth0/device", "../../../bus/pci/devices/" NIC "/virtio0");
	put_v4("eth0", "00000000", "00000000");
	assert_route(PCI_ROUTE_DEFAULT);
}

static void every_interface_of_a_function_counts(void **state)
{
	char name[16];

	for (int i = 1; i < 3 * PCI_MAX_IFACES; i++) {
		snprintf(name, sizeof(name), "port%d", i);
		fake_iface(NIC, name);
		put_v4(name, "00000000", "00000000");
	}
	assert_needed("port11 carries the default route");
}

static void put_loopback_upon_eth0(void)
{
	fake_dir("sys/class/net/eth0/upper_lo");
	fake_dir("sys/class/net/lo");
}

static void own_session_is_known_by_its_environment(void **state)
{
	static const char *const others[] = {"10.0.0.1 50000 192.0.2.77 22", "rubbish", "", "a b c d",
					     "10.0.0.1 50000 ::ffff:zz 22"};

	setenv("SSH_CONNECTION", "10.0.0.1 50000 127.0.0.1 22", 1);
	assert_needed(NULL);
	put_loopback_upon_eth0();
	assert_needed("eth0 carries this ssh session");
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		setenv("SSH_CONNECTION", others[i], 1);
		assert_needed(NULL);
	}
	setenv("SSH_CONNECTION", "10.0.0.1 50000 ::ffff:127.0.0.1%eth0 2222", 1);
	assert_needed("eth0 carries this ssh session");
}

static void put_process(int pid, int parent, const char *env, size_t env_len)
{
	char rel[100], text[100];
	FILE *f;

	snprintf(rel, sizeof(rel), "proc/%d", pid);
	fake_dir(rel);
	snprintf(rel, sizeof(rel), "proc/%d/stat", pid);
	snprintf(text, sizeof(text), "%d (a ) S 1 name) S %d 1 1 0\n", pid, parent);
	fake_put(rel, text);
	snprintf(rel, sizeof(rel), "proc/%d/environ", pid);
	f = fopen(fake_path(rel), "w");
	assert_non_null(f);
	assert_int_equal(fwrite(env, 1, env_len, f), env_len);
	fclose(f);
}

/* sudo hides SSH_CONNECTION from what it starts. */
static void own_session_is_known_by_its_ancestors(void **state)
{
	static const char shell[] = "A=B\0SSH_CONNECTION=10.0.0.1 50000 127.0.0.1 22\0C=D";

	put_loopback_upon_eth0();
	put_process((int)getpid(), 4001, "A=B", 4);
	put_process(4001, 4000, "A=B", 4);
	put_process(4000, 1, "A=B", 4);
	assert_needed(NULL);
	put_process(4000, 1, shell, sizeof(shell));
	assert_needed("eth0 carries this ssh session");
	put_process(4001, 4001, "A=B", 4); /* one's own parent cannot be, and does not hang us */
	assert_needed(NULL);
}

static void sessions_of_others_are_known_by_their_connections(void **state)
{
	static const char head[] =
		"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n";
	char text[300];

#define LINE "%s   0: %s:%s 0100000A:C350 %s 00000000:00000000 00:00000000 00000000     0\n"
	put_loopback_upon_eth0();
	snprintf(text, sizeof(text), LINE, head, "0100007F", "0016", "0A"); /* sshd listens */
	fake_put("proc/net/tcp", text);
	assert_needed(NULL);
	snprintf(text, sizeof(text), LINE, head, "0100007F", "0050", "01"); /* a web server's */
	fake_put("proc/net/tcp", text);
	assert_needed(NULL);
	snprintf(text, sizeof(text), LINE, head, "4D0200C0", "0016", "01"); /* another address */
	fake_put("proc/net/tcp", text);
	assert_needed(NULL);
	snprintf(text, sizeof(text), LINE, head, "0100007F", "0016", "01");
	fake_put("proc/net/tcp", text);
	assert_needed("eth0 carries an ssh session");
	fake_remove("proc/net/tcp");
	/* a socket of both kinds has IPv4 peers too */
	snprintf(text, sizeof(text), LINE, head, "0000000000000000FFFF00000100007F", "0016", "01");
	fake_put("proc/net/tcp6", text);
	assert_needed("eth0 carries an ssh session");
	snprintf(text, sizeof(text), LINE, head, "0000000000000000FFFF0000", "0016", "01");
	fake_put("proc/net/tcp6", text);
	assert_needed(NULL);
}

static void put_disk(const char *name, const char *number)
{
	char rel[100], target[200];

	snprintf(rel, sizeof(rel), "sys/bus/pci/devices/" NIC "/host0/%s", name);
	fake_dir(rel);
	snprintf(rel, sizeof(rel), "sys/bus/pci/devices/" NIC "/host0/%s/dev", name);
	fake_put(rel, number);
	snprintf(rel, sizeof(rel), "sys/class/block/%s", name);
	snprintf(target, sizeof(target), "../../bus/pci/devices/" NIC "/host0/%s", name);
	fake_link(rel, target);
}

/* What the preflight advises to release may be a disk controller. */
static void file_systems_are_needed(void **state)
{
	fake_dir("sys/class/block");
	fake_dir("proc/self");
	put_disk("sda", "8:0\n");
	put_disk("sda2", "8:2\n");
	fake_put("proc/self/mountinfo", "22 1 8:22 / / rw,relatime shared:1 - ext4 /dev/sdb6 rw\n"
					"23 22 0:22 / /proc rw - proc proc rw\n");
	fake_put("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/sdb1 partition 1 0 -2\n");
	assert_needed(NULL);
	fake_put("proc/self/mountinfo", "22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/root rw\n");
	assert_needed("sda2 is mounted");
	fake_put("proc/self/mountinfo", "22 1 0:30 /@ / rw,relatime - btrfs /dev/sda2 rw\n");
	assert_needed("sda2 is mounted");
	fake_put("proc/self/mountinfo", "rubbish\n");
	assert_needed(NULL);
	fake_put("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/sda2 partition 1 0 -2\n");
	assert_needed("sda2 is swapped to");
	fake_put("proc/swaps", "");
	/* LVM, or encryption */
	fake_dir("sys/class/block/sda2/holders/dm-0");
	fake_dir("sys/class/block/dm-0");
	fake_put("sys/class/block/dm-0/dev", "253:0\n");
	assert_needed(NULL);
	fake_put("proc/self/mountinfo", "22 1 253:0 / / rw,relatime - ext4 /dev/mapper/vg-root rw\n");
	assert_needed("dm-0 is mounted");
	/* on another controller it is none of this one's business */
	fake_function(PEER, "ahci");
	fake_dir("sys/bus/pci/devices/" PEER "/host1/sda2");
	fake_link("sys/class/block/sda2", "../../bus/pci/devices/" PEER "/host1/sda2");
	fake_put("proc/self/mountinfo", "22 1 8:2 / / rw,relatime - ext4 /dev/sda2 rw\n");
	assert_needed(NULL);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fake_sysfs_setup, fake_sysfs_teardown)
	const struct CMUnitTest tests[] = {
		T(routes_are_weighed),
		T(what_stands_upon_an_interface_counts),
		T(an_interface_behind_virtio_counts),
		T(every_interface_of_a_function_counts),
		T(own_session_is_known_by_its_environment),
		T(own_session_is_known_by_its_ancestors),
		T(sessions_of_others_are_known_by_their_connections),
		T(file_systems_are_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
