/* SPDX-License-Identifier: BSD-3-Clause */
/* DMA memory and the spaces it is mapped into: addresses that every device has, limits, and undoing. */
#include "vfio_check.h"

#include "core/vfio/dma_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <numa.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define GIB (1ULL << 30)

/* A space that remembers its maps. */
struct fake_space {
	struct dma_space s;
	unsigned int maps, unmaps;
	uint64_t iova[16], size[16]; /* by order of mapping */
	int fail_at;		     /* the map call that fails, counted from 1; 0: none */
};

static int fake_map(struct dma_space *s, const struct dma_mem *m)
{
	struct fake_space *f = container_of(s, struct fake_space, s);

	if (f->fail_at && (int)f->maps + 1 == f->fail_at)
		return unapi_fail(EIO, "%s: fake refusal", s->name);
	f->iova[f->maps % 16] = m->iova;
	f->size[f->maps % 16] = m->size;
	f->maps++;
	return 0;
}

static int fake_unmap(struct dma_space *s, const struct dma_mem *m)
{
	container_of(s, struct fake_space, s)->unmaps++;
	return 0;
}

static const struct dma_space_ops fake_ops = {.map = fake_map, .unmap = fake_unmap};

static void init_space(struct fake_space *f, const char *name)
{
	*f = (struct fake_space){.s = {.ops = &fake_ops, .page_sizes = 4096, .max_maps = 100}};
	strcpy(f->s.name, name);
}

static void add_range(struct fake_space *f, uint64_t start, uint64_t last)
{
	f->s.ranges[f->s.nr_ranges++] = (struct dma_iova_range){start, last};
}

static void add_space(struct fake_space *f, const char *name)
{
	init_space(f, name);
	assert_int_equal(dma_space_register(&f->s), 0);
}

static unsigned int lines;
static char last_line[512];

static void count_line(void *arg, enum unapi_log_level level, const char *text)
{
	lines++;
	snprintf(last_line, sizeof(last_line), "%s", text);
}

static void test_memory(void **state)
{
	unsigned int fds = count_fds();
	struct dma_mem *m;
	struct stat st;
	char text[256];

	assert_int_equal(dma_alloc(NULL, 5000, -1, DMA_PAGES_4K, &m), 0);
	assert_int_equal(m->size, 8192);
	for (unsigned int i = 0; i < m->size; i++)
		assert_int_equal(((char *)m->va)[i], 0);
	memset(m->va, 0xff, m->size);
	assert_int_equal(fstat(m->fd, &st), 0);
	assert_int_equal(st.st_size, 8192);
	assert_int_equal(fcntl(m->fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	/* Whoever has the descriptor cannot take the memory from under us. */
	assert_int_equal(ftruncate(m->fd, 4096), -1);
	assert_int_equal(errno, EPERM);
	assert_true(m->iova >= 4 * GIB);
	dma_mem_describe(m, text, sizeof(text));
	assert_string_equal(text, "4 KiB pages");
	dma_free(m);
	dma_free(NULL);
	assert_int_equal(count_fds(), fds);
	assert_int_equal(dma_alloc(NULL, 0, -1, DMA_PAGES_4K, &m), -EINVAL);
	assert_null(m);
}

/* 1 GiB pages are reserved at boot only, so they are missing wherever this runs, unless somebody wants them.
 */
static void test_fallback(void **state)
{
	struct dma_mem *m, *small;
	char text[256];

	if (access("/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", R_OK) == 0) {
		FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "re");
		int free_pages = 0;

		assert_non_null(f);
		assert_int_equal(fscanf(f, "%d", &free_pages), 1);
		fclose(f);
		if (free_pages)
			skip();
	}
	lines = 0;
	unapi_set_log(count_line, NULL);
	assert_int_equal(dma_alloc(NULL, GIB / 2, -1, DMA_PAGES_1G, &m), 0);
	assert_int_not_equal(m->pages, DMA_PAGES_1G);
	dma_mem_describe(m, text, sizeof(text));
	assert_non_null(strstr(text, "hugepages are needed"));
	assert_int_equal(lines, 1);
	assert_non_null(strstr(last_line, "hugepages are needed"));
	dma_free(m);
	/* The second time it is no news. */
	assert_int_equal(dma_alloc(NULL, GIB / 2, -1, DMA_PAGES_1G, &m), 0);
	assert_int_equal(lines, 1);
	dma_free(m);
	/* Little memory is not worth a hugepage, and goes without saying. */
	assert_int_equal(dma_alloc(NULL, 4096, -1, DMA_PAGES_2M, &small), 0);
	assert_int_equal(small->pages, DMA_PAGES_4K);
	assert_int_equal(small->fell_back[0], 0);
	assert_int_equal(lines, 1);
	dma_free(small);
	unapi_set_log(NULL, NULL);
}

static void test_node(void **state)
{
	struct dma_mem *m;
	unsigned int fds = count_fds();

	if (numa_available() < 0)
		skip();
	assert_int_equal(dma_alloc(NULL, 4096, 0, DMA_PAGES_4K, &m), 0);
	dma_free(m);
	assert_true(dma_alloc(NULL, 4096, numa_max_node() + 1, DMA_PAGES_4K, &m) < 0);
	assert_reason("NUMA node", "does not exist");
	assert_int_equal(count_fds(), fds);
}

static void test_no_memory(void **state)
{
	struct rlimit before, tight;
	unsigned int fds = count_fds();
	struct dma_mem *m;
	int rc;

	assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
	tight = before;
	tight.rlim_cur = 1; /* nothing new may be mapped */
	assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
	rc = dma_alloc(NULL, 64 << 20, -1, DMA_PAGES_2M, &m);
	assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
	assert_int_equal(rc, -ENOMEM);
	assert_reason("67108864 bytes");
	assert_int_equal(count_fds(), fds);
	/* More than there can be. */
	assert_true(dma_alloc(NULL, SIZE_MAX - 4096, -1, DMA_PAGES_2M, &m) < 0);
	assert_int_equal(count_fds(), fds);
}

static void test_shared_and_own(void **state)
{
	struct fake_space a, b, c;
	struct dma_mem *pool, *ring;

	add_space(&a, "a");
	add_space(&b, "b");
	assert_int_equal(dma_alloc(NULL, 1 << 20, -1, DMA_PAGES_4K, &pool), 0);
	assert_int_equal(dma_alloc(&a.s, 4096, -1, DMA_PAGES_4K, &ring), 0);
	assert_int_equal(a.maps, 2);
	assert_int_equal(b.maps, 1);
	assert_true(a.iova[0] == pool->iova && b.iova[0] == pool->iova);
	assert_int_equal(a.size[0], 1 << 20);
	assert_true(ring->iova >= pool->iova + pool->size || ring->iova + ring->size <= pool->iova);
	/* Who comes later has the pool at the same address, and not the ring. */
	add_space(&c, "c");
	assert_int_equal(c.maps, 1);
	assert_true(c.iova[0] == pool->iova);
	assert_int_equal(c.s.nr_maps, 1);
	/* Who goes is asked for nothing any more. */
	dma_space_unregister(&b.s);
	assert_int_equal(b.unmaps, 1);
	dma_free(pool);
	assert_int_equal(b.unmaps, 1);
	assert_int_equal(a.unmaps, 1);
	assert_int_equal(c.unmaps, 1);
	/* A ring that outlives its space is only memory. */
	dma_space_unregister(&a.s);
	assert_int_equal(a.unmaps, 2);
	dma_free(ring);
	assert_int_equal(a.unmaps, 2);
	dma_space_unregister(&c.s);
}

static void test_address_is_used_again(void **state)
{
	struct dma_mem *one, *two, *three;
	uint64_t iova;

	assert_int_equal(dma_alloc(NULL, 8192, -1, DMA_PAGES_4K, &one), 0);
	assert_int_equal(dma_alloc(NULL, 4096, -1, DMA_PAGES_4K, &two), 0);
	iova = one->iova;
	assert_true(two->iova == iova + 8192);
	dma_free(one);
	/* Too large for the gap; and one that fits. */
	assert_int_equal(dma_alloc(NULL, 12288, -1, DMA_PAGES_4K, &three), 0);
	assert_true(three->iova == two->iova + 4096);
	assert_int_equal(dma_alloc(NULL, 4096, -1, DMA_PAGES_4K, &one), 0);
	assert_true(one->iova == iova);
	dma_free(one);
	dma_free(two);
	dma_free(three);
}

static void test_ranges_of_all(void **state)
{
	struct fake_space a, b;
	struct dma_mem *m, *n;

	init_space(&a, "a");
	add_range(&a, 0, 0xfedfffff);
	add_range(&a, 4 * GIB, 6 * GIB - 1);
	add_range(&a, 8 * GIB, 64 * GIB - 1);
	init_space(&b, "b");
	add_range(&b, 5 * GIB + 4096, 8 * GIB + 8191);
	add_range(&b, 10 * GIB + 1, 20 * GIB);
	assert_int_equal(dma_space_register(&a.s), 0);
	assert_int_equal(dma_space_register(&b.s), 0);
	assert_int_equal(dma_alloc(NULL, 16384, -1, DMA_PAGES_4K, &m), 0);
	assert_true(m->iova == 5 * GIB + 4096);
	/* Does not fit into what a and b share below 6 GiB, nor into the 8 KiB at 8 GiB. */
	assert_int_equal(dma_alloc(NULL, GIB, -1, DMA_PAGES_4K, &n), 0);
	assert_true(n->iova == 10 * GIB + 4096); /* the range's odd start, rounded up to a page */
	dma_free(n);
	dma_free(m);
	dma_space_unregister(&b.s);
	/* b alone could have it: an own ring asks its space only */
	init_space(&b, "b");
	add_range(&b, 100 * GIB, 101 * GIB - 1);
	assert_int_equal(dma_space_register(&b.s), 0);
	assert_int_equal(dma_alloc(NULL, 4096, -1, DMA_PAGES_4K, &m), -ENOSPC);
	assert_reason("no I/O address range");
	assert_int_equal(dma_alloc(&b.s, 4096, -1, DMA_PAGES_4K, &m), 0);
	assert_true(m->iova == 100 * GIB);
	dma_free(m);
	dma_space_unregister(&a.s);
	dma_space_unregister(&b.s);
}

static void test_only_low_addresses(void **state)
{
	struct fake_space a;
	struct dma_mem *m, *n;

	init_space(&a, "a");
	add_range(&a, 0xfedff000, 0xffffffff); /* one page, and the MSI window and more behind it */
	assert_int_equal(dma_space_register(&a.s), 0);
	assert_int_equal(dma_alloc(&a.s, 4096, -1, DMA_PAGES_4K, &m), 0);
	assert_true(m->iova == 0xfedff000);
	assert_int_equal(dma_alloc(&a.s, 4096, -1, DMA_PAGES_4K, &n), -ENOSPC);
	dma_free(m);
	dma_space_unregister(&a.s);
	/* Address 0 is never given out. */
	init_space(&a, "a");
	add_range(&a, 0, 0xfffff);
	assert_int_equal(dma_space_register(&a.s), 0);
	assert_int_equal(dma_alloc(&a.s, 4096, -1, DMA_PAGES_4K, &n), -ENOSPC);
	dma_space_unregister(&a.s);
}

static void test_newcomer_cannot_reach(void **state)
{
	struct fake_space a, b;
	struct dma_mem *m;

	add_space(&a, "a");
	assert_int_equal(dma_alloc(NULL, 4096, -1, DMA_PAGES_4K, &m), 0);
	init_space(&b, "newcomer");
	add_range(&b, 0, 2 * GIB);
	assert_int_equal(dma_space_register(&b.s), -ERANGE);
	assert_reason("newcomer", "open this device first");
	assert_int_equal(b.maps, 0);
	dma_free(m);
	/* Nothing shared is in its way now. */
	assert_int_equal(dma_space_register(&b.s), 0);
	dma_space_unregister(&b.s);
	dma_space_unregister(&a.s);
	init_space(&b, "coarse");
	b.s.page_sizes = 65536 | 2 << 20;
	assert_int_equal(dma_space_register(&b.s), -ENOTSUP);
	assert_reason("coarse", "65536");
}

static void test_refusals_are_undone(void **state)
{
	struct fake_space a, b;
	struct dma_mem *m, *n;
	unsigned int fds;

	add_space(&a, "a");
	add_space(&b, "b");
	fds = count_fds();
	b.fail_at = 1;
	assert_int_equal(dma_alloc(NULL, 4096, -1, DMA_PAGES_4K, &m), -EIO);
	assert_reason("b: fake refusal");
	assert_null(m);
	assert_int_equal(a.maps, 1);
	assert_int_equal(a.unmaps, 1);
	assert_int_equal(a.s.nr_maps + b.s.nr_maps, 0);
	assert_int_equal(count_fds(), fds);
	b.fail_at = 0;

	/* A space that refuses the second of two pools when it comes gives the first back. */
	assert_int_equal(dma_alloc(NULL, 4096, -1, DMA_PAGES_4K, &m), 0);
	assert_int_equal(dma_alloc(NULL, 4096, -1, DMA_PAGES_4K, &n), 0);
	dma_space_unregister(&b.s);
	init_space(&b, "b");
	b.fail_at = 2;
	assert_int_equal(dma_space_register(&b.s), -EIO);
	assert_int_equal(b.maps, 1);
	assert_int_equal(b.unmaps, 1);
	dma_free(m);
	dma_free(n);
	assert_int_equal(b.unmaps, 1);
	dma_space_unregister(&a.s);
}

static void test_mapping_limit(void **state)
{
	struct fake_space a;
	struct dma_mem *m[3];

	init_space(&a, "small");
	a.s.max_maps = 2;
	assert_int_equal(dma_space_register(&a.s), 0);
	assert_int_equal(dma_alloc(&a.s, 4096, -1, DMA_PAGES_4K, &m[0]), 0);
	assert_int_equal(dma_alloc(NULL, 4096, -1, DMA_PAGES_4K, &m[1]), 0);
	assert_int_equal(dma_alloc(&a.s, 4096, -1, DMA_PAGES_4K, &m[2]), -ENOSPC);
	assert_reason("small", "2 DMA mappings");
	dma_free(m[0]);
	assert_int_equal(dma_alloc(&a.s, 4096, -1, DMA_PAGES_4K, &m[2]), 0);
	dma_free(m[1]);
	dma_free(m[2]);
	dma_space_unregister(&a.s);
}

static void test_limits_change(void **state)
{
	struct fake_space a, fresh;
	struct dma_mem *m, *n;

	add_space(&a, "a");
	assert_int_equal(dma_alloc(&a.s, 4096, -1, DMA_PAGES_4K, &m), 0);
	init_space(&fresh, "");
	add_range(&fresh, 0, 4 * GIB + 4095);
	fresh.s.max_maps = 1; /* one more than there is */
	dma_space_set_limits(&a.s, &fresh.s);
	assert_int_equal(dma_alloc(&a.s, 4096, -1, DMA_PAGES_4K, &n), 0);
	assert_true(n->iova < 4 * GIB); /* the high page is taken */
	dma_free(n);
	dma_free(m);
	dma_space_unregister(&a.s);
}

static void test_more_spaces_than_bits(void **state)
{
	struct fake_space *all = calloc(65, sizeof(*all));
	unsigned int i;

	assert_non_null(all);
	for (i = 0; i < 64; i++)
		add_space(&all[i], "one of many");
	init_space(&all[64], "one too many");
	assert_int_equal(dma_space_register(&all[64].s), -ENOSPC);
	assert_reason("one too many");
	dma_space_unregister(&all[17].s);
	assert_int_equal(dma_space_register(&all[64].s), 0);
	for (i = 0; i < 65; i++)
		if (i != 17)
			dma_space_unregister(&all[i].s);
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_fallback),
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_shared_and_own),
		cmocka_unit_test(test_address_is_used_again),
		cmocka_unit_test(test_ranges_of_all),
		cmocka_unit_test(test_only_low_addresses),
		cmocka_unit_test(test_newcomer_cannot_reach),
		cmocka_unit_test(test_refusals_are_undone),
		cmocka_unit_test(test_mapping_limit),
		cmocka_unit_test(test_limits_change),
		cmocka_unit_test(test_more_spaces_than_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
