/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups and containers of the kernel's VFIO (Documentation/driver-api/vfio.rst). */
#include "core/base/reason.h"
#include "core/pci/pci.h"
#include "core/vfio/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Guards both lists and the user counts. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list_head containers = {&containers, &containers};
static struct list_head groups = {&groups, &groups};

static int real_open(const char *path, int flags)
{
	return open(path, flags);
}

static int real_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg);
}

static const struct kernel_calls real_calls = {real_open, real_ioctl};
const struct kernel_calls *kernel_calls = &real_calls;

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
	c->space.ops = &kernel_dma_ops;
	c->fd = kernel_calls->open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (c->fd < 0) {
		rc = errno;
		free(c);
		return unapi_fail(rc, "%s: /dev/vfio/vfio: %s%s", bdf, strerror(rc),
				  rc == ENOENT ? " (modprobe vfio-pci)" : "");
	}
	if (kernel_calls->ioctl(c->fd, VFIO_GET_API_VERSION, NULL) != VFIO_API_VERSION ||
	    kernel_calls->ioctl(c->fd, VFIO_CHECK_EXTENSION, (void *)VFIO_TYPE1v2_IOMMU) <= 0) {
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
	if (kernel_calls->ioctl(g->fd, VFIO_GROUP_SET_CONTAINER, &c->fd) < 0) {
		rc = unapi_fail(errno, "%s: joining group %d to a container: %s", bdf, g->id,
				strerror(errno));
		goto close_c;
	}
	if (kernel_calls->ioctl(c->fd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU) < 0) {
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
	rc = kernel_read_iommu(c);
	if (!rc)
		rc = dma_space_register(&c->space);
	if (rc)
		goto close_c;
	list_add_tail(&c->link, &containers);
	c->users = 1;
	g->container = c;
	return 0;

close_c:
	kernel_calls->ioctl(g->fd, VFIO_GROUP_UNSET_CONTAINER, NULL);
	container_close(c);
	return rc;
}

/* The kernel refuses a group whose IOMMU differs from the container's; then it gets a container of its own.
 */
static int enter_container(struct kernel_group *g, const char *bdf)
{
	struct kernel_container *c;
	int rc;

	list_for_each_entry (c, &containers, link) {
		if (kernel_calls->ioctl(g->fd, VFIO_GROUP_SET_CONTAINER, &c->fd) < 0)
			continue;
		/* What is mapped already suits the newcomer, or the kernel had refused; what comes must too.
		 */
		rc = kernel_read_iommu(c);
		if (rc) {
			kernel_calls->ioctl(g->fd, VFIO_GROUP_UNSET_CONTAINER, NULL);
			return rc;
		}
		c->users++;
		g->container = c;
		return 0;
	}
	return enter_new_container(g, bdf);
}

static int open_group(const char *bdf, int id, int *fd)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	char path[PATH_MAX];
	int rc;

	pci_group_node(id, path, sizeof(path));
	if (strstr(path, "/noiommu-"))
		return unapi_fail(
			ENOTSUP,
			"%s: it is in no-IOMMU mode, where nothing keeps a device out of other memory; "
			"this library drives devices behind an IOMMU only",
			bdf);
	*fd = kernel_calls->open(path, O_RDWR | O_CLOEXEC);
	if (*fd < 0) {
		rc = errno;
		return pci_diagnose(bdf, rc);
	}
	if (kernel_calls->ioctl(*fd, VFIO_GROUP_GET_STATUS, &status) == 0 &&
	    (status.flags & VFIO_GROUP_FLAGS_VIABLE))
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
