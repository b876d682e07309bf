/* SPDX-License-Identifier: BSD-3-Clause */
/* Where DMA memory comes from: memfd pages of the largest size to be had, on the wanted node, all of them
 * there. */
#include "core/base/reason.h"
#include "core/vfio/dma_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <numa.h>
#include <numaif.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct {
	uint64_t size;
	unsigned int memfd_flags;
	const char *name;
} page_kinds[] = {
	[DMA_PAGES_4K] = {4096, 0, "4 KiB pages"},
	[DMA_PAGES_2M] = {2ULL << 20, MFD_HUGETLB | MFD_HUGE_2MB, "2 MiB hugepages"},
	[DMA_PAGES_1G] = {1ULL << 30, MFD_HUGETLB | MFD_HUGE_1GB, "1 GiB hugepages"},
};

uint64_t dma_page_size(enum dma_pages p)
{
	return page_kinds[p].size;
}

/* Restrict the mapping to one node before its first page exists. */
static int bind_to_node(void *va, uint64_t size, int node)
{
	struct bitmask *mask;
	long rc;

	if (node < 0 || numa_available() < 0)
		return 0;
	if (node > numa_max_node())
		return unapi_fail(EINVAL, "NUMA node %d does not exist (the last one is %d)", node,
				  numa_max_node());
	mask = numa_allocate_nodemask();
	if (!mask)
		return unapi_fail(ENOMEM, "no memory for a NUMA node mask");
	numa_bitmask_setbit(mask, (unsigned int)node);
	rc = mbind(va, size, MPOL_BIND, mask->maskp, mask->size + 1, 0);
	numa_free_nodemask(mask);
	/* Containers forbid mbind() often. Memory on the wrong node is slow, not wrong. */
	if (rc < 0 && errno == EPERM) {
		unapi_log(UNAPI_LOG_WARN,
			  "%llu bytes could not be bound to NUMA node %d: mbind() is forbidden",
			  (unsigned long long)size, node);
		return 0;
	}
	if (rc < 0)
		return unapi_fail(errno, "binding %llu bytes to NUMA node %d failed: %s",
				  (unsigned long long)size, node, strerror(errno));
	return 0;
}

/*
 * MADV_POPULATE_WRITE (Linux 5.14) makes every page now and answers with an error where touching it later
 * would have raised SIGBUS, which is what happens when a node or the hugepage pool runs out.
 */
static int populate(const struct dma_mem *m)
{
	if (madvise(m->va, m->size, MADV_POPULATE_WRITE) == 0)
		return 0;
	if (errno == EINVAL)
		return unapi_fail(ENOSYS,
				  "this kernel cannot populate memory (MADV_POPULATE_WRITE, Linux 5.14)");
	if (m->node >= 0)
		return unapi_fail(ENOMEM, "NUMA node %d has not %llu bytes in %s", m->node,
				  (unsigned long long)m->size, page_kinds[m->pages].name);
	return unapi_fail(ENOMEM, "the system has not %llu bytes in %s", (unsigned long long)m->size,
			  page_kinds[m->pages].name);
}

static int try_pages(struct dma_mem *m, uint64_t want, enum dma_pages pages)
{
	uint64_t ps = page_kinds[pages].size;
	int rc;

	m->pages = pages;
	m->size = (want + ps - 1) & ~(ps - 1);
	m->fd = memfd_create("unapi-dma", MFD_CLOEXEC | MFD_ALLOW_SEALING | page_kinds[pages].memfd_flags);
	if (m->fd < 0)
		return unapi_fail(errno, "no memfd with %s: %s", page_kinds[pages].name, strerror(errno));
	if (ftruncate(m->fd, (off_t)m->size) < 0) {
		rc = unapi_fail(errno, "a memfd of %llu bytes in %s: %s", (unsigned long long)m->size,
				page_kinds[pages].name, strerror(errno));
		goto close_fd;
	}
	m->va = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	if (m->va == MAP_FAILED && errno == ENOMEM && pages != DMA_PAGES_4K) {
		rc = unapi_fail(ENOMEM, "%llu %s are needed and not free: vm.nr_hugepages",
				(unsigned long long)(m->size / ps), page_kinds[pages].name);
		goto close_fd;
	}
	if (m->va == MAP_FAILED) {
		rc = unapi_fail(errno, "mapping %llu bytes in %s: %s", (unsigned long long)m->size,
				page_kinds[pages].name, strerror(errno));
		goto close_fd;
	}
	rc = bind_to_node(m->va, m->size, m->node);
	if (!rc)
		rc = populate(m);
	if (rc)
		goto unmap;
	/* Who maps it may trust its size: a server, and we, when a server has the descriptor. */
	fcntl(m->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	return 0;

unmap:
	munmap(m->va, m->size);
close_fd:
	close(m->fd);
	return rc;
}

/* Hugepages for a request that would leave most of one unused are not worth taking from others. */
static bool worth(enum dma_pages pages, uint64_t size)
{
	return pages == DMA_PAGES_4K || size >= page_kinds[pages].size / 2;
}

/* One line for a process and page size: the second pool that goes without hugepages tells nothing new. */
static void tell_fell_back(const struct dma_mem *m, enum dma_pages wanted)
{
	static bool told[ARRAY_SIZE(page_kinds)];

	if (!__atomic_exchange_n(&told[wanted], true, __ATOMIC_RELAXED))
		unapi_log(UNAPI_LOG_INFO, "DMA memory is in %s: %s", page_kinds[m->pages].name, m->fell_back);
}

int dma_mem_make(struct dma_mem *m, uint64_t size, enum dma_pages want)
{
	char why[160] = "";
	int rc = -ENOMEM;

	for (int p = (int)want; p >= (int)DMA_PAGES_4K; p--) {
		if (!worth((enum dma_pages)p, size))
			continue;
		rc = try_pages(m, size, (enum dma_pages)p);
		if (!rc) {
			snprintf(m->fell_back, sizeof(m->fell_back), "%s", why);
			if (why[0])
				tell_fell_back(m, want);
			return 0;
		}
		snprintf(why, sizeof(why), "%s", unapi_reason());
	}
	return rc;
}

void dma_mem_unmake(struct dma_mem *m)
{
	munmap(m->va, m->size);
	close(m->fd);
}

void dma_mem_describe(const struct dma_mem *m, char *buf, size_t n)
{
	char where[32] = "";

	if (m->node >= 0)
		snprintf(where, sizeof(where), " on node %d", m->node);
	if (m->fell_back[0])
		snprintf(buf, n, "%s%s (%s)", page_kinds[m->pages].name, where, m->fell_back);
	else
		snprintf(buf, n, "%s%s", page_kinds[m->pages].name, where);
}
