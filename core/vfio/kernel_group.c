/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups and containers of the kernel's VFIO (Documentation/driver-api/vfio.rst), and DMA through them. */
#include "core/base/reason.h"
#include "core/pci/pci.h"
#include "core/vfio/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Guards both lists and the user counts. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list_head containers = {&containers, &containers};
static struct list_head groups = {&groups, &groups};

/* A pinning limit is the usual cause of -ENOMEM; the kernel's log alone has the reason, so say the figure. */
static int map_failed(const struct dma_space *s, const struct dma_mem *m, int err)
{
	struct rlimit rl;

	if (err == ENOMEM && getrlimit(RLIMIT_MEMLOCK, &rl) == 0 && rl.rlim_cur != RLIM_INFINITY)
		return unapi_fail(
			ENOMEM,
			"%s: pinning %llu KiB for DMA was refused; the locked-memory limit is %llu KiB: "
			"raise it by at least %llu KiB (ulimit -l, or LimitMEMLOCK=)",
			s->name, (unsigned long long)(m->size >> 10), (unsigned long long)(rl.rlim_cur >> 10),
			(unsigned long long)(m->size >> 10));
	if (err == ENOSPC)
		return unapi_fail(ENOSPC,
				  "%s: the kernel's limit of DMA mappings is reached "
				  "(vfio_iommu_type1.dma_entry_limit)",
				  s->name);
	return unapi_fail(err, "%s: mapping %llu KiB at %#llx for DMA: %s", s->name,
			  (unsigned long long)(m->size >> 10), (unsigned long long)m->iova, strerror(err));
}

static int container_map(struct dma_space *s, const struct dma_mem *m)
{
	struct kernel_container *c = container_of(s, struct kernel_container, space);
	struct vfio_iommu_type1_dma_map map = {.argsz = sizeof(map),
					       .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
					       .vaddr = (uintptr_t)m->va,
					       .iova = m->iova,
					       .size = m->size};

	return ioctl(c->fd, VFIO_IOMMU_MAP_DMA, &map) < 0 ? map_failed(s, m, errno) : 0;
}

static int container_unmap(struct dma_space *s, const struct dma_mem *m)
{
	struct kernel_container *c = container_of(s, struct kernel_container, space);
	struct vfio_iommu_type1_dma_unmap unmap = {.argsz = sizeof(unmap), .iova = m->iova, .size = m->size};

	if (ioctl(c->fd, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0)
		return unapi_fail(errno, "%s: unmapping %llu KiB at %#llx: %s", s->name,
				  (unsigned long long)(m->size >> 10), (unsigned long long)m->iova,
				  strerror(errno));
	return 0;
}

static const struct dma_space_ops container_ops = {.map = container_map, .unmap = container_unmap};

static int parse_ranges(struct dma_space *s, const uint8_t *cap, size_t len)
{
	struct vfio_iommu_type1_info_cap_iova_range head;

	if (len < sizeof(head))
		return unapi_fail(EPROTO, "%s: the list of I/O address ranges is cut short", s->name);
	memcpy(&head, cap, sizeof(head));
	if (head.nr_iovas > (len - sizeof(head)) / sizeof(struct vfio_iova_range))
		return unapi_fail(EPROTO, "%s: %u I/O address ranges are announced and not given", s->name,
				  head.nr_iovas);
	s->nr_ranges = 0;
	for (uint32_t i = 0; i < head.nr_iovas && s->nr_ranges < DMA_MAX_RANGES; i++) {
		struct vfio_iova_range r;

		memcpy(&r, cap + sizeof(head) + i * sizeof(r), sizeof(r));
		s->ranges[s->nr_ranges++] = (struct dma_iova_range){r.start, r.end};
	}
	return 0;
}

int kernel_parse_iommu(struct dma_space *s, const struct vfio_iommu_type1_info *info, size_t len)
{
	const uint8_t *base = (const uint8_t *)info;
	size_t at = info->flags & VFIO_IOMMU_INFO_CAPS ? info->cap_offset : 0, caps = 0;
	int rc = 0;

	if (info->flags & VFIO_IOMMU_INFO_PGSIZES)
		s->page_sizes = info->iova_pgsizes;
	while (at && !rc) {
		struct vfio_info_cap_header h;

		if (at < sizeof(*info) || at + sizeof(h) > len || ++caps > len / sizeof(h))
			return unapi_fail(EPROTO, "%s: the IOMMU's capabilities are not where they should be",
					  s->name);
		memcpy(&h, base + at, sizeof(h));
		if (h.id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE) {
			rc = parse_ranges(s, base + at, len - at);
		} else if (h.id == VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL &&
			   len - at >= sizeof(struct vfio_iommu_type1_info_dma_avail)) {
			struct vfio_iommu_type1_info_dma_avail avail;

			memcpy(&avail, base + at, sizeof(avail));
			s->max_maps = avail.avail;
		}
		at = h.next;
	}
	return rc;
}

static int read_iommu(struct kernel_container *c)
{
	_Alignas(8) uint8_t buf[4096] = {0};
	struct vfio_iommu_type1_info *info = (struct vfio_iommu_type1_info *)buf;

	info->argsz = sizeof(buf);
	if (ioctl(c->fd, VFIO_IOMMU_GET_INFO, info) < 0)
		return unapi_fail(errno, "%s: asking the IOMMU what it can do: %s", c->space.name,
				  strerror(errno));
	return kernel_parse_iommu(&c->space, info, info->argsz < sizeof(buf) ? info->argsz : sizeof(buf));
}

static void container_close(struct kernel_container *c)
{
	close(c->fd);
	free(c);
}

static int container_open(const char *bdf, struct kernel_container **out)
{
	struct kernel_container *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return unapi_fail(ENOMEM, "%s: no memory", bdf);
	INIT_LIST_HEAD(&c->link);
	INIT_LIST_HEAD(&c->space.link);
	snprintf(c->space.name, sizeof(c->space.name), "%s", bdf);
	c->space.ops = &container_ops;
	c->space.page_sizes = 4096;
	c->space.max_maps = 65535;
	c->fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (c->fd < 0) {
		rc = errno;
		free(c);
		return unapi_fail(rc, "%s: /dev/vfio/vfio: %s%s", bdf, strerror(rc),
				  rc == ENOENT ? " (modprobe vfio-pci)" : "");
	}
	if (ioctl(c->fd, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
	    ioctl(c->fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) <= 0) {
		container_close(c);
		return unapi_fail(ENOTSUP,
				  "%s: the kernel's VFIO has no type 1 IOMMU (modprobe vfio_iommu_type1)",
				  bdf);
	}
	*out = c;
	return 0;
}

static void container_drop(struct kernel_container *c)
{
	dma_space_unregister(&c->space);
	list_del_init(&c->link);
	container_close(c);
}

/* A new container gets its IOMMU from its first group. */
static int enter_new_container(struct kernel_group *g, const char *bdf)
{
	struct kernel_container *c = NULL;
	int rc = container_open(bdf, &c);

	if (rc)
		return rc;
	if (ioctl(g->fd, VFIO_GROUP_SET_CONTAINER, &c->fd) < 0) {
		rc = unapi_fail(errno, "%s: joining group %d to a container: %s", bdf, g->id,
				strerror(errno));
		goto close_c;
	}
	if (ioctl(c->fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0) {
		rc = errno == EPERM
			     ? unapi_fail(EPERM,
					  "%s: the platform cannot isolate interrupts (no interrupt "
					  "remapping); if that is acceptable: modprobe vfio_iommu_type1 "
					  "allow_unsafe_interrupts=1",
					  bdf)
			     : unapi_fail(errno, "%s: setting the IOMMU up for group %d: %s", bdf, g->id,
					  strerror(errno));
		goto close_c;
	}
	rc = read_iommu(c);
	if (!rc)
		rc = dma_space_register(&c->space);
	if (rc)
		goto close_c;
	list_add_tail(&c->link, &containers);
	c->users = 1;
	g->container = c;
	return 0;

close_c:
	ioctl(g->fd, VFIO_GROUP_UNSET_CONTAINER);
	container_close(c);
	return rc;
}

/* The kernel refuses a group whose IOMMU differs from the container's; then it gets a container of its own.
 */
static int enter_container(struct kernel_group *g, const char *bdf)
{
	struct kernel_container *c;

	list_for_each_entry (c, &containers, link) {
		if (ioctl(g->fd, VFIO_GROUP_SET_CONTAINER, &c->fd) == 0) {
			c->users++;
			g->container = c;
			return 0;
		}
	}
	return enter_new_container(g, bdf);
}

static int open_group(const char *bdf, int id, int *fd)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	char path[32];
	int rc;

	snprintf(path, sizeof(path), "/dev/vfio/%d", id);
	*fd = open(path, O_RDWR | O_CLOEXEC);
	if (*fd < 0) {
		rc = errno;
		return pci_diagnose(bdf, rc);
	}
	if (ioctl(*fd, VFIO_GROUP_GET_STATUS, &status) == 0 && (status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return 0;
	close(*fd);
	return pci_diagnose(bdf, EPERM);
}

int kernel_group_get(const char *bdf, struct kernel_group **out)
{
	struct kernel_group *g;
	int rc, id;

	*out = NULL;
	id = pci_iommu_group(bdf);
	if (id < 0)
		return pci_diagnose(bdf, id == -ENODEV ? ENODEV : ENOTSUP);
	pthread_mutex_lock(&lock);
	list_for_each_entry (g, &groups, link) {
		if (g->id == id) {
			g->users++;
			goto found;
		}
	}
	g = calloc(1, sizeof(*g));
	if (!g) {
		rc = unapi_fail(ENOMEM, "%s: no memory", bdf);
		goto unlock;
	}
	g->id = id;
	g->users = 1;
	rc = open_group(bdf, id, &g->fd);
	if (rc)
		goto free_g;
	rc = enter_container(g, bdf);
	if (rc)
		goto close_fd;
	list_add_tail(&g->link, &groups);
found:
	pthread_mutex_unlock(&lock);
	*out = g;
	return 0;

close_fd:
	close(g->fd);
free_g:
	free(g);
unlock:
	pthread_mutex_unlock(&lock);
	return rc;
}

void kernel_group_put(struct kernel_group *g)
{
	pthread_mutex_lock(&lock);
	if (--g->users == 0) {
		struct kernel_container *c = g->container;

		list_del_init(&g->link);
		/* The last group takes the container's mappings with it, so they are undone before. */
		if (--c->users == 0)
			container_drop(c);
		close(g->fd);
		free(g);
	}
	pthread_mutex_unlock(&lock);
}
