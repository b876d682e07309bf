/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel carrier on a kernel that grants, refuses, and runs out of things. */
#include "fake_kernel.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

static struct vfio_device *open_ok(const char *bdf)
{
	struct vfio_device *v;
	int rc = vfio_open(bdf, &v);

	if (rc)
		print_error("%s\n", unapi_reason());
	assert_int_equal(rc, 0);
	return v;
}

static void refused(const char *bdf, int rc)
{
	struct vfio_device *v;
	int got = vfio_open(bdf, &v);

	if (got != rc)
		print_error("%s\n", unapi_reason());
	assert_int_equal(got, rc);
	assert_null(v);
}

static void test_open(void **state)
{
	struct vfio_device *v = open_ok("07:00.0"); /* without the domain */
	struct vfio_region *bar = &v->regions[VFIO_PCI_BAR0_REGION_INDEX];
	uint16_t command;
	uint32_t there = 0;

	assert_string_equal(v->name, "0000:07:00.0");
	assert_string_equal(v->carrier, "vfio group 7");
	assert_int_equal(v->vendor_id, 0x8086);
	assert_int_equal(v->device_id, 0x10c9);
	assert_int_equal(v->numa_node, 1);
	assert_int_equal(bar->nr_areas, 1);
	vfio_write32(v, bar, 0x20, 0xcafe);
	assert_int_equal(pread(fake_kernel.device_memory, &there, 4, 0x20), 4);
	assert_int_equal(there, 0xcafe);
	assert_int_equal(vfio_read32(v, bar, 0x20), 0xcafe);
	assert_int_equal(v->regions[VFIO_PCI_BAR5_REGION_INDEX].size, 0);
	assert_int_equal(vfio_config_read(v, PCI_COMMAND, &command, 2), 0);
	assert_int_equal(command, PCI_COMMAND_MEMORY);
	assert_int_equal(vfio_set_bus_master(v, true), 0);
	assert_int_equal(vfio_config_read(v, PCI_COMMAND, &command, 2), 0);
	assert_int_equal(command, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(vfio_reset(v), 0);
	assert_int_equal(fake_kernel.resets, 1);
	vfio_close(v);
	v = open_ok("0000:07:00.0"); /* all of it was given back */
	vfio_close(v);
}

static void test_sharing(void **state)
{
	struct vfio_device *a, *a2, *b, *c;
	struct dma_mem *pool, *ring;

	fake_kernel.domain[2] = 1;
	assert_int_equal(dma_alloc(NULL, 8192, -1, DMA_PAGES_4K, &pool), 0);
	a = open_ok("0000:07:00.0");
	assert_int_equal(fake_maps(), 1);
	a2 = open_ok(
		"0000:07:00.1");     /* the same group: its descriptor is shared, a second would be refused */
	b = open_ok("0000:08:00.0"); /* another group, the same container */
	assert_int_equal(fake_kernel.containers_made, 1);
	assert_ptr_equal(a->space, b->space);
	assert_int_equal(fake_maps(), 1);
	c = open_ok("0000:09:00.0"); /* the kernel wants another one, with the pool in it */
	assert_int_equal(fake_kernel.containers_made, 2);
	assert_ptr_not_equal(a->space, c->space);
	assert_int_equal(fake_maps(), 2);
	assert_true(fake_kernel.map[0].iova == pool->iova && fake_kernel.map[1].iova == pool->iova);
	assert_int_not_equal(fake_kernel.map[0].container, fake_kernel.map[1].container);
	assert_int_equal(dma_alloc(c->space, 4096, -1, DMA_PAGES_4K, &ring), 0);
	assert_int_equal(fake_maps(), 3);
	refused("0000:07:00.0", -EBUSY);
	assert_reason("0000:07:00.0", "open already");
	vfio_close(a);
	vfio_close(a2);
	assert_int_equal(fake_maps(), 3); /* b is still there */
	vfio_close(c);
	assert_int_equal(fake_maps(), 1);
	dma_free(ring);
	vfio_close(b);
	assert_int_equal(fake_maps(), 0);
	dma_free(pool);
}

static void test_group_refusals(void **state)
{
	fake_kernel.open_errno = EBUSY;
	refused("0000:07:00.0", -EBUSY);
	assert_reason("0000:07:00.0", "/dev/vfio/7");
	fake_kernel.open_errno = EACCES;
	refused("0000:07:00.0", -EACCES);
	fake_kernel.open_errno = 0;
	fake_kernel.not_viable = true;
	fake_sys_link("sys/bus/pci/devices/0000:07:00.1/driver", "../../../../bus/pci/drivers/e1000e");
	refused("0000:07:00.0", -EPERM);
	assert_reason("group 7", "not viable", "0000:07:00.1", "e1000e", "--unbind");
	fake_kernel.not_viable = false;
	fake_sys_link("sys/bus/pci/devices/0000:07:00.0/driver", "../../../../bus/pci/drivers/igb");
	fake_kernel.open_errno = ENOENT;
	refused("0000:07:00.0", -EINVAL);
	assert_reason("bound to igb", "unapi-devbind --bind=vfio-pci 0000:07:00.0");
	fake_file("sys/kernel/iommu_groups/8/name", "vfio-noiommu\n");
	refused("0000:08:00.0", -ENOTSUP);
	assert_reason("no-IOMMU");
	refused("0000:55:00.0", -ENODEV);
	assert_reason("no such PCI function");
}

static void test_container_refusals(void **state)
{
	fake_kernel.no_type1 = true;
	refused("0000:07:00.0", -ENOTSUP);
	assert_reason("modprobe vfio_iommu_type1");
	fake_kernel.no_type1 = false;
	fake_kernel.set_iommu_errno = EPERM;
	refused("0000:07:00.0", -EPERM);
	assert_reason("interrupt", "allow_unsafe_interrupts");
	fake_kernel.set_iommu_errno = ENODEV;
	refused("0000:07:00.0", -ENODEV);
	assert_reason("IOMMU", "group 7");
	fake_kernel.set_iommu_errno = 0;
	fake_kernel.get_device_errno = EINVAL;
	refused("0000:07:00.0", -EINVAL);
	assert_reason("group 7");
	fake_kernel.get_device_errno = 0;
	vfio_close(open_ok("0000:07:00.0"));
}

static void test_locked_memory(void **state)
{
	struct vfio_device *v = open_ok("0000:07:00.0");
	struct rlimit before, tight;
	struct dma_mem *m;

	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &before), 0);
	tight = before;
	tight.rlim_cur = 8 << 20;
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &tight), 0);
	fake_kernel.map_errno = ENOMEM;
	/* 2 MiB are locked already, as /proc says: 7 more are too many, 6 would not have been. */
	assert_int_equal(dma_alloc(v->space, 7 << 20, -1, DMA_PAGES_4K, &m), -ENOMEM);
	assert_reason("7168 KiB", "limit is 8192 KiB", "ulimit -l 9216");
	assert_int_equal(dma_alloc(v->space, 6 << 20, -1, DMA_PAGES_4K, &m), -ENOMEM);
	assert_reason("6144 KiB", "Cannot allocate memory");
	assert_null(strstr(unapi_reason(), "ulimit"));
	fake_kernel.map_errno = ENOSPC;
	assert_int_equal(dma_alloc(v->space, 4096, -1, DMA_PAGES_4K, &m), -ENOSPC);
	assert_reason("dma_entry_limit");
	fake_kernel.map_errno = EEXIST;
	assert_int_equal(dma_alloc(v->space, 4096, -1, DMA_PAGES_4K, &m), -EEXIST);
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &before), 0);
	vfio_close(v);
	/* A pool that cannot be pinned for a newcomer keeps that one out, and nothing else. */
	fake_kernel.map_errno = 0;
	assert_int_equal(dma_alloc(NULL, 4096, -1, DMA_PAGES_4K, &m), 0);
	fake_kernel.map_errno = ENOMEM;
	refused("0000:07:00.0", -ENOMEM);
	fake_kernel.map_errno = 0;
	vfio_close(open_ok("0000:07:00.0"));
	dma_free(m);
}

static void put_ranges(uint32_t said, const uint64_t *pairs, uint32_t n)
{
	uint8_t rest[256] = {0};

	memcpy(rest, &said, 4);
	memcpy(rest + 8, pairs, n * 16);
	fake_iommu_cap(VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, rest, 8 + n * 16);
}

static void test_iommu_limits(void **state)
{
	static const uint64_t ranges[] = {0, 0xfedfffff, 0xfef00000, (1ULL << 32) + 0x2fff};
	uint32_t avail = 2;
	struct vfio_device *v, *w;
	struct dma_mem *m[3];

	fake_iommu_cap(VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, &avail, 4);
	put_ranges(2, ranges, 2);
	v = open_ok("0000:07:00.0");
	assert_int_equal(v->space->nr_ranges, 2);
	assert_int_equal(dma_alloc(v->space, 8192, -1, DMA_PAGES_4K, &m[0]), 0);
	assert_int_equal(dma_alloc(v->space, 8192, -1, DMA_PAGES_4K, &m[1]), 0);
	assert_true(m[0]->iova == 1ULL << 32);
	assert_true(m[1]->iova < 0xfee00000); /* one page is left above */
	assert_int_equal(dma_alloc(v->space, 4096, -1, DMA_PAGES_4K, &m[2]), -ENOSPC);
	assert_reason("2 DMA mappings");
	/* The kernel says how many are left when the next group joins. */
	w = open_ok("0000:08:00.0");
	assert_int_equal(dma_alloc(v->space, 4096, -1, DMA_PAGES_4K, &m[2]), 0);
	for (unsigned int i = 0; i < 3; i++)
		dma_free(m[i]);
	vfio_close(v);
	vfio_close(w);
}

/* The whole answer is longer than first asked for. */
static void test_long_iommu_answer(void **state)
{
	static const uint64_t range[] = {5ULL << 32, 6ULL << 32};
	uint8_t junk[1500] = {0};
	struct vfio_device *v;

	fake_iommu_cap(99, junk, sizeof(junk));
	put_ranges(1, range, 1);
	v = open_ok("0000:07:00.0");
	assert_int_equal(fake_kernel.info_asked, 2);
	assert_int_equal(v->space->nr_ranges, 1);
	assert_true(v->space->ranges[0].start == 5ULL << 32);
	vfio_close(v);
}

static void test_broken_iommu_answers(void **state)
{
	static const uint64_t backwards[] = {2, 1};
	struct vfio_iommu_type1_info *info = (struct vfio_iommu_type1_info *)fake_kernel.iommu_info;
	uint32_t good;

	put_ranges(1000, backwards, 1);
	refused("0000:07:00.0", -EPROTO);
	assert_reason("1000", "announced and not given");
	((uint32_t *)(fake_kernel.iommu_info + info->cap_offset))[2] = 1;
	refused("0000:07:00.0", -ENOTSUP);
	assert_reason("no usable addresses");
	good = info->cap_offset;
	info->cap_offset = 1020;
	refused("0000:07:00.0", -EPROTO);
	info->cap_offset = 8;
	refused("0000:07:00.0", -EPROTO);
	info->cap_offset = good;
	((uint32_t *)(fake_kernel.iommu_info + good))[1] = good; /* a circle */
	((uint16_t *)(fake_kernel.iommu_info + good))[0] = 99;
	refused("0000:07:00.0", -EPROTO);
	assert_reason("capabilities");
	info->argsz = 3u << 20;
	fake_kernel.iommu_info_len = 3u << 20;
	refused("0000:07:00.0", -EPROTO);
}

static void test_interrupts(void **state)
{
	struct vfio_device *v = open_ok("0000:07:00.0");
	eventfd_t n;

	fake_kernel.vectors = 4;
	assert_int_equal(vfio_irq_enable(v, VFIO_IRQ_MSIX, 10), 4);
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(eventfd_write(fake_kernel.irq_fd[VFIO_PCI_MSIX_IRQ_INDEX][i], i + 1), 0);
		assert_int_equal(eventfd_read(v->vector_fds[i], &n), 0);
		assert_int_equal(n, i + 1);
	}
	assert_int_equal(fake_kernel.irq_fd[VFIO_PCI_MSIX_IRQ_INDEX][4], -1);
	vfio_close(v);
	/* Room for more, one by one, and then none. */
	fake_kernel.irq_flags = 0;
	fake_kernel.vectors = 6;
	v = open_ok("0000:07:00.0");
	assert_int_equal(vfio_irq_enable(v, VFIO_IRQ_MSIX, 2), 2);
	assert_int_equal(vfio_irq_enable(v, VFIO_IRQ_MSIX, 10), 6);
	assert_true(fake_kernel.irq_fd[VFIO_PCI_MSIX_IRQ_INDEX][5] >= 0);
	vfio_close(v);
}

static void note_event(void *arg, struct vfio_device *v, enum vfio_event ev)
{
	*(int *)arg = (int)ev;
}

static void test_events(void **state)
{
	struct vfio_device *v = open_ok("0000:07:00.0");
	int seen = -1;

	vfio_set_event_fn(v, note_event, &seen);
	assert_int_equal(v->nr_slow_fds, 2);
	for (unsigned int i = 0; i < 2; i++) {
		vfio_slow_fd_ready(v, v->slow_fds[i]);
		assert_int_equal(seen, -1); /* nothing was written */
	}
	assert_int_equal(eventfd_write(fake_kernel.irq_fd[VFIO_PCI_REQ_IRQ_INDEX][0], 1), 0);
	vfio_slow_fd_ready(v, v->slow_fds[0]);
	assert_int_equal(seen, VFIO_EVENT_REMOVE_REQUEST);
	assert_int_equal(eventfd_write(fake_kernel.irq_fd[VFIO_PCI_ERR_IRQ_INDEX][0], 1), 0);
	vfio_slow_fd_ready(v, v->slow_fds[1]);
	assert_int_equal(seen, VFIO_EVENT_ERROR);
	vfio_mark_gone(v);
	assert_int_equal(seen, VFIO_EVENT_GONE);
	assert_int_equal(vfio_read32(v, &v->regions[0], 0), UINT32_MAX);
	for (unsigned int i = 0; i < 5; i++) /* a device that is gone is not asked to let go */
		for (unsigned int k = 0; k < 10; k++)
			if (fake_kernel.irq_fd[i][k] >= 0) {
				close(fake_kernel.irq_fd[i][k]);
				fake_kernel.irq_fd[i][k] = -1;
			}
	vfio_close(v);
}

/* A kernel that does not let a BAR be mapped lets it be read and written. */
static void test_unmappable(void **state)
{
	struct vfio_device *v;

	fake_kernel.no_bars = true;
	v = open_ok("0000:07:00.0");
	assert_int_equal(v->regions[0].nr_areas, 0);
	vfio_write32(v, &v->regions[0], 0x40, 0xbeef);
	assert_int_equal(vfio_read32(v, &v->regions[0], 0x40), 0xbeef);
	vfio_close(v);
}

#define kernel_test(f) cmocka_unit_test_setup_teardown(f, fake_kernel_init, fake_kernel_exit)

int main(void)
{
	const struct CMUnitTest tests[] = {
		kernel_test(test_open),
		kernel_test(test_sharing),
		kernel_test(test_group_refusals),
		kernel_test(test_container_refusals),
		kernel_test(test_locked_memory),
		kernel_test(test_iommu_limits),
		kernel_test(test_long_iommu_answer),
		kernel_test(test_broken_iommu_answers),
		kernel_test(test_interrupts),
		kernel_test(test_events),
		kernel_test(test_unmappable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
