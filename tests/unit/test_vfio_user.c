/* SPDX-License-Identifier: BSD-3-Clause */
/* The vfio-user carrier on a server that serves well: registers, interrupts, reset, DMA, threads, its death.
 */
#include "fake_server.h"

#include "core/vfio/device.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAME "vfio-user:/test"

static struct vfio_device *open_fake(struct fake_server *s)
{
	struct vfio_device *v;
	int rc;

	fake_start(s);
	rc = vfio_user_attach(s->client, NAME, NULL, &v);
	if (rc)
		print_error("open: %d %s\n", rc, unapi_reason());
	assert_int_equal(rc, 0);
	return v;
}

static struct vfio_region *bar0(struct vfio_device *v)
{
	return &v->regions[VFIO_PCI_BAR0_REGION_INDEX];
}

static uint32_t config32(struct vfio_device *v, unsigned int off)
{
	uint32_t val;

	assert_int_equal(vfio_config_read(v, off, &val, 4), 0);
	return val;
}

static uint16_t config16(struct vfio_device *v, unsigned int off)
{
	uint16_t val;

	assert_int_equal(vfio_config_read(v, off, &val, 2), 0);
	return val;
}

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void wait_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, 30000), 1);
}

static void test_open_and_close(void **state)
{
	unsigned int fds = count_fds();
	struct fake_server s;
	struct vfio_device *v;

	fake_init(&s);
	v = open_fake(&s);
	assert_string_equal(v->name, NAME);
	assert_string_equal(v->carrier, "vfio-user");
	assert_int_equal(v->vendor_id, 0x8086);
	assert_int_equal(v->device_id, 0x10c9);
	assert_int_equal(v->subsystem_vendor_id, 0x1234);
	assert_int_equal(v->subsystem_device_id, 0x5678);
	assert_true(v->can_reset);
	assert_int_equal(bar0(v)->size, FAKE_BAR_SIZE);
	assert_int_equal(bar0(v)->nr_areas, 0);
	assert_null(vfio_region_ptr32(bar0(v), 0));
	assert_int_equal(v->irqs[VFIO_PCI_MSIX_IRQ_INDEX].count, FAKE_VECTORS);
	assert_int_equal(config16(v, PCI_COMMAND) & (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER),
			 PCI_COMMAND_MEMORY);
	assert_int_equal(vfio_set_bus_master(v, true), 0);
	assert_int_equal(config16(v, PCI_COMMAND) & 7, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	vfio_close(v);
	fake_stop(&s);
	/* Given back as it was taken: no mastering, nobody to interrupt. */
	assert_int_equal(s.config[PCI_COMMAND] & PCI_COMMAND_MASTER, 0);
	assert_int_equal(s.irq_fd[VFIO_PCI_REQ_IRQ_INDEX][0], -1);
	assert_int_equal(count_fds(), fds);
}

static void test_addresses(void **state)
{
	struct fake_server s;
	struct vfio_device *v;
	uint32_t b0, b2, b4;

	fake_init(&s);
	s.needs_firmware = true;
	s.bar[2] = 0xabcd;
	v = open_fake(&s);
	assert_int_equal(vfio_read32(v, bar0(v), 8), 0xabcd);
	b0 = config32(v, PCI_BASE_ADDRESS_0);
	b2 = config32(v, PCI_BASE_ADDRESS_2);
	b4 = config32(v, PCI_BASE_ADDRESS_4);
	assert_true(b0 && !(b0 & (FAKE_BAR_SIZE - 1)));
	assert_true(b2 & PCI_BASE_ADDRESS_SPACE_IO && (b2 & ~3u) && (b2 & ~3u) < 65536);
	assert_true((b4 & 0xf) == PCI_BASE_ADDRESS_MEM_TYPE_64 && (b4 & ~0xfu));
	assert_true(b4 >= b0 + FAKE_BAR_SIZE || b0 >= (b4 & ~0xfu) + 65536);
	assert_int_equal(config32(v, PCI_BASE_ADDRESS_5), 0); /* the upper half */
	/* A reset forgets them; nobody else would put them back. */
	assert_int_equal(vfio_set_bus_master(v, true), 0);
	assert_int_equal(vfio_reset(v), 0);
	assert_int_equal(config32(v, PCI_BASE_ADDRESS_0), b0);
	assert_int_equal(config16(v, PCI_COMMAND) & 7, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(vfio_read32(v, bar0(v), 8), 0xabcd);
	vfio_close(v);
	fake_stop(&s);
	assert_int_equal(s.resets, 1);
}

/* What is there already stays. */
static void test_addresses_of_others(void **state)
{
	struct fake_server s;
	struct vfio_device *v;
	uint32_t mine = 0xf1230000;

	fake_init(&s);
	memcpy(s.config + PCI_BASE_ADDRESS_0, &mine, 4);
	s.config[PCI_BASE_ADDRESS_4 + 4] = 1; /* the upper half of a 64-bit address */
	v = open_fake(&s);
	assert_int_equal(config32(v, PCI_BASE_ADDRESS_0), mine);
	assert_int_equal(config32(v, PCI_BASE_ADDRESS_4), PCI_BASE_ADDRESS_MEM_TYPE_64);
	vfio_close(v);
	fake_stop(&s);
}

static void test_registers(void **state)
{
	struct fake_server s;
	struct vfio_device *v;
	unsigned int messages;

	fake_init(&s);
	v = open_fake(&s);
	vfio_write32(v, bar0(v), 0x100, 0x11223344);
	assert_int_equal(vfio_read32(v, bar0(v), 0x100), 0x11223344); /* after the write */
	pthread_mutex_lock(&s.lock);
	assert_int_equal(s.posted, 1);
	messages = s.count[VFIO_USER_REGION_READ];
	pthread_mutex_unlock(&s.lock);
	/* Refused by the server: all ones, and the server is not given up for it. */
	assert_int_equal(vfio_read32(v, bar0(v), FAKE_BAR_SIZE), UINT32_MAX);
	assert_reason(NAME, "refused", "Input/output error");
	assert_int_equal(vfio_read32(v, bar0(v), 0x100), 0x11223344);
	assert_false(v->gone);
	vfio_close(v);
	fake_stop(&s);
	assert_true(s.count[VFIO_USER_REGION_READ] > messages);
}

static int shared_page(size_t size)
{
	int fd = memfd_create("bar", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static void add_sparse(struct fake_server *s, const struct vfio_region_sparse_mmap_area *areas, uint32_t n)
{
	struct vfio_region_info_cap_sparse_mmap cap = {
		.header = {.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1}, .nr_areas = n};

	memcpy(s->bar0_caps, &cap, sizeof(cap));
	memcpy(s->bar0_caps + sizeof(cap), areas, n * sizeof(*areas));
	s->bar0_caps_len = (uint32_t)(sizeof(cap) + n * sizeof(*areas));
	s->region_flags[0] |= VFIO_REGION_INFO_FLAG_MMAP;
}

static unsigned int events;

static void count_gone(void *arg, struct vfio_device *v, enum vfio_event ev)
{
	assert_int_equal(ev, VFIO_EVENT_GONE);
	events++;
}

/* Two doorbell pages are mapped, the rest is messages; once the server is dead both read all ones. */
static void test_sparse_mapping(void **state)
{
	static const struct vfio_region_sparse_mmap_area areas[] = {{0x1000, 0x1000}, {0x3000, 0x1000}};
	unsigned int fds = count_fds();
	struct fake_server s;
	struct vfio_device *v;
	volatile uint32_t *tail;
	uint32_t *shared;

	fake_init(&s);
	s.bar0_fd = shared_page(FAKE_BAR_SIZE);
	shared = mmap(NULL, FAKE_BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, s.bar0_fd, 0);
	assert_true(shared != MAP_FAILED);
	add_sparse(&s, areas, 2);
	s.bar[0x2000 / 4] = 7;
	v = open_fake(&s);
	assert_int_equal(bar0(v)->nr_areas, 2);
	vfio_write32(v, bar0(v), 0x1010, 1);
	vfio_write32(v, bar0(v), 0x3ffc, 2);
	assert_int_equal(shared[0x1010 / 4], 1);
	assert_int_equal(shared[0x3ffc / 4], 2);
	shared[0x1020 / 4] = 3;
	assert_int_equal(vfio_read32(v, bar0(v), 0x1020), 3);
	assert_int_equal(vfio_read32(v, bar0(v), 0x2000), 7);
	assert_null(vfio_region_ptr32(bar0(v), 0x2000));
	assert_null(vfio_region_ptr32(bar0(v), 0xffc));
	tail = vfio_region_ptr32(bar0(v), 0x3000);
	assert_non_null(tail);
	*tail = 5;
	assert_int_equal(shared[0x3000 / 4], 5);
	/* The server may not cut off what we have mapped. */
	assert_int_equal(ftruncate(s.bar0_fd, 0x1000), -1);

	events = 0;
	vfio_set_event_fn(v, count_gone, NULL);
	shutdown(s.sock, SHUT_RDWR);
	wait_readable(v->slow_fds[v->nr_slow_fds - 1]);
	vfio_slow_fd_ready(v, v->slow_fds[v->nr_slow_fds - 1]);
	assert_int_equal(events, 1);
	assert_int_equal(vfio_read32(v, bar0(v), 0x1010), UINT32_MAX);
	assert_int_equal(vfio_read32(v, bar0(v), 0x2000), UINT32_MAX);
	assert_null(vfio_region_ptr32(bar0(v), 0x3000));
	vfio_write32(v, bar0(v), 0x1010, 9);
	assert_int_equal(shared[0x1010 / 4], 1);
	*tail = 6; /* who has the address may still use it */
	vfio_close(v);
	fake_stop(&s);
	munmap(shared, FAKE_BAR_SIZE);
	assert_int_equal(count_fds(), fds);
}

/* One area that covers the region is the fast path of vfio_read32(). */
static void test_whole_mapping(void **state)
{
	struct fake_server s;
	struct vfio_device *v;
	unsigned int messages;

	fake_init(&s);
	s.bar0_fd = shared_page(FAKE_BAR_SIZE);
	s.region_flags[0] |= VFIO_REGION_INFO_FLAG_MMAP;
	v = open_fake(&s);
	assert_int_equal(bar0(v)->nr_areas, 1);
	pthread_mutex_lock(&s.lock);
	messages = s.count[VFIO_USER_REGION_READ] + s.count[VFIO_USER_REGION_WRITE];
	pthread_mutex_unlock(&s.lock);
	vfio_write32(v, bar0(v), 0x3ffc, 77);
	assert_int_equal(vfio_read32(v, bar0(v), 0x3ffc), 77);
	pthread_mutex_lock(&s.lock);
	assert_int_equal(s.count[VFIO_USER_REGION_READ] + s.count[VFIO_USER_REGION_WRITE], messages);
	pthread_mutex_unlock(&s.lock);
	vfio_close(v);
	fake_stop(&s);
}

/* Said to be mappable, and no descriptor came: messages do it. */
static void test_no_descriptor(void **state)
{
	struct fake_server s;
	struct vfio_device *v;

	fake_init(&s);
	s.region_flags[0] |= VFIO_REGION_INFO_FLAG_MMAP;
	s.bar[1] = 42;
	v = open_fake(&s);
	assert_int_equal(bar0(v)->nr_areas, 0);
	assert_int_equal(vfio_read32(v, bar0(v), 4), 42);
	vfio_close(v);
	fake_stop(&s);
}

/* A list of areas that does not fit into the first answer is asked for again. */
static void test_long_answer(void **state)
{
	struct fake_server s;
	struct vfio_device *v;
	struct vfio_info_cap_header *h = (struct vfio_info_cap_header *)s.bar0_caps;

	fake_init(&s);
	s.bar0_caps_len = 2000;
	*h = (struct vfio_info_cap_header){.id = 99, .version = 1};
	s.region_flags[0] |= VFIO_REGION_INFO_FLAG_MMAP;
	s.bar0_fd = shared_page(FAKE_BAR_SIZE);
	v = open_fake(&s);
	assert_int_equal(bar0(v)->nr_areas, 1);
	vfio_close(v);
	fake_stop(&s);
}

static void fire(struct fake_server *s, uint32_t index, unsigned int vector)
{
	pthread_mutex_lock(&s->lock);
	assert_true(s->irq_fd[index][vector] >= 0);
	assert_int_equal(eventfd_write(s->irq_fd[index][vector], 1), 0);
	pthread_mutex_unlock(&s->lock);
}

static void test_interrupts(void **state)
{
	struct fake_server s;
	struct vfio_device *v;
	eventfd_t n;

	fake_init(&s);
	s.version = "{\"capabilities\":{\"max_msg_fds\":3}}";
	v = open_fake(&s);
	assert_int_equal(vfio_irq_enable(v, VFIO_IRQ_MSIX, 64), FAKE_VECTORS);
	assert_int_equal(v->irq_mode, VFIO_IRQ_MSIX);
	for (unsigned int i = 0; i < FAKE_VECTORS; i++) {
		fire(&s, VFIO_PCI_MSIX_IRQ_INDEX, i);
		for (unsigned int k = 0; k < FAKE_VECTORS; k++)
			assert_int_equal(readable(v->vector_fds[k]), k == i);
		assert_int_equal(eventfd_read(v->vector_fds[i], &n), 0);
	}
	/* Whole device models look into config space. */
	assert_int_equal(config16(v, FAKE_MSIX_CAP + PCI_MSIX_FLAGS) &
				 (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL),
			 PCI_MSIX_FLAGS_ENABLE);
	vfio_irq_disable(v);
	assert_int_equal(config16(v, FAKE_MSIX_CAP + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_ENABLE, 0);
	assert_int_equal(v->nr_vectors, 0);
	assert_int_equal(vfio_irq_enable(v, VFIO_IRQ_MSI, 64), 1);
	fire(&s, VFIO_PCI_MSI_IRQ_INDEX, 0);
	assert_true(readable(v->vector_fds[0]));
	vfio_irq_disable(v);
	assert_int_equal(vfio_irq_enable(v, VFIO_IRQ_INTX, 64), 1);
	fire(&s, VFIO_PCI_INTX_IRQ_INDEX, 0);
	assert_true(readable(v->vector_fds[0]));
	assert_int_equal(vfio_irq_unmask_intx(v), 0);
	vfio_close(v);
	fake_stop(&s);
	assert_int_equal(s.most_fds, 3);
	for (unsigned int i = 0; i < FAKE_VECTORS; i++)
		assert_int_equal(s.irq_fd[VFIO_PCI_MSIX_IRQ_INDEX][i], -1);
}

static void note_event(void *arg, struct vfio_device *v, enum vfio_event ev)
{
	*(int *)arg = (int)ev;
}

static void test_device_request(void **state)
{
	struct fake_server s;
	struct vfio_device *v;
	int seen = -1;

	fake_init(&s);
	v = open_fake(&s);
	vfio_set_event_fn(v, note_event, &seen);
	assert_int_equal(v->nr_slow_fds, 2);
	fire(&s, VFIO_PCI_REQ_IRQ_INDEX, 0);
	assert_true(readable(v->slow_fds[0]));
	vfio_slow_fd_ready(v, v->slow_fds[0]);
	assert_int_equal(seen, VFIO_EVENT_REMOVE_REQUEST);
	assert_false(readable(v->slow_fds[0]));
	assert_false(v->gone);
	vfio_close(v);
	fake_stop(&s);
}

static void test_dma(void **state)
{
	struct fake_server s;
	struct dma_mem *before, *ring, *more;
	struct vfio_device *v;

	fake_init(&s);
	s.version = "{\"capabilities\":{\"max_dma_maps\":2,\"pgsizes\":4096,\"max_msg_fds\":8}}";
	assert_int_equal(dma_alloc(NULL, 8192, -1, DMA_PAGES_4K, &before), 0);
	v = open_fake(&s);
	assert_int_equal(dma_alloc(v->space, 4096, -1, DMA_PAGES_4K, &ring), 0);
	pthread_mutex_lock(&s.lock);
	assert_true(s.dma[0].iova == before->iova && s.dma[0].size == 8192);
	assert_true(s.dma[1].iova == ring->iova && s.dma[1].size == 4096);
	strcpy(s.dma[1].va, "from the device");
	strcpy(before->va, "to the device");
	assert_string_equal(s.dma[0].va, "to the device");
	pthread_mutex_unlock(&s.lock);
	assert_string_equal(ring->va, "from the device");
	assert_int_equal(dma_alloc(v->space, 4096, -1, DMA_PAGES_4K, &more), -ENOSPC);
	assert_reason(NAME, "2 DMA mappings");
	dma_free(ring);
	pthread_mutex_lock(&s.lock);
	assert_int_equal(s.dma[1].size, 0);
	pthread_mutex_unlock(&s.lock);
	vfio_close(v);
	fake_stop(&s);
	assert_int_equal(s.dma[0].size, 0);
	dma_free(before);
}

/* Threads poll registers at the same time: each gets its own answers. */
struct worker {
	struct vfio_device *v;
	uint32_t first;
	pthread_t thread;
};

static void *work(void *arg)
{
	struct worker *w = arg;

	for (uint32_t i = 0; i < 500; i++) {
		uint64_t off = (w->first + i % 64) * 4;

		vfio_write32(w->v, bar0(w->v), off, w->first << 16 | i);
		if (vfio_read32(w->v, bar0(w->v), off) != (w->first << 16 | i))
			return w;
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct fake_server s;
	struct vfio_device *v;
	struct worker w[4];

	fake_init(&s);
	v = open_fake(&s);
	for (uint32_t i = 0; i < 4; i++) {
		w[i] = (struct worker){.v = v, .first = 100 * i};
		assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	for (uint32_t i = 0; i < 4; i++) {
		void *failed;

		assert_int_equal(pthread_join(w[i].thread, &failed), 0);
		assert_null(failed);
	}
	/* Replies are no news for whoever listens to the slow path. */
	assert_false(readable(v->slow_fds[v->nr_slow_fds - 1]));
	vfio_close(v);
	fake_stop(&s);
	assert_int_equal(s.posted, 2000);
}

static bool die_at_read(struct fake_server *s, struct fake_msg *m)
{
	if (m->hdr.command != VFIO_USER_REGION_READ)
		return false;
	fake_hang_up(s);
	return true;
}

static void test_death_while_waiting(void **state)
{
	unsigned int fds = count_fds();
	struct fake_server s;
	struct vfio_device *v;
	struct dma_mem *ring, *m;
	uint32_t val;
	int slow;

	fake_init(&s);
	v = open_fake(&s);
	assert_int_equal(dma_alloc(v->space, 4096, -1, DMA_PAGES_4K, &ring), 0);
	assert_int_equal(vfio_irq_enable(v, VFIO_IRQ_MSIX, 2), 2);
	slow = v->slow_fds[v->nr_slow_fds - 1];
	events = 0;
	vfio_set_event_fn(v, count_gone, NULL);
	pthread_mutex_lock(&s.lock);
	s.hook = die_at_read;
	pthread_mutex_unlock(&s.lock);
	assert_int_equal(vfio_read32(v, bar0(v), 0), UINT32_MAX);
	assert_reason(NAME, "gone", "region read");
	assert_int_equal(events, 1);
	assert_true(v->gone);
	/* From now on everything is cheap, and nothing is said again. */
	vfio_write32(v, bar0(v), 0, 1);
	assert_int_equal(vfio_read32(v, bar0(v), 0), UINT32_MAX);
	assert_int_equal(vfio_config_read(v, 0, &val, 4), -ENODEV);
	assert_int_equal(vfio_reset(v), -ENODEV);
	assert_int_equal(dma_alloc(v->space, 4096, -1, DMA_PAGES_4K, &m), -ENODEV);
	/* Who only listens hears of it too, and then it is quiet. */
	wait_readable(slow);
	vfio_slow_fd_ready(v, slow);
	assert_false(readable(slow));
	vfio_mark_gone(v);
	assert_int_equal(events, 1);
	dma_free(ring);
	vfio_close(v);
	fake_stop(&s);
	assert_int_equal(count_fds(), fds);
}

static void test_death_while_idle(void **state)
{
	struct fake_server s;
	struct vfio_device *v;
	int slow;

	fake_init(&s);
	v = open_fake(&s);
	slow = v->slow_fds[v->nr_slow_fds - 1];
	assert_false(readable(slow));
	events = 0;
	vfio_set_event_fn(v, count_gone, NULL);
	shutdown(s.sock, SHUT_RDWR);
	wait_readable(slow);
	vfio_slow_fd_ready(v, slow);
	assert_int_equal(events, 1);
	assert_false(readable(slow));
	assert_int_equal(vfio_read32(v, bar0(v), 0), UINT32_MAX);
	assert_int_equal(events, 1);
	vfio_close(v);
	fake_stop(&s);
}

/* A posted write meets the death: the kernel must not raise SIGPIPE for it. */
static void test_death_at_a_write(void **state)
{
	struct fake_server s;
	struct vfio_device *v;

	fake_init(&s);
	v = open_fake(&s);
	events = 0;
	vfio_set_event_fn(v, count_gone, NULL);
	shutdown(s.sock, SHUT_RDWR);
	wait_readable(v->slow_fds[v->nr_slow_fds - 1]);
	vfio_write32(v, bar0(v), 0, 1);
	assert_int_equal(events, 1);
	assert_true(v->gone);
	vfio_close(v);
	fake_stop(&s);
}

/* The server asks for memory by message, twice, before it answers; it is refused and answers all the same. */
static bool ask_first(struct fake_server *s, struct fake_msg *m)
{
	struct {
		struct vfio_user_hdr hdr;
		uint64_t address, count;
	} ask = {{.id = 7, .command = 11, .size = sizeof(ask)}, 0x1000, 64};

	if ((m->hdr.flags & VFIO_USER_TYPE_MASK) == VFIO_USER_REPLY) {
		assert_int_equal(m->hdr.id, 7);
		assert_int_equal(m->hdr.command, 11);
		assert_int_equal(m->hdr.flags, VFIO_USER_REPLY | VFIO_USER_ERROR);
		assert_int_equal(m->hdr.error, ENOTSUP);
		(*(int *)s->arg)++;
		return true;
	}
	if (m->hdr.command == VFIO_USER_REGION_READ) {
		fake_send(s, &ask, sizeof(ask), NULL, 0);
		ask.hdr.flags = VFIO_USER_NO_REPLY;
		fake_send(s, &ask, sizeof(ask), NULL, 0);
	}
	return false;
}

static void test_commands_of_the_server(void **state)
{
	struct fake_server s;
	struct vfio_device *v;
	int refused = 0, reads;

	fake_init(&s);
	s.hook = ask_first;
	s.arg = &refused;
	s.bar[3] = 33;
	v = open_fake(&s);
	assert_int_equal(vfio_read32(v, bar0(v), 12), 33);
	vfio_close(v);
	fake_stop(&s);
	reads = (int)s.count[VFIO_USER_REGION_READ];
	assert_int_equal(refused, reads);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_and_close),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_addresses_of_others),
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_sparse_mapping),
		cmocka_unit_test(test_whole_mapping),
		cmocka_unit_test(test_no_descriptor),
		cmocka_unit_test(test_long_answer),
		cmocka_unit_test(test_interrupts),
		cmocka_unit_test(test_device_request),
		cmocka_unit_test(test_dma),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_death_while_waiting),
		cmocka_unit_test(test_death_while_idle),
		cmocka_unit_test(test_death_at_a_write),
		cmocka_unit_test(test_commands_of_the_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
