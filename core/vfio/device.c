/* SPDX-License-Identifier: BSD-3-Clause */
/* What a device is on either carrier: config space, reset, the slow path, its end. */
#include "core/vfio/device.h"
#include "core/base/reason.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

void vfio_device_init(struct vfio_device *v, const char *name, const struct vfio_device_ops *ops,
		      struct dma_space *space)
{
	snprintf(v->name, sizeof(v->name), "%s", name);
	snprintf(v->carrier, sizeof(v->carrier), "%s", ops->carrier);
	v->ops = ops;
	v->numa_node = -1;
	v->space = space;
	for (uint32_t i = 0; i < VFIO_PCI_NUM_REGIONS; i++)
		v->regions[i].index = i;
}

int vfio_config_read(struct vfio_device *v, unsigned int off, void *buf, size_t n)
{
	ssize_t rc = v->ops->region_read(v, &v->regions[VFIO_PCI_CONFIG_REGION_INDEX], off, buf, n);

	return rc < 0 ? (int)rc : 0;
}

int vfio_config_write(struct vfio_device *v, unsigned int off, const void *buf, size_t n)
{
	ssize_t rc = v->ops->region_write(v, &v->regions[VFIO_PCI_CONFIG_REGION_INDEX], off, buf, n);

	return rc < 0 ? (int)rc : 0;
}

static int change_command(struct vfio_device *v, uint16_t set, uint16_t clear)
{
	uint16_t cmd, want;
	int rc = vfio_config_read(v, PCI_COMMAND, &cmd, 2);

	if (rc)
		return rc;
	want = (uint16_t)((cmd | set) & ~clear);
	return want == cmd ? 0 : vfio_config_write(v, PCI_COMMAND, &want, 2);
}

int vfio_set_bus_master(struct vfio_device *v, bool on)
{
	return change_command(v, on ? PCI_COMMAND_MASTER : 0, on ? 0 : PCI_COMMAND_MASTER);
}

int vfio_find_cap(struct vfio_device *v, uint8_t id, uint8_t *at)
{
	uint16_t status;
	uint8_t next, cap[2];
	int rc = vfio_config_read(v, PCI_STATUS, &status, 2);

	*at = 0;
	if (rc || !(status & PCI_STATUS_CAP_LIST))
		return rc;
	rc = vfio_config_read(v, PCI_CAPABILITY_LIST, &next, 1);
	/* 256 bytes less the header hold at most 48 capabilities: more of them go in circles. */
	for (int i = 0; i < 48 && !rc && next >= PCI_STD_HEADER_SIZEOF; i++) {
		uint8_t here = next & 0xfc;

		rc = vfio_config_read(v, here, cap, 2);
		if (!rc && cap[0] == id) {
			*at = here;
			return 0;
		}
		next = cap[1];
	}
	return rc;
}

int vfio_device_identify(struct vfio_device *v)
{
	uint16_t ids[2], sub[2];
	int rc = vfio_config_read(v, PCI_VENDOR_ID, ids, 4);

	if (!rc)
		rc = vfio_config_read(v, PCI_SUBSYSTEM_VENDOR_ID, sub, 4);
	if (rc)
		return rc;
	v->vendor_id = ids[0];
	v->device_id = ids[1];
	v->subsystem_vendor_id = sub[0];
	v->subsystem_device_id = sub[1];
	if (v->vendor_id == 0xffff)
		return unapi_fail(ENODEV,
				  "%s: config space reads all ones: the device is gone or powered down",
				  v->name);
	return change_command(v, PCI_COMMAND_MEMORY, PCI_COMMAND_MASTER);
}

/* Whoever resets may clear the command register with the rest: it is put back, decoding and bus mastering
 * are as before. */
int vfio_reset(struct vfio_device *v)
{
	uint16_t before, after;
	int rc;

	if (!v->can_reset)
		return unapi_fail(ENOTSUP, "%s: the function has no reset", v->name);
	rc = vfio_config_read(v, PCI_COMMAND, &before, 2);
	if (!rc)
		rc = v->ops->reset(v);
	if (!rc)
		rc = vfio_config_read(v, PCI_COMMAND, &after, 2);
	if (!rc && after != before)
		rc = vfio_config_write(v, PCI_COMMAND, &before, 2);
	return rc;
}

/* ---- the slow path */

static int watch(struct vfio_device *v, uint32_t index, struct vfio_watch *w)
{
	if (!v->irqs[index].count || !(v->irqs[index].flags & VFIO_IRQ_INFO_EVENTFD))
		return 0;
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->fd < 0)
		return unapi_fail(errno, "%s: an eventfd: %s (ulimit -n?)", v->name, strerror(errno));
	if (v->ops->set_irqs(v, index, 0, 1, &w->fd) == 0) {
		w->on = true;
		v->slow_fds[v->nr_slow_fds++] = w->fd;
		return 0;
	}
	close(w->fd);
	/* Not to hear of an error or an unplug is no reason not to run. */
	unapi_log(UNAPI_LOG_WARN, "%s", unapi_reason());
	return 0;
}

int vfio_watch_events(struct vfio_device *v)
{
	int rc = watch(v, VFIO_PCI_REQ_IRQ_INDEX, &v->req);

	return rc ? rc : watch(v, VFIO_PCI_ERR_IRQ_INDEX, &v->err);
}

static void unwatch(struct vfio_device *v, uint32_t index, struct vfio_watch *w)
{
	if (!w->on)
		return;
	if (!READ_ONCE(v->gone))
		v->ops->irq_action(v, index, 0, 0, VFIO_IRQ_SET_ACTION_TRIGGER);
	close(w->fd);
	w->on = false;
}

void vfio_unwatch_events(struct vfio_device *v)
{
	unwatch(v, VFIO_PCI_REQ_IRQ_INDEX, &v->req);
	unwatch(v, VFIO_PCI_ERR_IRQ_INDEX, &v->err);
}

void vfio_set_event_fn(struct vfio_device *v, vfio_event_fn fn, void *arg)
{
	v->event_fn = fn;
	v->event_arg = arg;
}

static void watch_fired(struct vfio_device *v, const struct vfio_watch *w, enum vfio_event ev)
{
	uint64_t n;

	if (read(w->fd, &n, sizeof(n)) == sizeof(n) && v->event_fn)
		v->event_fn(v->event_arg, v, ev);
}

void vfio_slow_fd_ready(struct vfio_device *v, int fd)
{
	if (v->req.on && fd == v->req.fd)
		watch_fired(v, &v->req, VFIO_EVENT_REMOVE_REQUEST);
	else if (v->err.on && fd == v->err.fd)
		watch_fired(v, &v->err, VFIO_EVENT_ERROR);
	else
		v->ops->slow_fd_ready(v, fd);
}

void vfio_set_gone(struct vfio_device *v)
{
	__atomic_store_n(&v->gone, true, __ATOMIC_RELEASE);
	vfio_hide_areas(v);
}

void vfio_mark_gone(struct vfio_device *v)
{
	vfio_set_gone(v);
	if (v->event_fn && !__atomic_exchange_n(&v->gone_told, true, __ATOMIC_ACQ_REL))
		v->event_fn(v->event_arg, v, VFIO_EVENT_GONE);
}

void vfio_close(struct vfio_device *v)
{
	if (!v)
		return;
	v->event_fn = NULL;
	vfio_irq_disable(v);
	if (!READ_ONCE(v->gone))
		vfio_set_bus_master(v, false);
	vfio_unwatch_events(v);
	vfio_unmap_regions(v);
	v->ops->close(v);
}
