/* SPDX-License-Identifier: BSD-3-Clause */
/* The model's small parts: the Toeplitz hash, DMA permission, the latency histogram, the options. */
#include "apps/simnic/dma.h"
#include "apps/simnic/hist.h"
#include "apps/simnic/options.h"
#include "apps/simnic/packet.h"
#include "apps/simnic/proto.h"
#include "apps/simnic/rss.h"
#include "core/base/compiler.h"
#include "core/base/reason.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

/* "Verifying the RSS hash calculation", Microsoft: key and results. */
static const uint8_t ms_key[RSS_KEY_BYTES] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
					      0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
					      0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
					      0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

static void toeplitz_ipv4(void **state)
{
	static const struct {
		uint8_t input[12]; /* source, destination, ports */
		uint32_t addresses, all;
	} known[] = {
		{{66, 9, 149, 187, 161, 142, 100, 80, 2794 >> 8, 2794 & 255, 1766 >> 8, 1766 & 255},
		 0x323e8fc2,
		 0x51ccc178},
		{{199, 92, 111, 2, 65, 69, 140, 83, 14230 >> 8, 14230 & 255, 4739 >> 8, 4739 & 255},
		 0xd718262a,
		 0xc626b0ea},
		{{24, 19, 198, 95, 12, 22, 207, 184, 12898 >> 8, 12898 & 255, 38024 >> 8, 38024 & 255},
		 0xd2d0a5de,
		 0x5c2b394a},
		{{38, 27, 205, 30, 209, 142, 163, 6, 48228 >> 8, 48228 & 255, 2217 >> 8, 2217 & 255},
		 0x82989176,
		 0xafc7327f},
		{{153, 39, 163, 191, 202, 188, 127, 2, 44251 >> 8, 44251 & 255, 1303 >> 8, 1303 & 255},
		 0x5d1809c5,
		 0x10e828a2},
	};
	static struct rss r;

	rss_set_key(&r, ms_key);
	for (unsigned int i = 0; i < ARRAY_SIZE(known); i++) {
		assert_int_equal(rss_hash(&r, known[i].input, 8), known[i].addresses);
		assert_int_equal(rss_hash(&r, known[i].input, 12), known[i].all);
	}
}

static void toeplitz_ipv6(void **state)
{
	/* 3ffe:2501:200:1fff::7, port 2794, to 3ffe:2501:200:3::1, port 1766 */
	static const uint8_t input[36] = {
		0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x1f, 0xff, 0,	   0,	       0,	  0,
		0,    0,    0,	  7,	0x3f, 0xfe, 0x25, 0x01, 0x02,	   0x00,       0x00,	  0x03,
		0,    0,    0,	  0,	0,    0,    0,	  1,	2794 >> 8, 2794 & 255, 1766 >> 8, 1766 & 255};
	static struct rss r;

	rss_set_key(&r, ms_key);
	assert_int_equal(rss_hash(&r, input, 32), 0x2cc18cd5);
	assert_int_equal(rss_hash(&r, input, 36), 0x40207d3d);
}

static int memory(size_t size)
{
	int fd = memfd_create("dma", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static void dma_permission(void **state)
{
	struct dma_who who = {"test", 3, 17};
	uint64_t val = 42;
	int fd = memory(0x4000);
	struct dma d;

	dma_init(&d);
	assert_int_equal(dma_map(&d, 0x10000, 0x1000, VFU_DMA_READ, fd, 0), 0);
	assert_int_equal(dma_map(&d, 0x20000, 0x1000, VFU_DMA_WRITE, fd, 0x1000), 0);
	assert_int_equal(dma_map(&d, 0x30000, 0x1000, VFU_DMA_READ | VFU_DMA_WRITE, -1, 0),
			 0); /* no descriptor */
	assert_int_equal(dma_read(&d, 0x10ff8, &val, 8, who), 0);
	assert_int_equal(val, 0);
	assert_int_equal(dma_write(&d, 0x10ff8, &val, 8, who), -EFAULT);
	assert_int_equal(dma_write(&d, 0x20000, &val, 8, who), 0);
	assert_int_equal(dma_read(&d, 0x20000, &val, 8, who), -EFAULT);
	assert_int_equal(dma_read(&d, 0x30000, &val, 8, who), -EFAULT);
	assert_int_equal(dma_read(&d, 0xfff8, &val, 8, who), -EFAULT);
	assert_int_equal(dma_read(&d, 0x10ff9, &val, 8, who), -EFAULT); /* one byte too far */
	assert_int_equal(dma_read(&d, UINT64_MAX - 3, &val, 8, who), -EFAULT);
	assert_int_equal(d.faults, 6);
	assert_non_null(strstr(d.last_fault, "queue 3, slot 17 (test)"));
	assert_int_equal(dma_unmap(&d, 0x10000, 0x1000), 0);
	assert_null(dma_find(&d, 0x10000, 1, VFU_DMA_READ));
	dma_fini(&d);
	close(fd);
}

static void dma_across_regions(void **state)
{
	int fd = memory(0x2000);
	uint64_t generation;
	uint8_t out[64], in[64];
	struct dma d;

	dma_init(&d);
	/* Neighbours at the device, the other way round in the file. */
	assert_int_equal(dma_map(&d, 0x1000, 0x1000, 3, fd, 0x1000), 0);
	generation = d.generation;
	assert_int_equal(dma_map(&d, 0x2000, 0x1000, 3, fd, 0), 0);
	assert_int_not_equal(d.generation, generation);
	for (unsigned int i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i + 1);
	assert_null(dma_find(&d, 0x1fe0, 64, VFU_DMA_READ));
	assert_int_equal(dma_write(&d, 0x1fe0, out, 64, (struct dma_who){"x", 0, 0}), 0);
	assert_int_equal(dma_read(&d, 0x1fe0, in, 64, (struct dma_who){"x", 0, 0}), 0);
	assert_memory_equal(in, out, 64);
	assert_int_equal(pread(fd, in, 32, 0), 32);
	assert_memory_equal(in, out + 32, 32);
	dma_fini(&d);
	close(fd);
}

static void dma_map_is_checked(void **state)
{
	int fd = memory(0x2000), pipe_fds[2];
	struct dma d;

	dma_init(&d);
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(dma_map(&d, 0x1000, 0x2000, 3, fd, 0), 0);
	assert_int_equal(dma_map(&d, 0x2000, 0x1000, 3, fd, 0), -EEXIST);
	assert_int_equal(dma_map(&d, 0x0, 0x2000, 3, fd, 0), -EEXIST);
	assert_int_equal(dma_map(&d, 0x0, 0x10000, 3, -1, 0), -EEXIST);
	assert_int_equal(dma_map(&d, 0x10000, 0x2000, 3, fd, 0x1000),
			 -EINVAL); /* beyond the file: SIGBUS later */
	assert_int_equal(dma_map(&d, 0x10000, 0x1000, 3, fd, UINT64_MAX - 0xfff), -EINVAL);
	assert_int_equal(dma_map(&d, 0x10000, 0x1000, 3, pipe_fds[0], 0), -EINVAL);
	assert_int_equal(dma_map(&d, 0x10000, 0, 3, fd, 0), -EINVAL);
	assert_int_equal(dma_map(&d, 0x10001, 0x1000, 3, fd, 0), -EINVAL);
	assert_int_equal(dma_map(&d, UINT64_MAX - 0xfff, 0x2000, 3, -1, 0), -EINVAL);
	assert_int_equal(dma_map(&d, 0x10000, 0x1000, 0, fd, 0), -EINVAL);
	assert_int_equal(dma_map(&d, 0x10000, 0x1000, 7, fd, 0), -EINVAL);
	assert_int_equal(dma_unmap(&d, 0x1000, 0x1000),
			 -ENOENT); /* exactly as it was mapped, or not at all */
	assert_int_equal(d.count, 1);
	dma_fini(&d);
	close(fd);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void histogram(void **state)
{
	static struct hist h;
	uint64_t q;

	assert_int_equal(hist_quantile(&h, 500), 0);
	for (uint64_t v = 1; v <= 100000; v++)
		hist_add(&h, v);
	q = hist_quantile(&h, 500);
	assert_true(q >= 50000 && q <= 50000 * 33 / 32);
	q = hist_quantile(&h, 990);
	assert_true(q >= 99000 && q <= 99000 * 33 / 32);
	q = hist_quantile(&h, 999);
	assert_true(q >= 99900 && q <= 99900 * 33 / 32);
	assert_int_equal(h.max, 100000);
	hist_add(&h, UINT64_MAX); /* the last bucket is inside */
	assert_int_equal(h.bucket[HIST_BUCKETS - 1], 1);
}

static void options(void **state)
{
	static const char *const bad[] = {"queues=0",
					  "queues=17",
					  "queues=",
					  "queues=4x",
					  "queues=-1",
					  "nonsense",
					  "queue=1",
					  "mac=1:2:3",
					  "mac=ff:00:00:00:00:01",
					  "mac=02:00:00:00:00:01:02",
					  "doorbell=bell",
					  "size=63",
					  "wire=",
					  "fd",
					  "lossy=2",
					  "rate=99999999999999999999999"};
	struct sim_options o;

	sim_options_init(&o);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(sim_option(&o, bad[i]), -EINVAL);
		assert_true(strlen(unapi_reason()) > 10);
	}
	assert_int_equal(sim_option(&o, "mac=02:0a:0b:0c:0d:0e"), 0);
	assert_memory_equal(o.mac, "\x02\x0a\x0b\x0c\x0d\x0e", 6);
	assert_int_equal(sim_option(&o, "lossy"), 0);
	assert_true(o.lossy);
	assert_int_equal(sim_option_list(&o, "size=128:flows=3;rate=1000,lossy=0"), 0);
	assert_int_equal(o.size, 128);
	assert_int_equal(o.flows, 3);
	assert_int_equal(o.rate, 1000);
	assert_false(o.lossy);
}

static void frame_check_sequence(void **state)
{
	/* The check value of CRC-32/ISO-HDLC. */
	assert_int_equal(frame_crc32((const uint8_t *)"123456789", 9), 0xcbf43926);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(toeplitz_ipv4),
		cmocka_unit_test(toeplitz_ipv6),
		cmocka_unit_test(dma_permission),
		cmocka_unit_test(dma_across_regions),
		cmocka_unit_test(dma_map_is_checked),
		cmocka_unit_test(histogram),
		cmocka_unit_test(options),
		cmocka_unit_test(frame_check_sequence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
