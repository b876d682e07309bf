/* SPDX-License-Identifier: BSD-3-Clause */
/* What a vfio-user server is and has: versions and limits, regions, interrupts. Nothing it says is believed.
 */
#include "core/base/reason.h"
#include "core/vfio/device.h"
#include "core/vfio/user.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

/* A limit that the server states; -EPROTO for one that is no positive number. */
static int json_limit(const struct user_device *u, json_t *caps, const char *name, uint64_t *limit)
{
	json_t *val = json_object_get(caps, name);

	if (!val)
		return 0;
	if (!json_is_integer(val) || json_integer_value(val) < 1)
		return unapi_fail(EPROTO, "%s: the vfio-user server's %s is not a positive number", u->v.name,
				  name);
	if ((uint64_t)json_integer_value(val) < *limit)
		*limit = (uint64_t)json_integer_value(val);
	return 0;
}

static int take_limits(struct user_device *u, json_t *caps)
{
	/* Ours, and what the specification says where a server says nothing. */
	uint64_t fds = VFIO_USER_MAX_FDS, xfer = VFIO_USER_MAX_XFER, maps = 65535, pages = INT64_MAX;
	int rc;

	if (!json_object_get(caps, "max_msg_fds"))
		fds = 1;
	if (!json_object_get(caps, "pgsizes"))
		pages = 4096;
	rc = json_limit(u, caps, "max_msg_fds", &fds);
	if (!rc)
		rc = json_limit(u, caps, "max_data_xfer_size", &xfer);
	if (!rc)
		rc = json_limit(u, caps, "max_dma_maps", &maps);
	if (!rc)
		rc = json_limit(u, caps, "pgsizes", &pages);
	if (rc)
		return rc;
	if (xfer < 8)
		return unapi_fail(EPROTO, "%s: the vfio-user server takes no whole register in a message",
				  u->v.name);
	u->max_fds = (uint32_t)fds;
	u->max_xfer = (uint32_t)xfer;
	u->space.max_maps = (uint32_t)maps;
	u->space.page_sizes = pages;
	return 0;
}

static int negotiate(struct user_device *u)
{
	static const char caps[] = "{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576,"
				   "\"max_dma_maps\":65535,\"pgsizes\":4096}}";
	struct vfio_user_version ver = {.major = 0, .minor = 0};
	struct iovec iov[2] = {{&ver, sizeof(ver)}, {(void *)(uintptr_t)caps, sizeof(caps)}};
	struct user_request req = {.command = VFIO_USER_VERSION, .iov = iov, .nr_iov = 2};
	char in[4096];
	struct user_reply reply = {.buf = in, .max = sizeof(in)};
	json_t *root = NULL;
	int rc = user_call(u, "version negotiation", &req, &reply);

	if (rc)
		return rc;
	if (reply.len < sizeof(ver))
		return unapi_fail(EPROTO, "%s: the vfio-user server's version is cut short", u->v.name);
	memcpy(&ver, in, sizeof(ver));
	if (ver.major != 0)
		return unapi_fail(ENOTSUP, "%s: the server speaks vfio-user %u.%u, this library 0.x",
				  u->v.name, ver.major, ver.minor);
	if (reply.len > sizeof(ver)) {
		if (in[reply.len - 1] != '\0')
			return unapi_fail(EPROTO,
					  "%s: the vfio-user server's capabilities are not terminated",
					  u->v.name);
		root = json_loads(in + sizeof(ver), 0, NULL);
		if (!json_is_object(root)) {
			json_decref(root);
			return unapi_fail(EPROTO, "%s: the vfio-user server's capabilities are not JSON",
					  u->v.name);
		}
	}
	rc = take_limits(u, json_object_get(root, "capabilities"));
	json_decref(root);
	return rc;
}

struct region_answer {
	struct user_device *u;
	int fds[VFIO_USER_MAX_FDS];
	unsigned int nr_fds;
};

static void drop_fds(struct region_answer *a)
{
	while (a->nr_fds)
		close(a->fds[--a->nr_fds]);
}

static int ask_region(void *arg, struct vfio_region_info *info, size_t len)
{
	struct region_answer *a = arg;
	struct vfio_region_info ask = *info;
	struct iovec iov = {&ask, sizeof(ask)};
	struct user_request req = {.command = VFIO_USER_DEVICE_GET_REGION_INFO, .iov = &iov, .nr_iov = 1};
	struct user_reply reply = {.buf = info, .max = len, .fds = a->fds, .max_fds = VFIO_USER_MAX_FDS};
	int rc;

	drop_fds(a); /* the shorter answer's, if this is asked again */
	rc = user_call(a->u, "region information", &req, &reply);
	if (rc)
		return rc;
	a->nr_fds = reply.nr_fds;
	if (reply.len < sizeof(*info) || info->index != ask.index)
		return unapi_fail(EPROTO, "the vfio-user server's information on region %u is broken",
				  ask.index);
	return (int)reply.len;
}

static int get_region(struct user_device *u, uint32_t index)
{
	struct vfio_region *r = &u->v.regions[index];
	struct region_answer answer = {.u = u};
	int rc = vfio_ask_region(r, ask_region, &answer);

	if (rc)
		rc = unapi_fail_at(rc, "%s", u->v.name);
	else if (answer.nr_fds)
		rc = vfio_map_region(&u->v, r, answer.fds[0], true);
	else
		r->nr_areas = 0; /* nothing to map: reach it by messages */
	drop_fds(&answer);
	return rc;
}

/* How many interrupts of each index a PCI function can have. */
static const uint32_t most_irqs[VFIO_PCI_NUM_IRQS] = {
	[VFIO_PCI_INTX_IRQ_INDEX] = 1, [VFIO_PCI_MSI_IRQ_INDEX] = 32, [VFIO_PCI_MSIX_IRQ_INDEX] = 2048,
	[VFIO_PCI_ERR_IRQ_INDEX] = 1,  [VFIO_PCI_REQ_IRQ_INDEX] = 1,
};

static int get_irq(struct user_device *u, uint32_t index)
{
	struct vfio_irq_info irq = {.argsz = sizeof(irq), .index = index};
	int rc = user_simple(u, "interrupt information", VFIO_USER_DEVICE_GET_IRQ_INFO, &irq, sizeof(irq),
			     &irq, sizeof(irq));

	if (rc)
		return rc;
	if (irq.index != index || irq.count > most_irqs[index])
		return unapi_fail(EPROTO,
				  "%s: the vfio-user server's information on interrupt index %u is broken",
				  u->v.name, index);
	u->v.irqs[index] = (struct vfio_irq){.count = irq.count, .flags = irq.flags};
	return 0;
}

int user_get_info(struct user_device *u)
{
	struct vfio_device_info info = {.argsz = 16};
	int rc = negotiate(u);

	if (!rc)
		rc = user_simple(u, "device information", VFIO_USER_DEVICE_GET_INFO, &info, 16, &info, 16);
	if (rc)
		return rc;
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI) || info.num_regions <= VFIO_PCI_CONFIG_REGION_INDEX)
		return unapi_fail(ENOTSUP, "%s: the vfio-user server's device is not a PCI function",
				  u->v.name);
	u->v.can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
	for (uint32_t i = 0; i <= VFIO_PCI_CONFIG_REGION_INDEX && !rc; i++)
		rc = get_region(u, i);
	for (uint32_t i = 0; i < VFIO_PCI_NUM_IRQS && i < info.num_irqs && !rc; i++)
		rc = get_irq(u, i);
	return rc;
}
