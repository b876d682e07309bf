/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts of either carrier: eventfds bound to MSI-X vectors, or to what the device has instead. */
#include "core/base/reason.h"
#include "core/vfio/vfio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const struct {
	uint32_t index;
	const char *name;
} kinds[] = {
	[VFIO_IRQ_INTX] = {VFIO_PCI_INTX_IRQ_INDEX, "INTx"},
	[VFIO_IRQ_MSI] = {VFIO_PCI_MSI_IRQ_INDEX, "MSI"},
	[VFIO_IRQ_MSIX] = {VFIO_PCI_MSIX_IRQ_INDEX, "MSI-X"},
};

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

static int make_vectors(struct vfio_device *v, unsigned int n)
{
	unsigned int had = v->nr_vectors;
	int *fds = reallocarray(v->vector_fds, n, sizeof(int));

	if (!fds)
		return unapi_fail(ENOMEM, "%s: no memory for %u interrupt vectors", v->name, n);
	v->vector_fds = fds;
	for (; v->nr_vectors < n; v->nr_vectors++) {
		fds[v->nr_vectors] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (fds[v->nr_vectors] < 0) {
			int rc = unapi_fail(errno, "%s: an eventfd for interrupt vector %u: %s (ulimit -n?)",
					    v->name, v->nr_vectors, strerror(errno));

			close_vectors(v, had);
			return rc;
		}
	}
	return 0;
}

static int enable(struct vfio_device *v, enum vfio_irq_mode mode, unsigned int want)
{
	const struct vfio_irq *info = &v->irqs[kinds[mode].index];
	unsigned int n = want < info->count ? want : info->count;
	int rc;

	/* MSI vectors beyond the first would have to be a power of two and share their fate; one does. */
	if (mode != VFIO_IRQ_MSIX)
		n = 1;
	rc = make_vectors(v, n);
	if (rc)
		return rc;
	rc = v->ops->set_irqs(v, kinds[mode].index, 0, n, v->vector_fds);
	if (rc) {
		close_vectors(v, 0);
		return unapi_fail_at(rc, "%s: enabling %u %s vectors", v->name, n, kinds[mode].name);
	}
	v->irq_mode = mode;
	return (int)n;
}

static int add_vectors(struct vfio_device *v, unsigned int want)
{
	const struct vfio_irq *info = &v->irqs[VFIO_PCI_MSIX_IRQ_INDEX];
	unsigned int had = v->nr_vectors, n = want < info->count ? want : info->count;
	int rc;

	if (v->irq_mode != VFIO_IRQ_MSIX || n <= had)
		return (int)had;
	/* A carrier that cannot resize has to be told anew of all of them. */
	if (info->flags & VFIO_IRQ_INFO_NORESIZE) {
		rc = v->ops->irq_action(v, VFIO_PCI_MSIX_IRQ_INDEX, 0, 0, VFIO_IRQ_SET_ACTION_TRIGGER);
		if (rc)
			return rc;
	}
	rc = make_vectors(v, n);
	if (rc)
		return rc;
	if (info->flags & VFIO_IRQ_INFO_NORESIZE)
		rc = v->ops->set_irqs(v, VFIO_PCI_MSIX_IRQ_INDEX, 0, n, v->vector_fds);
	else
		rc = v->ops->set_irqs(v, VFIO_PCI_MSIX_IRQ_INDEX, had, n - had, v->vector_fds + had);
	if (rc) {
		close_vectors(v, had);
		return unapi_fail_at(rc, "%s: adding MSI-X vectors %u to %u", v->name, had, n - 1);
	}
	return (int)n;
}

int vfio_irq_enable(struct vfio_device *v, enum vfio_irq_mode first, unsigned int want)
{
	int rc = 0;

	if (!want)
		return unapi_fail(EINVAL, "%s: no interrupt vectors asked for", v->name);
	if (v->irq_mode != VFIO_IRQ_NONE)
		return add_vectors(v, want);
	for (enum vfio_irq_mode m = first; m > VFIO_IRQ_NONE; m--) {
		if (!v->irqs[kinds[m].index].count ||
		    !(v->irqs[kinds[m].index].flags & VFIO_IRQ_INFO_EVENTFD))
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
		v->ops->irq_action(v, kinds[v->irq_mode].index, 0, 0, VFIO_IRQ_SET_ACTION_TRIGGER);
	close_vectors(v, 0);
	v->irq_mode = VFIO_IRQ_NONE;
}

int vfio_irq_unmask_intx(struct vfio_device *v)
{
	if (v->irq_mode != VFIO_IRQ_INTX || READ_ONCE(v->gone))
		return 0;
	return v->ops->irq_action(v, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, VFIO_IRQ_SET_ACTION_UNMASK);
}
