/* SPDX-License-Identifier: BSD-3-Clause */
/* Why VFIO does not give us a function, and what mends it: the checks stand in the order in which things must
 * be right. */
#include "core/base/reason.h"
#include "core/pci/bind.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct findings {
	const char *bdf;
	struct pci_problem *list;
	unsigned int n;
};

/* The next entry, its mend still to be written; the last one is overwritten when there are too many. */
static struct pci_problem *__attribute__((format(printf, 4, 5)))
found(struct findings *f, enum pci_trouble trouble, int err, const char *fmt, ...)
{
	struct pci_problem *p = &f->list[f->n < PCI_MAX_PROBLEMS ? f->n++ : PCI_MAX_PROBLEMS - 1];
	va_list ap;

	p->trouble = trouble;
	p->err = err;
	p->mend[0] = '\0';
	va_start(ap, fmt);
	vsnprintf(p->what, sizeof(p->what), fmt, ap);
	va_end(ap);
	return p;
}

static void __attribute__((format(printf, 2, 3))) mend(struct pci_problem *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->mend, sizeof(p->mend), fmt, ap);
	va_end(ap);
}

static bool sys_has(const char *rel)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", pci_roots()->sys, rel);
	return access(path, F_OK) == 0;
}

/* Each IOMMU that the kernel drives is an entry here. */
static bool iommu_runs(void)
{
	char path[PATH_MAX];
	struct dirent *e;
	bool any = false;
	DIR *d;

	snprintf(path, sizeof(path), "%s/class/iommu", pci_roots()->sys);
	d = opendir(path);
	if (!d)
		return false;
	while (!any && (e = readdir(d)))
		any = e->d_name[0] != '.';
	closedir(d);
	return any;
}

/* Without the module there is no telling. */
static const char *about_noiommu(void)
{
	if (!pci_module_loaded("vfio"))
		return "";
	return pci_noiommu_exists() ? " (no-IOMMU mode, which isolates nothing, is not on: --noiommu-mode)"
				    : " (this kernel has no no-IOMMU mode either, as Debian's)";
}

/* The ACPI tables DMAR (Intel) and IVRS (AMD) tell whether the firmware offers an IOMMU that the kernel
 * leaves alone. */
static void check_iommu(struct findings *f)
{
	struct pci_problem *p;

	if (pci_iommu_group(f->bdf) >= 0 || pci_noiommu_enabled())
		return;
	p = found(f, PCI_NO_IOMMU, ENOTSUP, "it is in no IOMMU group: %s%s",
		  iommu_runs() ? "no IOMMU covers it, though there is one" : "the IOMMU is missing or off",
		  about_noiommu());
	if (sys_has("firmware/acpi/tables/DMAR"))
		mend(p, "boot with intel_iommu=on (the firmware offers VT-d, the kernel does not use it)");
	else if (sys_has("firmware/acpi/tables/IVRS"))
		mend(p,
		     "boot without amd_iommu=off (the firmware offers AMD-Vi, the kernel does not use it)");
	else
		mend(p,
		     "enable VT-d or AMD-Vi in the firmware (a virtual machine needs a virtual IOMMU), and "
		     "boot with intel_iommu=on");
}

static void check_driver(struct findings *f, const char *driver)
{
	struct pci_problem *p;

	if (!pci_module_loaded("vfio_pci")) {
		p = found(f, PCI_NO_MODULE, ENOENT, "the module vfio-pci is not loaded");
		mend(p, "modprobe vfio-pci");
	}
	if (pci_driver_is_vfio(driver))
		return;
	p = found(f, PCI_NOT_BOUND, EINVAL,
		  driver[0] ? "it is bound to %s, not to vfio-pci" : "no driver has it", driver);
	mend(p, "unapi-devbind --bind=vfio-pci %s", f->bdf);
}

static bool check_peer(void *arg, const char *bdf)
{
	struct findings *f = arg;
	struct pci_problem *p;
	char driver[64];

	pci_driver(bdf, driver, sizeof(driver));
	if (!strcmp(bdf, f->bdf) || pci_driver_is_harmless(driver))
		return true;
	p = found(f, PCI_GROUP_PEER, EPERM, "IOMMU group %d is not viable: %s in it is bound to %s",
		  pci_iommu_group(f->bdf), bdf, driver);
	mend(p, "unapi-devbind --unbind %s", bdf);
	return true;
}

static bool check_node(struct findings *f, const char *path)
{
	struct pci_problem *p;

	if (access(path, F_OK) < 0) {
		p = found(f, PCI_NO_NODE, ENOENT, "there is no %s", path);
		mend(p, "unapi-devbind --unbind %s && unapi-devbind --bind=vfio-pci %s", f->bdf, f->bdf);
		return false;
	}
	if (access(path, R_OK | W_OK) < 0) {
		p = found(f, PCI_NO_ACCESS, EACCES, "no permission for %s", path);
		mend(p, "sudo chown %u %s", (unsigned int)geteuid(), path);
		return false;
	}
	return true;
}

static void check_owner(struct findings *f, const char *path)
{
	struct pci_problem *p;
	char comm[32];
	pid_t pid = pci_owner(f->bdf, comm, sizeof(comm));

	if (!pid || pid == getpid())
		return;
	p = found(f, PCI_BUSY, EBUSY, "%s is in use by process %d%s%s%s: only one process can have a group",
		  path, (int)pid, comm[0] ? " (" : "", comm, comm[0] ? ")" : "");
	mend(p, "kill %d", (int)pid);
}

static bool may_lock(void)
{
	unsigned long long caps = 0;
	char path[PATH_MAX], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/self/status", pci_roots()->proc);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	if (f)
		fclose(f);
	return caps >> CAP_IPC_LOCK & 1;
}

/* VFIO counts what it pins against the limit of locked memory unless the process has CAP_IPC_LOCK. */
static void check_limit(struct findings *f, uint64_t bytes)
{
	unsigned long long need = (bytes + 1023) >> 10;
	struct pci_problem *p;
	struct rlimit rl;

	if (!bytes || getrlimit(RLIMIT_MEMLOCK, &rl) < 0 || rl.rlim_cur == RLIM_INFINITY ||
	    rl.rlim_cur >= bytes || may_lock())
		return;
	p = found(f, PCI_LOCKED_LIMIT, ENOMEM, "the limit of locked memory is %llu KiB, %llu KiB are needed",
		  (unsigned long long)rl.rlim_cur >> 10, need);
	mend(p, "ulimit -l %llu", need);
}

unsigned int pci_preflight(const char *bdf, uint64_t lock_bytes, struct pci_problem out[PCI_MAX_PROBLEMS])
{
	struct findings f = {.bdf = bdf, .list = out};
	char driver[64], path[PATH_MAX];
	int group;

	if (!pci_exists(bdf)) {
		mend(found(&f, PCI_GONE, ENODEV, "there is no such PCI function"), "unapi-devbind --status");
		return f.n;
	}
	group = pci_iommu_group(bdf);
	check_iommu(&f);
	pci_driver(bdf, driver, sizeof(driver));
	check_driver(&f, driver);
	if (group >= 0) {
		pci_for_each_in_group(group, check_peer, &f);
		pci_group_node(group, path, sizeof(path));
		if (!pci_driver_is_vfio(driver) || check_node(&f, path))
			check_owner(&f, path);
	}
	check_limit(&f, lock_bytes);
	return f.n;
}

int pci_diagnose(const char *bdf, int err)
{
	struct pci_problem list[PCI_MAX_PROBLEMS];
	unsigned int n = pci_preflight(bdf, 0, list);
	int group = pci_iommu_group(bdf);
	char path[PATH_MAX];

	if (n)
		return unapi_fail(list[0].err, "%s: %s: %s%s", bdf, list[0].what, list[0].mend,
				  n > 1 ? " (that is not all: unapi-devbind --check)" : "");
	pci_group_node(group, path, sizeof(path));
	if (err == EBUSY)
		return unapi_fail(EBUSY,
				  "%s: %s is in use by another process: fuser -v %s, as root, names it", bdf,
				  path, path);
	return unapi_fail(err, "%s: opening %s: %s", bdf, path, strerror(err));
}
