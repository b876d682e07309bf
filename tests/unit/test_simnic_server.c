/* SPDX-License-Identifier: BSD-3-Clause */
/* The vfio-user server under a raw client: what the protocol promises, and what a hostile client can do to
 * it. */
#include "simnic_rig.h"

#include <errno.h>
#include <fcntl.h>

static void version_comes_first(void **state)
{
	struct rig r;
	struct vfu_header h = {7, VFU_DEVICE_GET_INFO, sizeof(h) + 16, VFU_TYPE_COMMAND, 0};
	uint8_t msg[32] = {0};

	rig_up(&r, "wire=none");
	memcpy(msg, &h, sizeof(h));
	rig_send_raw(&r, msg, sizeof(msg), NULL, 0);
	assert_true(server_input(&r.server) < 0);
	assert_int_equal(r.server.sock, -1);
	rig_down(&r);
}

static void version_answers_in_json(void **state)
{
	struct rig r;

	rig_up(&r, "wire=none");
	assert_int_equal(rig_version(&r), 0);
	assert_int_equal(r.body[0], 0);
	assert_int_equal(r.body[r.body_len - 1], 0);
	assert_non_null(strstr((char *)r.body + 4, "\"max_msg_fds\":16"));
	assert_int_equal(rig_version(&r), -EINVAL); /* once only */
	assert_true(r.server.sock >= 0);
	rig_down(&r);
}

static void bad_versions_are_refused(void **state)
{
	static const struct {
		const char *data;
		uint32_t len;
	} bad[] = {
		{"\1\0\0\0{}", 7},	   /* major 1 */
		{"\0\0\1\0{}", 6},	   /* no NUL */
		{"\0\0\1\0{nonsense", 14}, /* not JSON */
		{"\0\0", 2},		   /* cut short */
	};
	struct rig r;

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		rig_up(&r, "wire=none");
		assert_int_equal(rig_call(&r, VFU_VERSION, bad[i].data, bad[i].len, NULL, 0), -EINVAL);
		assert_int_equal(r.server.sock, -1);
		rig_down(&r);
	}
}

static void messages_may_come_in_pieces_and_in_heaps(void **state)
{
	struct vfu_header h = {1, VFU_DEVICE_GET_INFO, sizeof(h) + 16, VFU_TYPE_COMMAND, 0};
	struct vfu_device_info info = {16, 0, 0, 0};
	uint8_t msg[3 * 32];
	struct rig r;

	rig_up(&r, "wire=none");
	assert_int_equal(rig_version(&r), 0);
	for (unsigned int i = 0; i < 3; i++) {
		h.id = (uint16_t)(100 + i);
		memcpy(msg + 32 * i, &h, sizeof(h));
		memcpy(msg + 32 * i + 16, &info, sizeof(info));
	}
	for (unsigned int i = 0; i < 31; i++) { /* one byte at a time */
		rig_send_raw(&r, msg + i, 1, NULL, 0);
		assert_true(server_input(&r.server) >= 0);
		assert_false(rig_receive(&r));
	}
	rig_send_raw(&r, msg + 31, 65, NULL, 0); /* its last byte, and two more messages */
	while (server_input(&r.server) > 0)
		;
	/* Replies are a stream too: three of 32 bytes. */
	for (unsigned int i = 0; i < 3; i++) {
		uint8_t reply[32];

		assert_int_equal(recv(r.client, reply, 32, MSG_DONTWAIT), 32);
		memcpy(&h, reply, sizeof(h));
		memcpy(&info, reply + 16, sizeof(info));
		assert_int_equal(h.id, 100 + i);
		assert_int_equal(info.flags, VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET);
		assert_int_equal(info.num_regions, 9);
		assert_int_equal(info.num_irqs, 5);
	}
	rig_down(&r);
}

/* Two messages in one read, the second with a descriptor: the first must not get it. */
static void descriptors_stay_with_their_message(void **state)
{
	struct {
		struct vfu_header h;
		struct vfu_dma_map m;
	} without = {{1, VFU_DMA_MAP, sizeof(without), 0, 0}, {32, 3, 0, 0x1000, 0x1000}},
	  with = {{2, VFU_DMA_MAP, sizeof(with), 0, 0}, {32, 3, 0, 0x2000, 0x1000}};
	struct rig r;

	rig_up(&r, "wire=none");
	assert_int_equal(rig_version(&r), 0);
	rig_send_raw(&r, &without, sizeof(without), NULL, 0);
	rig_send_raw(&r, &with, sizeof(with), &r.memory, 1);
	while (server_input(&r.server) > 0)
		;
	assert_int_equal(r.dev.dma.count, 2);
	assert_null(dma_find(&r.dev.dma, 0x1000, 16, VFU_DMA_READ));
	assert_non_null(dma_find(&r.dev.dma, 0x2000, 16, VFU_DMA_READ));
	rig_down(&r);
}

static unsigned int open_fds(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void unwanted_descriptors_are_closed(void **state)
{
	struct vfu_device_info info = {16, 0, 0, 0};
	unsigned int before;
	struct rig r;
	int fds[2];

	rig_up(&r, "wire=none");
	assert_int_equal(rig_version(&r), 0);
	fds[0] = fds[1] = r.memory;
	before = open_fds();
	assert_int_equal(rig_call(&r, VFU_DEVICE_GET_INFO, &info, sizeof(info), fds, 2), 0);
	assert_int_equal(rig_call(&r, VFU_DMA_MAP, &info, sizeof(info), fds, 2), -EINVAL);
	assert_int_equal(rig_set_irqs(&r, VFIO_PCI_MSIX_IRQ_INDEX, 0, 3, fds, 2), -EINVAL);
	assert_int_equal(open_fds(), before);
	rig_down(&r);
}

static void no_reply_means_none(void **state)
{
	struct {
		struct vfu_header h;
		struct vfu_region_access a;
		uint32_t val;
	} __attribute__((packed))
	w = {{1, VFU_REGION_WRITE, sizeof(w), VFU_NO_REPLY, 0}, {E1000_VET, 0, 4}, 0x1234};
	struct rig r;

	rig_up(&r, "wire=none");
	assert_int_equal(rig_version(&r), 0);
	rig_command(&r, PCI_COMMAND_MEMORY);
	rig_send_raw(&r, &w, sizeof(w), NULL, 0);
	w.a.offset = 2; /* an error has no reply either */
	rig_send_raw(&r, &w, sizeof(w), NULL, 0);
	while (server_input(&r.server) > 0)
		;
	assert_false(rig_receive(&r));
	assert_int_equal(rig_read(&r, E1000_VET), 0x1234);
	rig_down(&r);
}

static void write_multi(void **state)
{
	struct {
		uint64_t count;
		struct vfu_write_record w[2];
	} m = {2, {{E1000_VET, 0, 4, {1}}, {E1000_FCTTV, 0, 4, {2}}}};
	struct rig r;

	rig_up(&r, "wire=none");
	assert_int_equal(rig_version(&r), 0);
	rig_command(&r, PCI_COMMAND_MEMORY);
	assert_int_equal(rig_call(&r, VFU_REGION_WRITE_MULTI, &m, sizeof(m), NULL, 0), 0);
	assert_int_equal(rig_read(&r, E1000_VET), 1);
	assert_int_equal(rig_read(&r, E1000_FCTTV), 2);
	m.w[0].data[0] = 3;
	m.count = 2 + (1ull << 61); /* times 24, the size of a record, this is 48 again */
	assert_int_equal(rig_call(&r, VFU_REGION_WRITE_MULTI, &m, sizeof(m), NULL, 0), -EINVAL);
	assert_int_equal(rig_read(&r, E1000_VET), 1);
	m.count = 1;
	m.w[0].count = 9;
	assert_int_equal(rig_call(&r, VFU_REGION_WRITE_MULTI, &m, 8 + sizeof(m.w[0]), NULL, 0), -EINVAL);
	rig_down(&r);
}

static void region_accesses_stay_inside(void **state)
{
	static const struct {
		uint64_t offset;
		uint32_t region, count;
	} bad[] = {
		{SIM_BAR0_SIZE, 0, 4},
		{SIM_BAR0_SIZE - 4, 0, 8},
		{UINT64_MAX - 3, 0, 4},
		{0, 0, 0},
		{2, 0, 4},
		{0, 0, 2},
		{0, 0, 256},
		{0, 1, 4},
		{SIM_BAR3_SIZE - 4, 3, 8},
		{4093, 7, 4},
		{UINT64_MAX, 7, 1},
		{0, 99, 4},
		{0, UINT32_MAX, 4},
	};
	uint8_t data[256] = {0};
	struct rig r;

	rig_up(&r, "wire=none");
	assert_int_equal(rig_version(&r), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(rig_access(&r, bad[i].region, bad[i].offset, data, bad[i].count, false),
				 -EINVAL);
		assert_int_equal(rig_access(&r, bad[i].region, bad[i].offset, data, bad[i].count, true),
				 -EINVAL);
	}
	rig_down(&r);
}

static void impossible_sizes_end_the_connection(void **state)
{
	static const uint32_t sizes[] = {0, 15, VFU_MAX_MSG + 1, UINT32_MAX};
	struct rig r;

	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct vfu_header h = {1, VFU_VERSION, sizes[i], VFU_TYPE_COMMAND, 0};

		rig_up(&r, "wire=none");
		rig_send_raw(&r, &h, sizeof(h), NULL, 0);
		assert_true(server_input(&r.server) < 0);
		assert_int_equal(r.server.sock, -1);
		rig_down(&r);
	}
}

static void irq_requests_are_checked(void **state)
{
	static const struct vfio_irq_set bad[] = {
		{20, 4 | 32, 9, 0, 1},		    /* no such index */
		{20, 4 | 32, 2, 10, 1},		    /* no such vector */
		{20, 4 | 32, 2, 1, 10},		    /* past the end */
		{20, 4 | 32, 2, 5, UINT32_MAX - 2}, /* wraps */
		{20, 4 | 2 | 32, 2, 0, 1},	    /* two kinds of data */
		{20, 4 | 32 | 8, 2, 0, 1},	    /* two actions */
		{20, 32, 2, 0, 1},		    /* no data type */
		{20, 4, 2, 0, 1},		    /* no action */
		{20, 1 | 8, 2, 0, 1},		    /* MSI-X cannot be masked */
		{20, 4 | 8, 0, 0, 1},		    /* no eventfd for masking */
		{20, 2 | 32, 2, 0, 10},		    /* ten booleans that did not come */
		{20, 4 | 32 | 64, 2, 0, 1},	    /* an unknown flag */
	};
	struct rig r;

	rig_up(&r, "wire=none");
	assert_int_equal(rig_version(&r), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(rig_call(&r, VFU_SET_IRQS, &bad[i], 20, NULL, 0), -EINVAL);
	rig_down(&r);
}

static void irq_counts_follow_the_options(void **state)
{
	struct vfu_irq_info i = {16, 0, VFIO_PCI_MSIX_IRQ_INDEX, 0};
	struct rig r;
	uint8_t cap = 0;

	rig_up(&r, "wire=none");
	assert_int_equal(rig_version(&r), 0);
	assert_int_equal(rig_call(&r, VFU_GET_IRQ_INFO, &i, sizeof(i), NULL, 0), 0);
	memcpy(&i, r.body, sizeof(i));
	assert_int_equal(i.count, 10);
	assert_int_equal(i.flags, VFIO_IRQ_INFO_EVENTFD);
	rig_down(&r);

	rig_up(&r, "wire=none,msix=0");
	assert_int_equal(rig_version(&r), 0);
	assert_int_equal(rig_call(&r, VFU_GET_IRQ_INFO, &i, sizeof(i), NULL, 0), 0);
	memcpy(&i, r.body, sizeof(i));
	assert_int_equal(i.count, 0);
	/* The capability is not in the list either. */
	for (uint8_t at = PCI_CAPABILITY_LIST;;) {
		assert_int_equal(rig_access(&r, 7, at, &cap, 1, false), 0);
		if (!cap)
			break;
		at = (uint8_t)(cap + 1);
		assert_int_equal(rig_access(&r, 7, cap, &cap, 1, false), 0);
		assert_int_not_equal(cap, PCI_CAP_ID_MSIX);
	}
	rig_down(&r);
}

static void config_space(void **state)
{
	uint32_t bar = 0xffffffff, val;
	uint16_t id, ctl = 0x8000;
	struct rig r;

	rig_up(&r, "wire=none");
	assert_int_equal(rig_version(&r), 0);
	assert_int_equal(rig_access(&r, 7, PCI_DEVICE_ID, &id, 2, false), 0);
	assert_int_equal(id, 0x10c9);
	id = 0;
	assert_int_equal(rig_access(&r, 7, PCI_DEVICE_ID, &id, 2, true), 0); /* read only */
	assert_int_equal(rig_access(&r, 7, PCI_DEVICE_ID, &id, 2, false), 0);
	assert_int_equal(id, 0x10c9);
	assert_int_equal(rig_access(&r, 7, PCI_BASE_ADDRESS_0, &bar, 4, true), 0); /* sizing */
	assert_int_equal(rig_access(&r, 7, PCI_BASE_ADDRESS_0, &val, 4, false), 0);
	assert_int_equal(val, 0xfffe0000);
	/* Without memory decoding nobody answers. */
	assert_int_equal(rig_read(&r, E1000_CTRL), UINT32_MAX);
	rig_command(&r, PCI_COMMAND_MEMORY);
	assert_int_equal(rig_read(&r, E1000_CTRL), E1000_CTRL_FD);
	/* A function level reset turns decoding off and clears the device, but not the BARs. */
	rig_write(&r, E1000_VET, 7);
	assert_int_equal(rig_access(&r, 7, 0xa8, &ctl, 2, true), 0);
	assert_int_equal(rig_read(&r, E1000_CTRL), UINT32_MAX);
	rig_command(&r, PCI_COMMAND_MEMORY);
	assert_int_equal(rig_read(&r, E1000_VET), 0x81008100);
	assert_int_equal(rig_access(&r, 7, PCI_BASE_ADDRESS_0, &val, 4, false), 0);
	assert_int_equal(val, 0xfffe0000);
	rig_down(&r);
}

static void a_new_client_finds_the_device_but_no_maps(void **state)
{
	struct rig r;
	int sv[2];

	rig_up(&r, "wire=none");
	rig_start(&r, 1);
	rig_write(&r, E1000_VET, 0x4242);
	close(r.client);
	assert_true(server_input(&r.server) < 0);
	assert_int_equal(r.dev.dma.count, 0);
	assert_int_equal(r.dev.irq.msix[0], -1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	r.client = sv[0];
	server_attach(&r.server, sv[1]);
	assert_int_equal(rig_version(&r), 0);
	assert_int_equal(rig_read(&r, E1000_VET), 0x4242);
	/* The ring is where no memory is any more: found out at the first descriptor, and told. */
	rig_write(&r, E1000_TDT(0), 1);
	rig_step(&r);
	assert_int_equal(r.dev.dma.faults, 1);
	assert_non_null(strstr(r.dev.dma.last_fault, "queue 0, slot 0 (tx descriptor)"));
	rig_down(&r);
}

/* Random bytes behind a true header: every command, every length. Nothing may crash, and what is answered is
 * an answer. */
static void random_payloads(void **state)
{
	uint32_t seed = 1;
	uint8_t payload[96];
	struct rig r;

	rig_up(&r, "wire=none");
	assert_int_equal(rig_version(&r), 0);
	for (int n = 0; n < 20000; n++) {
		uint32_t len;

		for (unsigned int i = 0; i < sizeof(payload); i++) {
			seed = seed * 1103515245 + 12345;
			payload[i] = (seed >> 16) % 3 ? 0 : (uint8_t)(seed >> 20);
		}
		seed = seed * 1103515245 + 12345;
		len = (seed >> 16) % sizeof(payload);
		rig_call(&r, (uint16_t)(2 + (seed >> 8) % 20), payload, len, &r.memory, n % 2);
		assert_true(r.server.sock >= 0);
	}
	rig_down(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_comes_first),
		cmocka_unit_test(version_answers_in_json),
		cmocka_unit_test(bad_versions_are_refused),
		cmocka_unit_test(messages_may_come_in_pieces_and_in_heaps),
		cmocka_unit_test(descriptors_stay_with_their_message),
		cmocka_unit_test(unwanted_descriptors_are_closed),
		cmocka_unit_test(no_reply_means_none),
		cmocka_unit_test(write_multi),
		cmocka_unit_test(region_accesses_stay_inside),
		cmocka_unit_test(impossible_sizes_end_the_connection),
		cmocka_unit_test(irq_requests_are_checked),
		cmocka_unit_test(irq_counts_follow_the_options),
		cmocka_unit_test(config_space),
		cmocka_unit_test(a_new_client_finds_the_device_but_no_maps),
		cmocka_unit_test(random_payloads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
