/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_kernel.h"

#include "core/pci/pci.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define REGION_AT(i) ((uint64_t)(i) << 20)
#define BAR0_SIZE    0x4000
#define MAX_FD	     4096

struct fake_kernel fake_kernel;

/* What a descriptor of ours is. A closed one is found out by its inode: every fake file has its own memfd. */
enum kind { NOTHING, CONTAINER, GROUP, DEVICE };

static struct file {
	enum kind kind;
	ino_t ino;
	int group;     /* index */
	int container; /* GROUP: the container's descriptor, -1 none */
	int domain;    /* CONTAINER: of its groups, -1 none */
	bool iommu;    /* CONTAINER: set */
} files[MAX_FD];

static struct file *file_of(int fd)
{
	struct stat st;

	if (fd < 0 || fd >= MAX_FD || fstat(fd, &st) < 0 || st.st_ino != files[fd].ino)
		return NULL;
	return &files[fd];
}

static int new_file(enum kind kind, int group)
{
	int fd = kind == DEVICE ? fcntl(fake_kernel.device_memory, F_DUPFD_CLOEXEC, 0)
				: memfd_create("fake", MFD_CLOEXEC);
	struct stat st;

	assert_true(fd >= 0 && fd < MAX_FD);
	assert_int_equal(fstat(fd, &st), 0);
	files[fd] =
		(struct file){.kind = kind, .ino = st.st_ino, .group = group, .container = -1, .domain = -1};
	return fd;
}

static bool group_is_open(int group)
{
	for (int fd = 0; fd < MAX_FD; fd++) {
		struct file *f = files[fd].kind == GROUP ? file_of(fd) : NULL;

		if (f && f->group == group)
			return true;
	}
	return false;
}

static int say(int err)
{
	errno = err;
	return -1;
}

static int fake_open(const char *path, int flags)
{
	int id;

	assert_true(flags & O_CLOEXEC);
	if (!strcmp(path, "/dev/vfio/vfio")) {
		fake_kernel.containers_made++;
		return new_file(CONTAINER, -1);
	}
	assert_int_equal(strncmp(path, fake_kernel.root, strlen(fake_kernel.root)), 0);
	assert_int_equal(sscanf(path + strlen(fake_kernel.root), "/dev/vfio/%d", &id), 1);
	assert_true(id >= FAKE_GROUP(0) && id < FAKE_GROUP(FAKE_GROUPS));
	if (fake_kernel.open_errno)
		return say(fake_kernel.open_errno);
	if (group_is_open(id - FAKE_GROUP(0)))
		return say(EBUSY);
	return new_file(GROUP, id - FAKE_GROUP(0));
}

/* ---- containers */

static int map_dma(int fd, const struct vfio_iommu_type1_dma_map *m)
{
	if (fake_kernel.map_errno)
		return say(fake_kernel.map_errno);
	if (m->flags != (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE) || (m->iova | m->size) & 4095)
		return say(EINVAL);
	for (unsigned int i = 0; i < FAKE_MAPS; i++) {
		if (fake_kernel.map[i].size)
			continue;
		fake_kernel.map[i].container = fd;
		fake_kernel.map[i].iova = m->iova;
		fake_kernel.map[i].size = m->size;
		return 0;
	}
	return say(ENOSPC);
}

static int unmap_dma(int fd, const struct vfio_iommu_type1_dma_unmap *m)
{
	for (unsigned int i = 0; i < FAKE_MAPS; i++) {
		if (fake_kernel.map[i].container != fd || fake_kernel.map[i].iova != m->iova ||
		    fake_kernel.map[i].size != m->size)
			continue;
		fake_kernel.map[i].size = 0;
		return 0;
	}
	return say(EINVAL);
}

static int container_ioctl(int fd, struct file *f, unsigned long request, void *arg)
{
	struct vfio_iommu_type1_info *info = arg;

	switch (request) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return (uintptr_t)arg == VFIO_TYPE1v2_IOMMU && !fake_kernel.no_type1;
	case VFIO_SET_IOMMU:
		if (f->domain < 0)
			return say(EINVAL);
		if (fake_kernel.set_iommu_errno)
			return say(fake_kernel.set_iommu_errno);
		f->iommu = true;
		return 0;
	case VFIO_IOMMU_GET_INFO:
		fake_kernel.info_asked++;
		if (!f->iommu)
			return say(EINVAL);
		if (info->argsz < fake_kernel.iommu_info_len) {
			memcpy(info, fake_kernel.iommu_info, sizeof(*info));
			info->cap_offset = 0;
			info->argsz = fake_kernel.iommu_info_len;
			return 0;
		}
		memcpy(info, fake_kernel.iommu_info, fake_kernel.iommu_info_len);
		return 0;
	case VFIO_IOMMU_MAP_DMA:
		return f->iommu ? map_dma(fd, arg) : say(EINVAL);
	case VFIO_IOMMU_UNMAP_DMA:
		return unmap_dma(fd, arg);
	default:
		return say(ENOTTY);
	}
}

/* ---- groups */

static int set_container(struct file *g, int container)
{
	struct file *c = file_of(container);

	if (!c || c->kind != CONTAINER || g->container >= 0)
		return say(EINVAL);
	if (c->domain >= 0 && c->domain != (int)fake_kernel.domain[g->group])
		return say(EBUSY);
	c->domain = (int)fake_kernel.domain[g->group];
	g->container = container;
	return 0;
}

static int group_ioctl(struct file *g, unsigned long request, void *arg)
{
	struct vfio_group_status *status = arg;
	char in_group[PCI_BDF_LEN];
	struct file *c;

	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		status->flags = fake_kernel.not_viable ? 0 : VFIO_GROUP_FLAGS_VIABLE;
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
		return set_container(g, *(int *)arg);
	case VFIO_GROUP_UNSET_CONTAINER:
		if (g->container < 0)
			return say(EINVAL);
		g->container = -1;
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		c = file_of(g->container);
		if (!c || !c->iommu)
			return say(EINVAL);
		if (fake_kernel.get_device_errno)
			return say(fake_kernel.get_device_errno);
		snprintf(in_group, sizeof(in_group), "%04x:%02x:00.0", 0, FAKE_GROUP(g->group));
		if (strncmp(arg, in_group, 11))
			return say(ENODEV);
		return new_file(DEVICE, g->group);
	default:
		return say(ENOTTY);
	}
}

/* ---- devices */

static int region_info(struct vfio_region_info *r)
{
	if (r->index > VFIO_PCI_CONFIG_REGION_INDEX)
		return say(EINVAL);
	r->offset = REGION_AT(r->index);
	r->flags = 0;
	r->size = r->index == 0 ? BAR0_SIZE : r->index == VFIO_PCI_CONFIG_REGION_INDEX ? 256 : 0;
	if (r->size)
		r->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (r->index == 0)
		r->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	if (r->index == 0 && fake_kernel.no_bars)
		r->offset += 512; /* mmap() takes whole pages only */
	r->argsz = sizeof(*r);
	return 0;
}

static const uint32_t irq_count[5] = {1, 1, 10, 1, 1};

static int irq_info(struct vfio_irq_info *i)
{
	if (i->index > 4)
		return say(EINVAL);
	i->count = irq_count[i->index];
	i->flags = VFIO_IRQ_INFO_EVENTFD | (i->index == VFIO_PCI_MSIX_IRQ_INDEX ? fake_kernel.irq_flags : 0);
	return 0;
}

static void drop_irq(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int set_irqs(const struct vfio_irq_set *set)
{
	const int *fds = (const int *)set->data;

	if (set->index > 4 || set->start + set->count > irq_count[set->index])
		return say(EINVAL);
	if (set->flags == (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER) && !set->count) {
		for (unsigned int i = 0; i < irq_count[set->index]; i++)
			drop_irq(&fake_kernel.irq_fd[set->index][i]);
		return 0;
	}
	if (set->flags != (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER) ||
	    set->argsz != sizeof(*set) + 4 * set->count)
		return say(EINVAL);
	if (set->index == VFIO_PCI_MSIX_IRQ_INDEX && (int)(set->start + set->count) > fake_kernel.vectors)
		return fake_kernel.vectors;
	for (unsigned int i = 0; i < set->count; i++) {
		int *fd = &fake_kernel.irq_fd[set->index][set->start + i];

		drop_irq(fd);
		*fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
	}
	return 0;
}

static int device_ioctl(unsigned long request, void *arg)
{
	struct vfio_device_info *info = arg;

	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		info->flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
		info->num_regions = 9;
		info->num_irqs = 5;
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return region_info(arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return irq_info(arg);
	case VFIO_DEVICE_SET_IRQS:
		return set_irqs(arg);
	case VFIO_DEVICE_RESET:
		fake_kernel.resets++;
		return 0;
	default:
		return say(ENOTTY);
	}
}

static int fake_ioctl(int fd, unsigned long request, void *arg)
{
	struct file *f = file_of(fd);

	assert_non_null(f);
	switch (f->kind) {
	case CONTAINER:
		return container_ioctl(fd, f, request, arg);
	case GROUP:
		return group_ioctl(f, request, arg);
	default:
		return device_ioctl(request, arg);
	}
}

/* ---- the tree */

static void path_of(char path[PATH_MAX], const char *rel)
{
	snprintf(path, PATH_MAX, "%s/%s", fake_kernel.root, rel);
	for (char *c = path + strlen(fake_kernel.root) + 1; (c = strchr(c, '/')); c++) {
		*c = '\0';
		mkdir(path, 0755);
		*c = '/';
	}
}

void fake_sys_link(const char *rel, const char *target)
{
	char path[PATH_MAX];

	path_of(path, rel);
	unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

void fake_file(const char *rel, const char *text)
{
	char path[PATH_MAX];
	FILE *f;

	path_of(path, rel);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void make_function(int group, int fn)
{
	char rel[128], target[64];

	snprintf(rel, sizeof(rel), "sys/bus/pci/devices/0000:%02x:00.%d/iommu_group", group, fn);
	snprintf(target, sizeof(target), "../../../../kernel/iommu_groups/%d", group);
	fake_sys_link(rel, target);
	snprintf(rel, sizeof(rel), "sys/bus/pci/devices/0000:%02x:00.%d/driver", group, fn);
	fake_sys_link(rel, "../../../../bus/pci/drivers/vfio-pci");
	snprintf(rel, sizeof(rel), "sys/bus/pci/devices/0000:%02x:00.%d/numa_node", group, fn);
	fake_file(rel, "1\n");
	snprintf(rel, sizeof(rel), "sys/kernel/iommu_groups/%d/devices/0000:%02x:00.%d", group, group, fn);
	fake_file(rel, "");
	snprintf(rel, sizeof(rel), "dev/vfio/%d", group);
	fake_file(rel, "");
}

static void make_device_memory(void)
{
	uint16_t ids[2] = {0x8086, 0x10c9};

	fake_kernel.device_memory = memfd_create("device", MFD_CLOEXEC);
	assert_true(fake_kernel.device_memory >= 0);
	assert_int_equal(ftruncate(fake_kernel.device_memory, (off_t)REGION_AT(9)), 0);
	assert_int_equal(
		pwrite(fake_kernel.device_memory, ids, 4, (off_t)REGION_AT(VFIO_PCI_CONFIG_REGION_INDEX)), 4);
}

unsigned int fake_maps(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < FAKE_MAPS; i++)
		n += fake_kernel.map[i].size != 0;
	return n;
}

void fake_iommu_cap(uint16_t id, const void *rest, uint32_t len)
{
	struct vfio_iommu_type1_info info;
	struct vfio_info_cap_header h = {.id = id, .version = 1};
	uint32_t at = (fake_kernel.iommu_info_len + 7) & ~7u, last;

	memcpy(&info, fake_kernel.iommu_info, sizeof(info));
	if (!(info.flags & VFIO_IOMMU_INFO_CAPS)) {
		info.flags |= VFIO_IOMMU_INFO_CAPS;
		info.cap_offset = at;
	} else {
		for (last = info.cap_offset;; last = h.next) {
			memcpy(&h, fake_kernel.iommu_info + last, sizeof(h));
			if (!h.next)
				break;
		}
		h.next = at;
		memcpy(fake_kernel.iommu_info + last, &h, sizeof(h));
		h = (struct vfio_info_cap_header){.id = id, .version = 1};
	}
	memcpy(fake_kernel.iommu_info + at, &h, sizeof(h));
	memcpy(fake_kernel.iommu_info + at + sizeof(h), rest, len);
	fake_kernel.iommu_info_len = at + (uint32_t)sizeof(h) + len;
	info.argsz = fake_kernel.iommu_info_len;
	memcpy(fake_kernel.iommu_info, &info, sizeof(info));
}

static const struct kernel_calls fake_calls = {fake_open, fake_ioctl};
static const struct kernel_calls *real_calls;
static struct pci_roots roots;
static char sys_root[80], proc_root[80], dev_root[80];
static unsigned int fds_before;

int fake_kernel_init(void **state)
{
	struct vfio_iommu_type1_info info = {
		.argsz = sizeof(info), .flags = VFIO_IOMMU_INFO_PGSIZES, .iova_pgsizes = ~4095ULL};

	fds_before = count_fds();
	memset(files, 0, sizeof(files));
	fake_kernel = (struct fake_kernel){.vectors = 10, .irq_flags = VFIO_IRQ_INFO_NORESIZE};
	memset(fake_kernel.irq_fd, 0xff, sizeof(fake_kernel.irq_fd));
	memcpy(fake_kernel.iommu_info, &info, sizeof(info));
	fake_kernel.iommu_info_len = sizeof(info);
	strcpy(fake_kernel.root, "/tmp/unapi-kernel-XXXXXX");
	assert_non_null(mkdtemp(fake_kernel.root));
	for (int i = 0; i < FAKE_GROUPS; i++)
		for (int fn = 0; fn < 2; fn++)
			make_function(FAKE_GROUP(i), fn);
	fake_file("sys/module/vfio_pci/refcnt", "1\n");
	fake_file("proc/self/status", "VmLck:\t    2048 kB\n");
	make_device_memory();
	snprintf(sys_root, sizeof(sys_root), "%s/sys", fake_kernel.root);
	snprintf(proc_root, sizeof(proc_root), "%s/proc", fake_kernel.root);
	snprintf(dev_root, sizeof(dev_root), "%s/dev", fake_kernel.root);
	roots = (struct pci_roots){.sys = sys_root, .proc = proc_root, .dev = dev_root};
	pci_set_roots(&roots);
	real_calls = kernel_calls;
	kernel_calls = &fake_calls;
	return 0;
}

int fake_kernel_exit(void **state)
{
	char command[128];

	kernel_calls = real_calls;
	pci_set_roots(NULL);
	close(fake_kernel.device_memory);
	snprintf(command, sizeof(command), "rm -r %s", fake_kernel.root);
	if (system(command))
		return -1;
	/* Whatever a test did, the carrier has given everything back. */
	for (unsigned int i = 0; i < 5; i++)
		for (unsigned int k = 0; k < 10; k++)
			if (fake_kernel.irq_fd[i][k] >= 0)
				return -1;
	return count_fds() == fds_before && !fake_maps() ? 0 : -1;
}
