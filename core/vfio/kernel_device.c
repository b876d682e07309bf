/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's VFIO carrier: a function bound to vfio-pci (<linux/vfio.h>, drivers/vfio/pci). */
#include "core/base/reason.h"
#include "core/pci/pci.h"
#include "core/vfio/kernel.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct kernel_device {
	struct vfio_device v;
	struct kernel_group *group;
	int fd;
	struct list_head link;
};

/* The kernel hands a device out twice to the process that has its group. Guarded by the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list_head devices = {&devices, &devices};

static int claim(struct kernel_device *k)
{
	struct kernel_device *other;
	int rc = 0;

	pthread_mutex_lock(&lock);
	list_for_each_entry (other, &devices, link) {
		if (!strcmp(other->v.name, k->v.name))
			rc = unapi_fail(EBUSY, "%s: this process has it open already", k->v.name);
	}
	if (!rc)
		list_add_tail(&k->link, &devices);
	pthread_mutex_unlock(&lock);
	return rc;
}

static void unclaim(struct kernel_device *k)
{
	pthread_mutex_lock(&lock);
	list_del_init(&k->link);
	pthread_mutex_unlock(&lock);
}

static struct kernel_device *to_kernel(struct vfio_device *v)
{
	return container_of(v, struct kernel_device, v);
}

static ssize_t kernel_region_read(struct vfio_device *v, struct vfio_region *r, uint64_t off, void *buf,
				  size_t n)
{
	ssize_t rc = pread(to_kernel(v)->fd, buf, n, (off_t)(r->offset + off));

	if (rc != (ssize_t)n)
		return unapi_fail(rc < 0 ? errno : EIO, "%s: reading region %u at %#llx: %s", v->name,
				  r->index, (unsigned long long)off, rc < 0 ? strerror(errno) : "cut short");
	return rc;
}

static ssize_t kernel_region_write(struct vfio_device *v, struct vfio_region *r, uint64_t off,
				   const void *buf, size_t n)
{
	ssize_t rc = pwrite(to_kernel(v)->fd, buf, n, (off_t)(r->offset + off));

	if (rc != (ssize_t)n)
		return unapi_fail(rc < 0 ? errno : EIO, "%s: writing region %u at %#llx: %s", v->name,
				  r->index, (unsigned long long)off, rc < 0 ? strerror(errno) : "cut short");
	return rc;
}

static int kernel_set_irqs(struct vfio_device *v, uint32_t index, uint32_t start, uint32_t count,
			   const int *fds)
{
	size_t size = sizeof(struct vfio_irq_set) + count * sizeof(int32_t);
	struct vfio_irq_set *set = calloc(1, size);
	int rc;

	if (!set)
		return unapi_fail(ENOMEM, "%s: no memory to set %u interrupts", v->name, count);
	set->argsz = (uint32_t)size;
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = index;
	set->start = start;
	set->count = count;
	memcpy(set->data, fds, count * sizeof(int32_t));
	/* > 0: the system has only so many vectors, and none was bound */
	rc = kernel_calls->ioctl(to_kernel(v)->fd, VFIO_DEVICE_SET_IRQS, set);
	if (rc < 0)
		rc = unapi_fail(errno, "%s: binding eventfds to %u interrupts of index %u: %s", v->name,
				count, index, strerror(errno));
	free(set);
	return rc;
}

static int kernel_irq_action(struct vfio_device *v, uint32_t index, uint32_t start, uint32_t count,
			     uint32_t action)
{
	struct vfio_irq_set set = {.argsz = sizeof(set),
				   .flags = VFIO_IRQ_SET_DATA_NONE | action,
				   .index = index,
				   .start = start,
				   .count = count};

	if (kernel_calls->ioctl(to_kernel(v)->fd, VFIO_DEVICE_SET_IRQS, &set) < 0)
		return unapi_fail(errno, "%s: action %#x on interrupt index %u: %s", v->name, action, index,
				  strerror(errno));
	return 0;
}

static int kernel_reset(struct vfio_device *v)
{
	if (kernel_calls->ioctl(to_kernel(v)->fd, VFIO_DEVICE_RESET, NULL) < 0)
		return unapi_fail(errno, "%s: reset: %s", v->name, strerror(errno));
	return 0;
}

static void kernel_close(struct vfio_device *v)
{
	struct kernel_device *k = to_kernel(v);

	close(k->fd);
	kernel_group_put(k->group);
	unclaim(k);
	free(k);
}

static const struct vfio_device_ops kernel_ops = {
	.carrier = "vfio group",
	.kernel_irqs = true,
	.region_read = kernel_region_read,
	.region_write = kernel_region_write,
	.set_irqs = kernel_set_irqs,
	.irq_action = kernel_irq_action,
	.reset = kernel_reset,
	.close = kernel_close,
};

static int ask_region(void *arg, struct vfio_region_info *info, size_t len)
{
	struct kernel_device *k = arg;

	if (kernel_calls->ioctl(k->fd, VFIO_DEVICE_GET_REGION_INFO, info) == 0)
		return (int)len;
	if (errno != EINVAL)
		return unapi_fail(errno, "asking for region %u: %s", info->index, strerror(errno));
	info->size = 0; /* the device has no such region */
	info->flags = 0;
	return (int)len;
}

static int get_region(struct kernel_device *k, uint32_t index)
{
	struct vfio_region *r = &k->v.regions[index];
	int rc = vfio_ask_region(r, ask_region, k);

	if (rc)
		return unapi_fail_at(rc, "%s", k->v.name);
	return vfio_map_region(&k->v, r, k->fd, false);
}

static int get_info(struct kernel_device *k)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	int rc = 0;

	if (kernel_calls->ioctl(k->fd, VFIO_DEVICE_GET_INFO, &info) < 0)
		return unapi_fail(errno, "%s: asking VFIO for the device: %s", k->v.name, strerror(errno));
	k->v.can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
	for (uint32_t i = 0; i <= VFIO_PCI_CONFIG_REGION_INDEX && !rc; i++)
		rc = get_region(k, i);
	for (uint32_t i = 0; i < VFIO_PCI_NUM_IRQS && i < info.num_irqs && !rc; i++) {
		struct vfio_irq_info irq = {.argsz = sizeof(irq), .index = i};

		if (kernel_calls->ioctl(k->fd, VFIO_DEVICE_GET_IRQ_INFO, &irq) == 0)
			k->v.irqs[i] = (struct vfio_irq){.count = irq.count, .flags = irq.flags};
	}
	return rc;
}

int vfio_open_kernel(const char *bdf, struct vfio_device **out)
{
	struct kernel_device *k;
	struct kernel_group *g;
	int rc;

	rc = kernel_group_get(bdf, &g);
	if (rc)
		return rc;
	k = calloc(1, sizeof(*k));
	if (!k) {
		kernel_group_put(g);
		return unapi_fail(ENOMEM, "%s: no memory", bdf);
	}
	k->group = g;
	vfio_device_init(&k->v, bdf, &kernel_ops, &g->container->space);
	snprintf(k->v.carrier, sizeof(k->v.carrier), "%s %d", kernel_ops.carrier, g->id);
	k->v.numa_node = pci_numa_node(bdf);
	rc = claim(k);
	if (rc)
		goto put_group;
	k->fd = kernel_calls->ioctl(g->fd, VFIO_GROUP_GET_DEVICE_FD, (void *)(uintptr_t)bdf);
	if (k->fd < 0) {
		rc = errno == EBUSY ? pci_diagnose(bdf, EBUSY)
				    : unapi_fail(errno, "%s: taking it from group %d: %s", bdf, g->id,
						 strerror(errno));
		goto unclaim;
	}
	rc = get_info(k);
	if (!rc)
		rc = vfio_device_identify(&k->v);
	if (!rc)
		rc = vfio_watch_events(&k->v);
	if (rc)
		goto close_fd;
	*out = &k->v;
	return 0;

close_fd:
	vfio_unwatch_events(&k->v);
	vfio_unmap_regions(&k->v);
	close(k->fd);
unclaim:
	unclaim(k);
put_group:
	kernel_group_put(g);
	free(k);
	return rc;
}
