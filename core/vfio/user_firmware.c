/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What firmware and the kernel's PCI core do on a real machine, and nobody does for a vfio-user server: BAR
 * addresses, and the MSI enable bits. Many servers need neither; those made of whole device models do.
 */
#include "core/base/reason.h"
#include "core/vfio/device.h"
#include "core/vfio/user.h"

#include <linux/pci_regs.h>

/* Where addresses are given out. They mean nothing to us, but must be unlike each other and look plausible.
 */
#define MEM_FIRST 0xc0000000u
#define MEM_LAST  0xfebfffffu
#define IO_FIRST  0xc000u
#define IO_LAST	  0xffffu
#define HIGH_BASE 0x4000000000ull /* for 64-bit BARs that the first does not hold */

struct allotment {
	uint64_t mem, io, high;
};

/* A BAR's address is a multiple of its size, which is a power of two. 0: no room. */
static uint64_t allot(uint64_t *next, uint64_t last, uint64_t size)
{
	uint64_t at = (*next + size - 1) & ~(size - 1);

	if (at > last || last - at < size - 1)
		return 0;
	*next = at + size;
	return at;
}

static int assign_bar(struct user_device *u, uint32_t index, struct allotment *a)
{
	unsigned int off = PCI_BASE_ADDRESS_0 + 4 * index;
	uint64_t size = 16, addr = 0;
	uint32_t bar, high = 0, value;
	bool wide;
	int rc = vfio_config_read(&u->v, off, &bar, 4);

	while (size && size < u->v.regions[index].size)
		size <<= 1;
	if (rc || !size)
		return rc;
	wide = (bar & (PCI_BASE_ADDRESS_SPACE | PCI_BASE_ADDRESS_MEM_TYPE_MASK)) ==
		       PCI_BASE_ADDRESS_MEM_TYPE_64 &&
	       index < VFIO_PCI_BAR5_REGION_INDEX;
	if (wide)
		rc = vfio_config_read(&u->v, off + 4, &high, 4);
	if (rc || high)
		return rc;
	if (bar & PCI_BASE_ADDRESS_SPACE_IO) {
		if (!(bar & (uint32_t)PCI_BASE_ADDRESS_IO_MASK))
			addr = allot(&a->io, IO_LAST, size);
	} else if (!(bar & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK)) {
		addr = allot(&a->mem, MEM_LAST, size);
		if (!addr && wide)
			addr = allot(&a->high, (1ULL << 46) - 1, size);
	}
	if (!addr) /* it has one, or there is none to be had: then the server shows whether it matters */
		return 0;
	value = (uint32_t)addr;
	rc = vfio_config_write(&u->v, off, &value, 4);
	if (!rc && wide) {
		value = (uint32_t)(addr >> 32);
		rc = vfio_config_write(&u->v, off + 4, &value, 4);
	}
	return rc;
}

int user_assign_bars(struct user_device *u)
{
	struct allotment a = {MEM_FIRST, IO_FIRST, HIGH_BASE};
	int rc = 0;

	for (uint32_t i = 0; i <= VFIO_PCI_BAR5_REGION_INDEX && !rc; i++)
		if (u->v.regions[i].size)
			rc = assign_bar(u, i, &a);
	return rc;
}

void user_enable_msi(struct user_device *u, uint32_t index, bool on)
{
	bool msix = index == VFIO_PCI_MSIX_IRQ_INDEX;
	uint16_t flags, want, bit = msix ? PCI_MSIX_FLAGS_ENABLE : PCI_MSI_FLAGS_ENABLE;
	unsigned int off = msix ? PCI_MSIX_FLAGS : PCI_MSI_FLAGS;
	uint8_t at;

	if (!msix && index != VFIO_PCI_MSI_IRQ_INDEX)
		return;
	if (vfio_find_cap(&u->v, msix ? PCI_CAP_ID_MSIX : PCI_CAP_ID_MSI, &at) || !at)
		return;
	if (vfio_config_read(&u->v, at + off, &flags, 2))
		return;
	want = (uint16_t)(on ? flags | bit : flags & ~bit);
	if (msix)
		want = (uint16_t)(want & ~PCI_MSIX_FLAGS_MASKALL);
	if (want != flags && vfio_config_write(&u->v, at + off, &want, 2))
		unapi_log(UNAPI_LOG_DEBUG, "%s", unapi_reason());
}
