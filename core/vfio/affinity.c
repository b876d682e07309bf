/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vector as an interrupt of this machine: which one of /proc/irq it is, and on which CPUs it is delivered.
 *
 * vfio-pci names its interrupts in /proc/interrupts after vector and function (Linux
 * drivers/vfio/pci/vfio_pci_intrs.c): "vfio-msix[3](0000:03:00.0)", "vfio-msi[0](...)", "vfio-intx(...)". The
 * line's number is that of the directory in /proc/irq.
 */
#include "core/base/reason.h"
#include "core/pci/pci.h"
#include "core/vfio/vfio.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void irq_name(const struct vfio_device *v, unsigned int vector, char *name, size_t size)
{
	if (v->irq_mode == VFIO_IRQ_INTX)
		snprintf(name, size, "vfio-intx(%s)", v->name);
	else
		snprintf(name, size, "vfio-msi%s[%u](%s)", v->irq_mode == VFIO_IRQ_MSIX ? "x" : "", vector,
			 v->name);
}

/* Whether @name stands by itself in @line: vector 1 is not vector 11, and a line that devices share has
 * several. */
static bool has_name(const char *line, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = line; (at = strstr(at, name)); at += len) {
		char before = at == line ? ' ' : at[-1], after = at[len];

		if ((isspace((unsigned char)before) || before == ',') &&
		    (!after || isspace((unsigned char)after) || after == ','))
			return true;
	}
	return false;
}

/* The number that a line of /proc/interrupts begins with, -1 if it is a name ("NMI:"). */
static int line_number(const char *line)
{
	unsigned long n;
	char *end;

	line += strspn(line, " ");
	if (!isdigit((unsigned char)*line))
		return -1;
	n = strtoul(line, &end, 10);
	return *end == ':' && n <= INT_MAX ? (int)n : -1;
}

/* The first line names the CPUs that are online: "CPU0 CPU1 CPU3". */
static bool is_online(const char *header, unsigned int cpu)
{
	char name[16];

	snprintf(name, sizeof(name), "CPU%u", cpu);
	return has_name(header, name);
}

static int check_cpus(const struct vfio_device *v, const char *header, const unsigned int *cpus,
		      unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (!is_online(header, cpus[i]))
			return unapi_fail(EINVAL, "%s: CPU %u is not online, so no interrupt can go there",
					  v->name, cpus[i]);
	return 0;
}

/* The interrupt's number, once the CPUs are known to be there. */
static int find(const struct vfio_device *v, unsigned int vector, const unsigned int *cpus, unsigned int n)
{
	char path[PATH_MAX], name[sizeof(v->name) + 32], *line = NULL;
	size_t size = 0;
	int rc = -1;
	FILE *f;

	snprintf(path, sizeof(path), "%s/interrupts", pci_roots()->proc);
	f = fopen(path, "re");
	if (!f)
		return unapi_fail(errno, "%s: %s: %s", v->name, path, strerror(errno));
	irq_name(v, vector, name, sizeof(name));
	if (getline(&line, &size, f) > 0) {
		rc = check_cpus(v, line, cpus, n) ? -EINVAL : -1;
		while (rc == -1 && getline(&line, &size, f) > 0)
			if (has_name(line, name))
				rc = line_number(line);
	}
	free(line);
	fclose(f);
	return rc == -1 ? unapi_fail(ENOENT, "%s: no interrupt is called %s in %s", v->name, name, path) : rc;
}

static int find_checked(const struct vfio_device *v, unsigned int vector, const unsigned int *cpus,
			unsigned int n)
{
	if (!v->ops->kernel_irqs)
		return unapi_fail(EOPNOTSUPP,
				  "%s: its vectors are no interrupts of this machine (%s), so they have no "
				  "affinity; place the thread that polls instead",
				  v->name, v->carrier);
	if (vector >= v->nr_vectors)
		return unapi_fail(EINVAL, "%s: vector %u is not enabled (%u are)", v->name, vector,
				  v->nr_vectors);
	return find(v, vector, cpus, n);
}

int vfio_linux_irq(const struct vfio_device *v, unsigned int vector)
{
	return find_checked(v, vector, NULL, 0);
}

static const char *why(int err)
{
	switch (err) {
	case EACCES:
		return " (root may)";
	case EPERM:
	case EIO:
		return " (the kernel places this interrupt itself)";
	case ENOSPC:
		return " (no interrupt vector is left on these CPUs)";
	default:
		return "";
	}
}

static int write_list(const struct vfio_device *v, int irq, const char *list)
{
	size_t len = strlen(list);
	char path[PATH_MAX];
	int fd, err = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/irq/%d/smp_affinity_list", pci_roots()->proc, irq);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return unapi_fail(errno, "%s: %s: %s%s", v->name, path, strerror(errno), why(errno));
	n = write(fd, list, len);
	if (n != (ssize_t)len)
		err = n < 0 ? errno : EIO;
	close(fd);
	return err ? unapi_fail(err, "%s: writing %s to %s: %s%s", v->name, list, path, strerror(err),
				why(err))
		   : 0;
}

int vfio_irq_set_affinity(const struct vfio_device *v, unsigned int vector, const unsigned int *cpus,
			  unsigned int n)
{
	size_t at = 0, size = n * 12ul;
	char *list;
	int irq, rc;

	if (!n)
		return unapi_fail(EINVAL, "%s: no CPU is given for vector %u", v->name, vector);
	irq = find_checked(v, vector, cpus, n);
	if (irq < 0)
		return irq;
	list = malloc(size);
	if (!list)
		return unapi_fail(ENOMEM, "%s: no memory for a list of CPUs", v->name);
	for (unsigned int i = 0; i < n; i++)
		at += (size_t)snprintf(list + at, size - at, "%s%u", i ? "," : "", cpus[i]);
	rc = write_list(v, irq, list);
	free(list);
	return rc;
}

int vfio_irq_get_affinity(const struct vfio_device *v, int irq, const char *which, char *text, size_t size)
{
	char path[PATH_MAX];
	int fd, rc = 0;
	ssize_t n;

	text[0] = '\0';
	snprintf(path, sizeof(path), "%s/irq/%d/%s_affinity_list", pci_roots()->proc, irq, which);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return unapi_fail(errno, "%s: %s: %s", v->name, path, strerror(errno));
	n = read(fd, text, size - 1);
	if (n < 0) {
		rc = unapi_fail(errno, "%s: reading %s: %s", v->name, path, strerror(errno));
		n = 0;
	}
	close(fd);
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return rc;
}
