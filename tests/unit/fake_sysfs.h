/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A machine as sysfs, procfs and /dev show it, in a directory of its own: one 82576 port bound to igb, alone
 * in its IOMMU group, with interface eth0. Binding is played: the program is linked with its write() wrapped,
 * and writes to the files that make the kernel act change the tree as the kernel would, before they return.
 */
#ifndef UNAPI_TESTS_FAKE_SYSFS_H
#define UNAPI_TESTS_FAKE_SYSFS_H

#include <stddef.h>

#define NIC   "0000:03:00.0"
#define PEER  "0000:03:00.1"
#define GROUP 7

/* How the played kernel behaves; all zero after setup. */
struct fake_kernel {
	const char *refuses;   /* this driver's probe fails */
	const char *fail_file; /* writes to files that end so fail ... */
	int fail_errno;	       /* ... with this */
	int probes, writes;    /* it was asked to */
};
extern struct fake_kernel fake_kernel;

/* cmocka fixtures: the tree is made, and pci_roots() points to it. */
int fake_sysfs_setup(void **state);
int fake_sysfs_teardown(void **state);

/* The absolute path of @rel, in one of a few buffers used in turn. */
const char *fake_path(const char *rel);
void fake_dir(const char *rel); /* with its parents */
void fake_put(const char *rel, const char *text);
void fake_get(const char *rel, char *text, size_t n);
void fake_link(const char *rel, const char *target);
void fake_remove(const char *rel); /* and what is below */

/* A network function in group GROUP, bound to @driver (NULL: none). */
void fake_function(const char *bdf, const char *driver);
void fake_attr(const char *bdf, const char *name, const char *text);
void fake_iface(const char *bdf, const char *name);
void fake_bind(const char *bdf, const char *driver);
void fake_unbind(const char *bdf);
void fake_no_iommu(const char *bdf);

#endif
