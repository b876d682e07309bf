/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libpci reports an error by calling a hook that must not return, and leaves by exit() without one. A library
 * does neither to its caller, so the hook jumps back to where libpci was called.
 */
#include "core/pci/libpci.h"

#include <limits.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

static __thread jmp_buf failed;

static void __attribute__((noreturn)) on_error(char *msg, ...)
{
	longjmp(failed, 1);
}

static void quiet(char *msg, ...) {}

/* False: libpci failed on the way. */
static bool guarded(void (*fn)(void *), void *arg)
{
	if (setjmp(failed))
		return false;
	fn(arg);
	return true;
}

static void init(void *acc)
{
	pci_init(acc);
}

static void scan(void *acc)
{
	pci_scan_bus(acc);
}

struct pci_access *libpci_open(void)
{
	struct pci_access *acc = pci_alloc();
	char path[PATH_MAX];

	if (!acc)
		return NULL;
	acc->error = on_error;
	acc->warning = quiet;
	acc->method = PCI_ACCESS_SYS_BUS_PCI; /* the others would have it try I/O ports */
	snprintf(path, sizeof(path), "%s/bus/pci", pci_roots()->sys);
	pci_set_param(acc, (char *)"sysfs.path", path);
	if (guarded(init, acc))
		return acc;
	return NULL; /* what it holds half made is lost: there is no telling what can be freed */
}

void libpci_close(struct pci_access *acc)
{
	if (acc)
		pci_cleanup(acc);
}

bool libpci_scan(struct pci_access *acc, bool (*fn)(void *arg, const char *bdf), void *arg)
{
	char bdf[PCI_BDF_LEN];

	if (!guarded(scan, acc))
		return false;
	for (struct pci_dev *p = acc->devices; p; p = p->next) {
		snprintf(bdf, sizeof(bdf), "%04x:%02x:%02x.%x", (unsigned int)p->domain & 0xffffffff, p->bus,
			 p->dev & 0x1f, p->func & 7);
		if (!fn(arg, bdf))
			break;
	}
	return true;
}

struct lookup {
	struct pci_access *acc;
	char *buf;
	size_t n;
	int what, id1, id2;
	char *name;
};

static void look_up(void *arg)
{
	struct lookup *l = arg;

	l->name = pci_lookup_name(l->acc, l->buf, (int)l->n, l->what | PCI_LOOKUP_NO_NUMBERS, l->id1, l->id2);
}

void libpci_name(struct pci_access *acc, char *buf, size_t n, int what, int id1, int id2,
		 const char *otherwise)
{
	struct lookup l = {.acc = acc, .buf = buf, .n = n, .what = what, .id1 = id1, .id2 = id2};

	/* A name that does not fit is given as a complaint that it does not, not in buf. */
	if (!acc || !guarded(look_up, &l) || !l.name || l.name != buf)
		snprintf(buf, n, "%s", otherwise);
}
