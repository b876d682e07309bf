/* SPDX-License-Identifier: BSD-3-Clause */
/* vfio-user servers that lie, stutter or stop: each is refused with one line, and nothing stays open. */
#include "fake_server.h"

#include "core/vfio/device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Open the device behind @s, which must fail; everything is closed then. */
static int refused(struct fake_server *s)
{
	struct vfio_device *v;
	int rc;

	fake_start(s);
	rc = vfio_user_attach(s->client, "vfio-user:/liar", NULL, &v);
	assert_null(v);
	assert_true(rc < 0);
	fake_stop(s);
	return rc;
}

static unsigned int fds_before;

static int remember_fds(void **state)
{
	fds_before = count_fds();
	return 0;
}

static int same_fds(void **state)
{
	return count_fds() == fds_before ? 0 : -1;
}

/* ---- framing: what is wrong with the answer to GET_INFO */

struct lie {
	const char *what;
	struct vfio_user_hdr hdr; /* id is added to the right one */
	size_t sent;		  /* bytes of header and 16 of payload */
	bool then_silent;	  /* instead of hanging up */
	int rc;
	const char *word;
};

static bool lie_hook(struct fake_server *s, struct fake_msg *m)
{
	const struct lie *l = s->arg;
	struct {
		struct vfio_user_hdr hdr;
		uint32_t info[4];
		uint8_t more[64];
	} out = {l->hdr, {16, VFIO_DEVICE_FLAGS_PCI, 9, 5}, {0}};

	if (m->hdr.command != VFIO_USER_DEVICE_GET_INFO)
		return false;
	out.hdr.id = (uint16_t)(out.hdr.id + m->hdr.id);
	fake_send(s, &out, l->sent, NULL, 0);
	if (!l->then_silent)
		fake_hang_up(s);
	return true;
}

#define REPLY(sz)                                                                          \
	{                                                                                  \
		.command = VFIO_USER_DEVICE_GET_INFO, .size = sz, .flags = VFIO_USER_REPLY \
	}

static const struct lie lies[] = {
	{"nothing, and hangs up", REPLY(32), 0, false, -ENODEV, "closed the connection"},
	{"half a header, and hangs up", REPLY(32), 7, false, -ENODEV, "closed the connection"},
	{"half a payload, and hangs up", REPLY(32), 20, false, -ENODEV, "closed the connection"},
	{"nothing, and is silent", REPLY(32), 0, true, -ETIMEDOUT, "did not answer"},
	{"half a header, and is silent", REPLY(32), 7, true, -ETIMEDOUT, "did not answer"},
	{"half a payload, and is silent", REPLY(32), 20, true, -ETIMEDOUT, "did not answer"},
	{"a size smaller than the header", REPLY(5), 32, true, -EPROTO, "impossible size"},
	{"a size of 0", REPLY(0), 32, true, -EPROTO, "impossible size"},
	{"a size of 4 GiB", REPLY(UINT32_MAX), 32, true, -EPROTO, "impossible size"},
	{"more than was asked for", REPLY(80), 80, true, -EPROTO, "longer reply"},
	{"less than was asked for", REPLY(24), 24, true, -EPROTO, "8 bytes, not 16"},
	{"no payload", REPLY(16), 16, true, -EPROTO, "0 bytes, not 16"},
	{"another id",
	 {.id = 1, .command = VFIO_USER_DEVICE_GET_INFO, .size = 32, .flags = VFIO_USER_REPLY},
	 32,
	 true,
	 -EPROTO,
	 "a reply to something else"},
	{"another command",
	 {.command = VFIO_USER_DEVICE_RESET, .size = 32, .flags = VFIO_USER_REPLY},
	 32,
	 true,
	 -EPROTO,
	 "a reply to something else"},
	{"an unknown type",
	 {.command = VFIO_USER_DEVICE_GET_INFO, .size = 32, .flags = 7},
	 32,
	 true,
	 -EPROTO,
	 "neither command nor reply"},
	{"a command cut short",
	 {.command = 11, .size = 4096, .flags = VFIO_USER_COMMAND},
	 32,
	 true,
	 -ETIMEDOUT,
	 "did not answer"},
	{"an error",
	 {.command = VFIO_USER_DEVICE_GET_INFO,
	  .size = 16,
	  .flags = VFIO_USER_REPLY | VFIO_USER_ERROR,
	  .error = EPERM},
	 16,
	 true,
	 -EPERM,
	 "refused device information"},
	{"an error with a payload",
	 {.command = VFIO_USER_DEVICE_GET_INFO,
	  .size = 80,
	  .flags = VFIO_USER_REPLY | VFIO_USER_ERROR,
	  .error = EACCES},
	 80,
	 true,
	 -EACCES,
	 "refused device information"},
	{"an error without a number",
	 {.command = VFIO_USER_DEVICE_GET_INFO, .size = 16, .flags = VFIO_USER_REPLY | VFIO_USER_ERROR},
	 16,
	 true,
	 -EPROTO,
	 "refused device information"},
	{"an error that is no errno",
	 {.command = VFIO_USER_DEVICE_GET_INFO,
	  .size = 16,
	  .flags = VFIO_USER_REPLY | VFIO_USER_ERROR,
	  .error = 0x80000000u},
	 16,
	 true,
	 -EPROTO,
	 "refused device information"},
};

static void test_framing(void **state)
{
	unsigned int patience = vfio_user_timeout_ms;

	vfio_user_timeout_ms = 50; /* only those that are silent are waited for so long */
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		struct fake_server s;
		int rc;

		fake_init(&s);
		s.hook = lie_hook;
		s.arg = (void *)(uintptr_t)&lies[i];
		if (lies[i].rc != -ETIMEDOUT)
			vfio_user_timeout_ms = patience;
		else
			vfio_user_timeout_ms = 50;
		rc = refused(&s);
		if (rc != lies[i].rc)
			print_error("%s: %d, %s\n", lies[i].what, rc, unapi_reason());
		assert_int_equal(rc, lies[i].rc);
		assert_reason("vfio-user:/liar", lies[i].word);
		assert_int_equal(count_fds(), fds_before);
	}
	vfio_user_timeout_ms = patience;
}

/* ---- descriptors that nobody asked for, with each header and within a payload */

static bool gift_hook(struct fake_server *s, struct fake_msg *m)
{
	int fd[VFIO_USER_MAX_FDS];
	struct vfio_user_hdr h = {.id = 9,
				  .command = 12,
				  .size = sizeof(h) + 8,
				  .flags = VFIO_USER_COMMAND | VFIO_USER_NO_REPLY};
	uint64_t payload = 0;

	for (unsigned int i = 0; i < VFIO_USER_MAX_FDS; i++) {
		fd[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		assert_true(fd[i] >= 0);
	}
	fake_send(s, &h, sizeof(h), fd, VFIO_USER_MAX_FDS);
	fake_send(s, &payload, sizeof(payload), fd, VFIO_USER_MAX_FDS);
	for (unsigned int i = 0; i < VFIO_USER_MAX_FDS; i++)
		close(fd[i]);
	if (m->hdr.command == VFIO_USER_DEVICE_GET_IRQ_INFO)
		fake_hang_up(s);
	return false;
}

static void test_gifts(void **state)
{
	struct fake_server s;

	fake_init(&s);
	s.hook = gift_hook;
	assert_int_equal(refused(&s), -ENODEV);
}

/* ---- version negotiation */

static int refused_version(const char *json)
{
	struct fake_server s;

	fake_init(&s);
	s.version = json;
	return refused(&s);
}

static void test_versions(void **state)
{
	struct fake_server s;

	fake_init(&s);
	s.major = 1;
	assert_int_equal(refused(&s), -ENOTSUP);
	assert_reason("vfio-user 1.0", "0.x");
	assert_int_equal(refused_version("{\"capabilities\":"), -EPROTO);
	assert_reason("not JSON");
	assert_int_equal(refused_version("[]"), -EPROTO);
	assert_reason("not JSON");
	assert_int_equal(refused_version(""), -EPROTO);
	assert_int_equal(refused_version("{\"capabilities\":{\"max_msg_fds\":\"8\"}}"), -EPROTO);
	assert_reason("max_msg_fds", "positive number");
	assert_int_equal(refused_version("{\"capabilities\":{\"max_dma_maps\":0}}"), -EPROTO);
	assert_reason("max_dma_maps");
	assert_int_equal(refused_version("{\"capabilities\":{\"max_data_xfer_size\":-4096}}"), -EPROTO);
	assert_reason("max_data_xfer_size");
	assert_int_equal(refused_version("{\"capabilities\":{\"max_data_xfer_size\":3}}"), -EPROTO);
	assert_reason("no whole register");
	assert_int_equal(refused_version("{\"capabilities\":{\"pgsizes\":65536}}"), -ENOTSUP);
	assert_reason("65536");
}

static bool cut_version(struct fake_server *s, struct fake_msg *m)
{
	static const char open_ended[] = {0, 0, 0, 0, '{', '}'};

	fake_reply(s, m, open_ended, *(size_t *)s->arg);
	return true;
}

static void test_cut_versions(void **state)
{
	static const struct {
		size_t len;
		const char *word;
	} cuts[] = {{0, "cut short"}, {3, "cut short"}, {6, "not terminated"}};

	for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
		struct fake_server s;
		size_t len = cuts[i].len;

		fake_init(&s);
		s.hook = cut_version;
		s.arg = &len;
		assert_int_equal(refused(&s), -EPROTO);
		assert_reason(cuts[i].word);
	}
}

/* ---- what the device is said to have */

static bool no_pci(struct fake_server *s, struct fake_msg *m)
{
	uint32_t info[4] = {16, *(uint32_t *)s->arg, *((uint32_t *)s->arg + 1), 5};

	if (m->hdr.command != VFIO_USER_DEVICE_GET_INFO)
		return false;
	fake_reply(s, m, info, sizeof(info));
	return true;
}

static void test_no_pci_function(void **state)
{
	uint32_t answers[2][2] = {{VFIO_DEVICE_FLAGS_AP, 9}, {VFIO_DEVICE_FLAGS_PCI, 7}};

	for (unsigned int i = 0; i < 2; i++) {
		struct fake_server s;

		fake_init(&s);
		s.hook = no_pci;
		s.arg = answers[i];
		assert_int_equal(refused(&s), -ENOTSUP);
		assert_reason("not a PCI function");
	}
}

static bool other_region(struct fake_server *s, struct fake_msg *m)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = 5};

	if (m->hdr.command != VFIO_USER_DEVICE_GET_REGION_INFO)
		return false;
	fake_reply(s, m, &info, *(size_t *)s->arg);
	return true;
}

static bool ever_longer(struct fake_server *s, struct fake_msg *m)
{
	struct vfio_region_info info;

	if (m->hdr.command != VFIO_USER_DEVICE_GET_REGION_INFO)
		return false;
	memcpy(&info, m->body, sizeof(info));
	info.argsz += *(uint32_t *)s->arg;
	fake_reply(s, m, &info, sizeof(info));
	return true;
}

static void test_region_answers(void **state)
{
	struct fake_server s;
	size_t len = sizeof(struct vfio_region_info);
	uint32_t more = 1;

	fake_init(&s);
	s.hook = other_region;
	s.arg = &len;
	assert_int_equal(refused(&s), -EPROTO);
	assert_reason("region 0", "broken");
	len = 24;
	fake_init(&s);
	s.hook = other_region;
	s.arg = &len;
	assert_int_equal(refused(&s), -EPROTO);
	assert_reason("region 0", "broken");
	fake_init(&s);
	s.hook = ever_longer;
	s.arg = &more;
	assert_int_equal(refused(&s), -EPROTO);
	assert_reason("information takes");
	more = 0x7fffffff;
	fake_init(&s);
	s.hook = ever_longer;
	s.arg = &more;
	assert_int_equal(refused(&s), -EPROTO);
	assert_reason("information takes");
	assert_int_equal(s.count[VFIO_USER_DEVICE_GET_REGION_INFO], 1);
}

static void test_descriptor_too_small(void **state)
{
	struct fake_server s;

	fake_init(&s);
	s.region_flags[0] |= VFIO_REGION_INFO_FLAG_MMAP;
	s.bar0_fd = memfd_create("small", MFD_CLOEXEC);
	assert_true(s.bar0_fd >= 0);
	assert_int_equal(ftruncate(s.bar0_fd, FAKE_BAR_SIZE - 1), 0);
	assert_int_equal(refused(&s), -EPROTO);
	assert_reason("region 0", "0x4000", "0x3fff");
	/* Nor is a descriptor any good that has no size. */
	fake_init(&s);
	s.region_flags[0] |= VFIO_REGION_INFO_FLAG_MMAP;
	s.bar0_fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	assert_int_equal(refused(&s), -EPROTO);
}

static void test_too_many_interrupts(void **state)
{
	struct fake_server s;

	fake_init(&s);
	s.irq_count[VFIO_PCI_MSIX_IRQ_INDEX] = 2049;
	assert_int_equal(refused(&s), -EPROTO);
	assert_reason("interrupt index 2", "broken");
}

static void test_powered_down(void **state)
{
	struct fake_server s;

	fake_init(&s);
	memset(s.config, 0xff, 4);
	assert_int_equal(refused(&s), -ENODEV);
	assert_reason("all ones");
}

/* Reads that answer with another number of bytes. */
static bool short_read(struct fake_server *s, struct fake_msg *m)
{
	struct vfio_user_region_rw rw;

	memcpy(&rw, m->body, sizeof(rw));
	if (m->hdr.command != VFIO_USER_REGION_READ || rw.region != 0)
		return false;
	rw.count = 2;
	memcpy(m->body, &rw, sizeof(rw));
	fake_reply(s, m, m->body, *(size_t *)s->arg);
	return true;
}

static void test_short_reads(void **state)
{
	size_t lens[] = {0, 15, 18, 20};

	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		struct fake_server s;
		struct vfio_device *v;

		fake_init(&s);
		s.hook = short_read;
		s.arg = &lens[i];
		fake_start(&s);
		assert_int_equal(vfio_user_attach(s.client, "vfio-user:/liar", NULL, &v), 0);
		assert_int_equal(vfio_read32(v, &v->regions[0], 0), UINT32_MAX);
		assert_reason("answered a read of 4 bytes");
		vfio_close(v);
		fake_stop(&s);
	}
}

/* A capability list in config space that goes in circles. */
static void test_circular_config(void **state)
{
	struct fake_server s;
	struct vfio_device *v;
	uint8_t at = 1;

	fake_init(&s);
	s.config[FAKE_MSIX_CAP + 1] = FAKE_MSI_CAP;
	fake_start(&s);
	assert_int_equal(vfio_user_attach(s.client, "vfio-user:/liar", NULL, &v), 0);
	assert_int_equal(vfio_find_cap(v, PCI_CAP_ID_EXP, &at), 0);
	assert_int_equal(at, 0);
	assert_int_equal(vfio_find_cap(v, PCI_CAP_ID_MSIX, &at), 0);
	assert_int_equal(at, FAKE_MSIX_CAP);
	vfio_close(v);
	fake_stop(&s);
}

/* ---- memory */

static bool refuse_dma(struct fake_server *s, struct fake_msg *m)
{
	if (m->hdr.command != VFIO_USER_DMA_MAP)
		return false;
	fake_reply_error(s, m, EEXIST);
	return true;
}

static void test_dma_refused(void **state)
{
	struct fake_server s;
	struct dma_mem *m;

	assert_int_equal(dma_alloc(NULL, 4096, -1, DMA_PAGES_4K, &m), 0);
	fake_init(&s);
	s.hook = refuse_dma;
	assert_int_equal(refused(&s), -EEXIST);
	assert_reason("a DMA mapping", "File exists");
	dma_free(m);
}

/* ---- sockets that are no servers */

static void test_paths(void **state)
{
	struct vfio_device *v;
	char spec[300] = "vfio-user:/", path[] = "/tmp/unapi-liar-XXXXXX";
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd;

	assert_int_equal(vfio_open("vfio-user:", &v), -EINVAL);
	assert_int_equal(vfio_open("vfio-user:/nonexistent/socket", &v), -ENODEV);
	assert_reason("/nonexistent/socket", "no such socket");
	memset(spec + strlen(spec), 'x', 200);
	assert_int_equal(vfio_open(spec, &v), -EINVAL);
	assert_reason("107 characters");
	/* A socket that nobody listens on any more. */
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	unlink(path);
	strcpy(sa.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	snprintf(spec, sizeof(spec), "vfio-user:%s", path);
	assert_int_equal(vfio_open(spec, &v), -ENODEV);
	assert_reason("nobody listens", "running?");
	/* And one that is never served. */
	assert_int_equal(listen(fd, 4), 0);
	vfio_user_timeout_ms = 50;
	assert_int_equal(vfio_open(spec, &v), -ETIMEDOUT);
	assert_reason("version negotiation", "another client?");
	vfio_user_timeout_ms = 5000;
	close(fd);
	unlink(path);
}

#define liar_test(f) cmocka_unit_test_setup_teardown(f, remember_fds, same_fds)

int main(void)
{
	const struct CMUnitTest tests[] = {
		liar_test(test_framing),
		liar_test(test_gifts),
		liar_test(test_versions),
		liar_test(test_cut_versions),
		liar_test(test_no_pci_function),
		liar_test(test_region_answers),
		liar_test(test_descriptor_too_small),
		liar_test(test_too_many_interrupts),
		liar_test(test_powered_down),
		liar_test(test_short_reads),
		liar_test(test_circular_config),
		liar_test(test_dma_refused),
		liar_test(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
