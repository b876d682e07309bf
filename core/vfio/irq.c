/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts of either carrier: eventfds bound to MSI-X vectors, or to what the device has instead. */
#include "core/base/reason.h"
#include "core/vfio/vfio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MAX_VECTORS 2048 /* an MSI-X table has no more (PCI 3.0, 6.8.2.3) */

static const struct {
	uint32_t index;
	const char *name;
} kinds[] = {
	[VFIO_IRQ_INTX] = {VFIO_PCI_INTX_IRQ_INDEX, "INTx"},
	[VFIO_IRQ_MSI] = {VFIO_PCI_MSI_IRQ_INDEX, "MSI"},
	[VFIO_IRQ_MSIX] = {VFIO_PCI_MSIX_IRQ_INDEX, "MSI-X"},
};

static const struct vfio_irq *irq_info(const struct vfio_device *v, enum vfio_irq_mode mode)
{
	return &v->irqs[kinds[mode].index];
}

static unsigned int most_vectors(const struct vfio_device *v, enum vfio_irq_mode mode, unsigned int want)
{
	unsigned int most = irq_info(v, mode)->count < MAX_VECTORS ? irq_info(v, mode)->count : MAX_VECTORS;

	/* MSI vectors beyond the first would have to be a power of two and share their fate; one does. */
	if (mode != VFIO_IRQ_MSIX)
		most = 1;
	return want < most ? want : most;
}

static void close_vectors(struct vfio_device *v, unsigned int from)
{
	for (unsigned int i = from; i < v->nr_vectors; i++)
		close(v->vector_fds[i]);
	v->nr_vectors = from;
	if (!from) {
		free(v->vector_fds);
		v->vector_fds = NULL;
	}
}

/* The array is as long as the device's table from the start, so that adding vectors moves nothing. */
static int make_vectors(struct vfio_device *v, enum vfio_irq_mode mode, unsigned int n)
{
	unsigned int had = v->nr_vectors;

	if (!v->vector_fds)
		v->vector_fds = calloc(most_vectors(v, mode, MAX_VECTORS), sizeof(int));
	if (!v->vector_fds)
		return unapi_fail(ENOMEM, "%s: no memory for %u interrupt vectors", v->name, n);
	for (; v->nr_vectors < n; v->nr_vectors++) {
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		if (fd < 0) {
			int rc = unapi_fail(errno, "%s: an eventfd for interrupt vector %u: %s (ulimit -n?)",
					    v->name, v->nr_vectors, strerror(errno));

			close_vectors(v, had);
			return rc;
		}
		v->vector_fds[v->nr_vectors] = fd;
	}
	return 0;
}

static int disable(struct vfio_device *v, enum vfio_irq_mode mode)
{
	return v->ops->irq_action(v, kinds[mode].index, 0, 0, VFIO_IRQ_SET_ACTION_TRIGGER);
}

/* Each vector by itself, so that a system short of them still gives as many as it has. How many in all. */
static int bind_one_by_one(struct vfio_device *v, enum vfio_irq_mode mode, unsigned int from, unsigned int n)
{
	for (unsigned int i = from; i < n; i++) {
		int rc = v->ops->set_irqs(v, kinds[mode].index, i, 1, v->vector_fds + i);

		if (rc)
			return i ? (int)i : rc < 0 ? rc : unapi_fail(ENOSPC, "the system has no vector left");
	}
	return (int)n;
}

/* All at once; a kernel that has fewer says how many, and is asked for those. */
static int bind_together(struct vfio_device *v, enum vfio_irq_mode mode, unsigned int n)
{
	int rc = v->ops->set_irqs(v, kinds[mode].index, 0, n, v->vector_fds);

	while (rc > 0 && (unsigned int)rc < n) {
		n = (unsigned int)rc;
		rc = v->ops->set_irqs(v, kinds[mode].index, 0, n, v->vector_fds);
	}
	return rc > 0 ? unapi_fail(ENOSPC, "the system has no vector left") : rc ? rc : (int)n;
}

static bool resizes(const struct vfio_device *v, enum vfio_irq_mode mode)
{
	return mode == VFIO_IRQ_MSIX && !(irq_info(v, mode)->flags & VFIO_IRQ_INFO_NORESIZE);
}

static int enable(struct vfio_device *v, enum vfio_irq_mode mode, unsigned int want)
{
	unsigned int n = most_vectors(v, mode, want);
	int rc = make_vectors(v, mode, n);

	if (rc) {
		close_vectors(v, 0);
		return rc;
	}
	rc = resizes(v, mode) ? bind_one_by_one(v, mode, 0, n) : bind_together(v, mode, n);
	if (rc < 0) {
		close_vectors(v, 0);
		return unapi_fail_at(rc, "%s: enabling %u %s vectors", v->name, n, kinds[mode].name);
	}
	close_vectors(v, (unsigned int)rc);
	v->irq_mode = mode;
	return rc;
}

/*
 * A carrier that cannot resize is told anew of all vectors. What fired in the gap went nowhere, so each of
 * the old ones is fired once: its owner looks, and finds something or not.
 */
static int bind_anew(struct vfio_device *v, unsigned int had, unsigned int n)
{
	int rc = disable(v, VFIO_IRQ_MSIX);

	if (rc)
		return rc;
	rc = bind_together(v, VFIO_IRQ_MSIX, n);
	if (rc < (int)had) { /* more would not do: what was there must go on */
		if (rc >= 0)
			disable(v, VFIO_IRQ_MSIX);
		rc = v->ops->set_irqs(v, VFIO_PCI_MSIX_IRQ_INDEX, 0, had, v->vector_fds);
		if (rc)
			return rc < 0 ? rc : unapi_fail(ENOSPC, "the system took vectors back");
		rc = (int)had;
	}
	for (unsigned int i = 0; i < had; i++)
		(void)!eventfd_write(v->vector_fds[i], 1);
	return rc;
}

static int add_vectors(struct vfio_device *v, unsigned int want)
{
	unsigned int had = v->nr_vectors, n = most_vectors(v, v->irq_mode, want);
	int rc;

	if (n <= had)
		return (int)had;
	rc = make_vectors(v, v->irq_mode, n);
	if (rc)
		return rc;
	rc = resizes(v, VFIO_IRQ_MSIX) ? bind_one_by_one(v, VFIO_IRQ_MSIX, had, n) : bind_anew(v, had, n);
	if (rc < 0) { /* and those that were there are lost */
		close_vectors(v, 0);
		v->irq_mode = VFIO_IRQ_NONE;
		return unapi_fail_at(rc, "%s: adding MSI-X vectors %u to %u", v->name, had, n - 1);
	}
	close_vectors(v, (unsigned int)rc);
	return rc;
}

int vfio_irq_enable(struct vfio_device *v, enum vfio_irq_mode first, unsigned int want)
{
	int rc = 0;

	if (!want)
		return unapi_fail(EINVAL, "%s: no interrupt vectors asked for", v->name);
	if (v->irq_mode != VFIO_IRQ_NONE)
		return add_vectors(v, want);
	for (enum vfio_irq_mode m = first; m > VFIO_IRQ_NONE; m--) {
		if (!irq_info(v, m)->count || !(irq_info(v, m)->flags & VFIO_IRQ_INFO_EVENTFD))
			continue;
		rc = enable(v, m, want);
		if (rc > 0)
			return rc;
		unapi_log(UNAPI_LOG_WARN, "%s", unapi_reason());
	}
	return rc ? rc : unapi_fail(ENOTSUP, "%s: the device has no interrupts", v->name);
}

void vfio_irq_disable(struct vfio_device *v)
{
	if (v->irq_mode == VFIO_IRQ_NONE)
		return;
	if (!READ_ONCE(v->gone))
		disable(v, v->irq_mode);
	close_vectors(v, 0);
	v->irq_mode = VFIO_IRQ_NONE;
}

int vfio_irq_unmask_intx(struct vfio_device *v)
{
	if (v->irq_mode != VFIO_IRQ_INTX || READ_ONCE(v->gone))
		return 0;
	return v->ops->irq_action(v, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, VFIO_IRQ_SET_ACTION_UNMASK);
}
