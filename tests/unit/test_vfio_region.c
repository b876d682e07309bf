/* SPDX-License-Identifier: BSD-3-Clause */
/* Region information: what it says of mappable areas, and what it cannot say. */
#include "vfio_check.h"

#include "core/vfio/device.h"

#include <errno.h>
#include <stdlib.h>

#define LEN 512

/* Region information with room for capabilities behind it. */
struct answer {
	struct vfio_region_info info;
	uint8_t caps[LEN - sizeof(struct vfio_region_info)];
};

static void init(struct answer *a, uint64_t size)
{
	memset(a, 0, sizeof(*a));
	a->info = (struct vfio_region_info){.argsz = LEN,
					    .flags = VFIO_REGION_INFO_FLAG_READ |
						     VFIO_REGION_INFO_FLAG_WRITE | VFIO_REGION_INFO_FLAG_MMAP,
					    .size = size};
}

/* A capability of @id at @at from the start, followed by the one at @next. */
static void put_cap(struct answer *a, uint32_t at, uint16_t id, uint32_t next)
{
	struct vfio_info_cap_header h = {.id = id, .version = 1, .next = next};

	memcpy((uint8_t *)a + at, &h, sizeof(h));
	a->info.flags |= VFIO_REGION_INFO_FLAG_CAPS;
	if (!a->info.cap_offset)
		a->info.cap_offset = at;
}

static void put_areas(struct answer *a, uint32_t at, uint32_t said, const uint64_t *pairs, uint32_t n)
{
	uint32_t head[2] = {said, 0};

	memcpy((uint8_t *)a + at + 8, head, 8);
	memcpy((uint8_t *)a + at + 16, pairs, n * 16);
}

/* In memory of exactly @len bytes, so that a sanitizer sees a byte too far. */
static int parse(struct vfio_region *r, const struct answer *a, size_t len)
{
	void *exact = malloc(len);
	int rc;

	assert_non_null(exact);
	memcpy(exact, a, len);
	*r = (struct vfio_region){.index = 3, .nr_areas = 7};
	rc = vfio_parse_region(r, exact, len);
	free(exact);
	return rc;
}

static void test_plain(void **state)
{
	struct vfio_region r;
	struct answer a;

	init(&a, 0x4000);
	a.info.offset = 0x30000000000;
	assert_int_equal(parse(&r, &a, sizeof(a.info)), 0);
	assert_true(r.size == 0x4000 && r.offset == 0x30000000000 && r.index == 3);
	assert_int_equal(r.nr_areas, 1);
	assert_true(r.areas[0].offset == 0 && r.areas[0].size == 0x4000);
	/* The part of it that is whole pages. */
	init(&a, 0x1fff);
	assert_int_equal(parse(&r, &a, sizeof(a.info)), 0);
	assert_true(r.nr_areas == 1 && r.areas[0].size == 0x1000);
	init(&a, 32);
	assert_int_equal(parse(&r, &a, sizeof(a.info)), 0);
	assert_int_equal(r.nr_areas, 0);
	init(&a, 0x4000);
	a.info.flags &= ~VFIO_REGION_INFO_FLAG_MMAP;
	assert_int_equal(parse(&r, &a, sizeof(a.info)), 0);
	assert_int_equal(r.nr_areas, 0);
	init(&a, 0);
	assert_int_equal(parse(&r, &a, sizeof(a.info)), 0);
	assert_int_equal(r.nr_areas, 0);
	assert_true(r.size == 0);
}

static void test_sparse(void **state)
{
	static const uint64_t areas[] = {0, 0x2000, 0x3000, 0x1000};
	struct vfio_region r;
	struct answer a;

	/* Behind another capability, as the kernel's MSI-X-mappable one. */
	init(&a, 0x4000);
	put_cap(&a, 32, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, 64);
	put_cap(&a, 64, VFIO_REGION_INFO_CAP_SPARSE_MMAP, 0);
	put_areas(&a, 64, 2, areas, 2);
	assert_int_equal(parse(&r, &a, 64 + 16 + 32), 0);
	assert_int_equal(r.nr_areas, 2);
	assert_true(r.areas[0].offset == 0 && r.areas[0].size == 0x2000);
	assert_true(r.areas[1].offset == 0x3000 && r.areas[1].size == 0x1000);
	/* No areas, or the kernel's one empty area: nothing may be mapped. */
	put_areas(&a, 64, 0, areas, 0);
	assert_int_equal(parse(&r, &a, LEN), 0);
	assert_int_equal(r.nr_areas, 0);
	put_areas(&a, 64, 1, (const uint64_t[]){0x4000, 0}, 1);
	assert_int_equal(parse(&r, &a, LEN), 0);
	assert_int_equal(r.nr_areas, 0);
	/* Only the MSI-X-mappable capability: the whole region. */
	init(&a, 0x4000);
	put_cap(&a, 32, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, 0);
	assert_int_equal(parse(&r, &a, 40), 0);
	assert_int_equal(r.nr_areas, 1);
}

/* More areas than we keep: the first ones, the rest is reached by calls. */
static void test_many_areas(void **state)
{
	uint64_t pairs[2 * (VFIO_MAX_AREAS + 2)];
	struct vfio_region r;
	struct answer a;

	for (uint64_t i = 0; i < VFIO_MAX_AREAS + 2; i++) {
		pairs[2 * i] = i * 0x2000;
		pairs[2 * i + 1] = 0x1000;
	}
	init(&a, 0x100000);
	put_cap(&a, 32, VFIO_REGION_INFO_CAP_SPARSE_MMAP, 0);
	put_areas(&a, 32, VFIO_MAX_AREAS + 2, pairs, VFIO_MAX_AREAS + 2);
	assert_int_equal(parse(&r, &a, LEN), 0);
	assert_int_equal(r.nr_areas, VFIO_MAX_AREAS);
	assert_true(r.areas[VFIO_MAX_AREAS - 1].offset == (VFIO_MAX_AREAS - 1) * 0x2000);
}

static void bad(const struct answer *a, size_t len, const char *word)
{
	struct vfio_region r;

	assert_int_equal(parse(&r, a, len), -EPROTO);
	assert_reason("region 3", word);
	assert_int_equal(r.nr_areas, 0);
}

static void test_bad_chains(void **state)
{
	struct answer a;

	init(&a, 0x4000);
	put_cap(&a, 32, 77, 32); /* itself */
	bad(&a, LEN, "capabilities");
	init(&a, 0x4000);
	put_cap(&a, 32, 77, 64);
	put_cap(&a, 64, 78, 32); /* a circle */
	bad(&a, LEN, "capabilities");
	init(&a, 0x4000);
	put_cap(&a, 32, 77, LEN - 7); /* half outside */
	bad(&a, LEN, "capabilities");
	init(&a, 0x4000);
	put_cap(&a, 32, 77, UINT32_MAX);
	bad(&a, LEN, "capabilities");
	init(&a, 0x4000);
	put_cap(&a, 32, 77, 16); /* within the fixed part */
	bad(&a, LEN, "capabilities");
	init(&a, 0x4000);
	put_cap(&a, 32, 77, 0);
	bad(&a, 32, "capabilities"); /* announced and not sent */
	a.info.cap_offset = UINT32_MAX;
	bad(&a, LEN, "capabilities");
}

static void test_bad_areas(void **state)
{
	static const uint64_t bads[][2] = {
		{0x4000, 0x1000},		  /* behind the region */
		{0x3000, 0x2000},		  /* out of it */
		{0x1000, UINT64_MAX & ~0xfffULL}, /* so long that the sum is small again */
		{UINT64_MAX & ~0xfffULL, 0x1000}, /* or so far */
		{0x800, 0x1000},		  /* not on a page */
		{0x1000, 0x800},		  /* not whole pages */
	};
	struct answer a;

	for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
		init(&a, 0x4000);
		put_cap(&a, 32, VFIO_REGION_INFO_CAP_SPARSE_MMAP, 0);
		put_areas(&a, 32, 1, bads[i], 1);
		bad(&a, LEN, "offers to map");
	}
	init(&a, 0x4000);
	put_cap(&a, 32, VFIO_REGION_INFO_CAP_SPARSE_MMAP, 0);
	put_areas(&a, 32, 3, (const uint64_t[]){0, 0x1000}, 1);
	bad(&a, 32 + 16 + 16, "announced and not sent");
	put_areas(&a, 32, UINT32_MAX, (const uint64_t[]){0, 0x1000}, 1);
	bad(&a, LEN, "announced and not sent");
	bad(&a, 32 + 12, "cut short");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),	   cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_many_areas), cmocka_unit_test(test_bad_chains),
		cmocka_unit_test(test_bad_areas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
