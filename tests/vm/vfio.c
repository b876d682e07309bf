// SPDX-License-Identifier: BSD-3-Clause
/*
 * Runs in the guest and goes over what core/vfio's kernel carrier can do with a NIC, with no driver above it.
 *
 *   vfio DEVICE            take it, look at everything, give it back; twice, since the first may leave
 * something vfio DEVICE hold       take it and wait until the kernel wants it back vfio DEVICE dma KIB take
 * it and map so much memory
 *
 * Each failure is one line on standard error, with the reason that the library gives.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/reason.h"
#include "core/vfio/vfio.h"
#include "drivers/igb/igb_regs.h"

static int failed(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, unapi_reason());
	return 1;
}

static int wrong(const char *what, unsigned long value)
{
	fprintf(stderr, "%s: %#lx\n", what, value);
	return 1;
}

static int try_registers(struct vfio_device *v)
{
	struct vfio_region *bar = &v->regions[VFIO_PCI_BAR0_REGION_INDEX];
	uint16_t command;
	uint32_t status;

	printf("%s by %s: %04x:%04x, BAR0 of %llu bytes in %u mapped areas\n", v->name, v->carrier,
	       v->vendor_id, v->device_id, (unsigned long long)bar->size, bar->nr_areas);
	if (v->vendor_id != 0x8086 || v->device_id != 0x10c9 || bar->nr_areas == 0)
		return wrong("not the 82576 that was plugged in", v->device_id);
	status = vfio_read32(v, bar, E1000_STATUS);
	if (status == UINT32_MAX)
		return wrong("STATUS", status);
	for (int on = 1; on >= 0; on--) {
		if (vfio_set_bus_master(v, on) || vfio_config_read(v, PCI_COMMAND, &command, 2))
			return failed("bus mastering");
		if (!!(command & PCI_COMMAND_MASTER) != on || !(command & PCI_COMMAND_MEMORY))
			return wrong("command register", command);
	}
	if (vfio_reset(v))
		return failed("reset");
	status = vfio_read32(v, bar, E1000_STATUS);
	return status == UINT32_MAX ? wrong("STATUS after reset", status) : 0;
}

static int eventfd_count(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? (int)count : 0;
}

/* The kernel fires each vector by itself, and only that one's eventfd may tell. */
static int try_vectors(struct vfio_device *v, uint32_t index, unsigned int n)
{
	for (unsigned int fired = 0; fired < n; fired++) {
		if (v->ops->irq_action(v, index, fired, 1, VFIO_IRQ_SET_ACTION_TRIGGER))
			return failed("trigger");
		for (unsigned int i = 0; i < n; i++)
			if (eventfd_count(v->vector_fds[i]) != (i == fired))
				return wrong("the wrong eventfd for vector", fired << 8 | i);
	}
	return 0;
}

static int try_interrupts(struct vfio_device *v)
{
	static const struct {
		enum vfio_irq_mode mode;
		uint32_t index;
		unsigned int want[3], vectors[3];
	} tries[] = {
		{VFIO_IRQ_MSIX, VFIO_PCI_MSIX_IRQ_INDEX, {2, 5, 64}, {2, 5, 10}},
		{VFIO_IRQ_MSI, VFIO_PCI_MSI_IRQ_INDEX, {4}, {1}},
		{VFIO_IRQ_INTX, VFIO_PCI_INTX_IRQ_INDEX, {4}, {1}},
	};

	printf("MSI-X vectors are added %s\n", v->irqs[VFIO_PCI_MSIX_IRQ_INDEX].flags & VFIO_IRQ_INFO_NORESIZE
						       ? "all at once"
						       : "one by one");
	for (unsigned int t = 0; t < ARRAY_SIZE(tries); t++) {
		for (unsigned int i = 0; i < 3 && tries[t].want[i]; i++) {
			int n = vfio_irq_enable(v, tries[t].mode, tries[t].want[i]);

			if (n < 0)
				return failed("interrupts");
			if ((unsigned int)n != tries[t].vectors[i] || v->irq_mode != tries[t].mode)
				return wrong("vectors", n);
			/* Adding may fire those that were there before, lest one was missed meanwhile. */
			for (int k = 0; k < n; k++)
				eventfd_count(v->vector_fds[k]);
			if (try_vectors(v, tries[t].index, n))
				return 1;
		}
		vfio_irq_disable(v);
	}
	return 0;
}

static int try_dma(struct vfio_device *v, size_t size)
{
	struct dma_mem *mem;
	char text[256];

	if (dma_alloc(v->space, size, -1, DMA_PAGES_2M, &mem))
		return failed("DMA memory");
	dma_mem_describe(mem, text, sizeof(text));
	printf("%zu KiB mapped at %#llx: %s\n", size >> 10, (unsigned long long)mem->iova, text);
	memset(mem->va, 0x5a, size);
	dma_free(mem);
	return 0;
}

static int try_everything(const char *device)
{
	struct vfio_device *v, *again;
	int rc;

	for (int n = 0; n < 2; n++) {
		if (vfio_open(device, &v))
			return failed("open");
		if (vfio_open(device, &again) == 0)
			return wrong("opened twice", 0);
		rc = try_registers(v) || try_interrupts(v) || try_dma(v, 4 << 20);
		vfio_close(v);
		if (rc)
			return rc;
	}
	return 0;
}

static void on_event(void *arg, struct vfio_device *v, enum vfio_event event)
{
	if (event == VFIO_EVENT_REMOVE_REQUEST)
		*(bool *)arg = true;
}

static int hold(struct vfio_device *v)
{
	bool wanted_back = false;

	vfio_set_event_fn(v, on_event, &wanted_back);
	puts("held");
	fflush(stdout);
	while (!wanted_back) {
		struct pollfd fds[VFIO_MAX_SLOW_FDS];

		for (unsigned int i = 0; i < v->nr_slow_fds; i++)
			fds[i] = (struct pollfd){.fd = v->slow_fds[i], .events = POLLIN};
		if (poll(fds, v->nr_slow_fds, -1) < 0)
			return wrong("poll", errno);
		for (unsigned int i = 0; i < v->nr_slow_fds; i++)
			if (fds[i].revents)
				vfio_slow_fd_ready(v, fds[i].fd);
	}
	puts("wanted back");
	return 0;
}

int main(int argc, char **argv)
{
	struct vfio_device *v;
	int rc;

	if (argc == 2)
		return try_everything(argv[1]);
	if (argc < 2 || vfio_open(argv[1], &v))
		return failed("open");
	rc = argc == 3 ? hold(v) : try_dma(v, (size_t)atoi(argv[3]) << 10);
	vfio_close(v);
	return rc;
}
