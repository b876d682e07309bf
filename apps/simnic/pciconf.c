/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/simnic/pciconf.h"
#include "apps/simnic/options.h"
#include "drivers/igb/igb_regs.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

/* Where the 82576 has its capabilities (datasheet 9.5). */
#define CAP_PM	 0x40
#define CAP_MSI	 0x50
#define CAP_MSIX 0x70
#define CAP_EXP	 0xA0

static void put8(struct pciconf *p, unsigned int at, uint8_t v, uint8_t mask)
{
	p->data[at] = v;
	p->writable[at] = mask;
}

static void put16(struct pciconf *p, unsigned int at, uint16_t v, uint16_t mask)
{
	put8(p, at, (uint8_t)v, (uint8_t)mask);
	put8(p, at + 1, (uint8_t)(v >> 8), (uint8_t)(mask >> 8));
}

static void put32(struct pciconf *p, unsigned int at, uint32_t v, uint32_t mask)
{
	put16(p, at, (uint16_t)v, (uint16_t)mask);
	put16(p, at + 2, (uint16_t)(v >> 16), (uint16_t)(mask >> 16));
}

static uint16_t get16(const struct pciconf *p, unsigned int at)
{
	return (uint16_t)(p->data[at] | p->data[at + 1] << 8);
}

/* Append a capability at @at to the list whose last pointer is at @link; returns the new last pointer. */
static unsigned int add_cap(struct pciconf *p, unsigned int link, unsigned int at, uint8_t id)
{
	p->data[link] = (uint8_t)at;
	put8(p, at, id, 0);
	put8(p, at + 1, 0, 0);
	return at + 1;
}

void pciconf_init(struct pciconf *p, const struct sim_options *o)
{
	unsigned int link = PCI_CAPABILITY_LIST;

	memset(p, 0, sizeof(*p));
	put16(p, PCI_VENDOR_ID, E1000_VENDOR_INTEL, 0);
	put16(p, PCI_DEVICE_ID, E1000_DEV_ID_82576, 0);
	put16(p, PCI_COMMAND, 0,
	      PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
		      PCI_COMMAND_INTX_DISABLE);
	put16(p, PCI_STATUS, PCI_STATUS_CAP_LIST, 0);
	put32(p, PCI_CLASS_REVISION, 0x02000001, 0); /* Ethernet, revision 1 */
	put8(p, PCI_CACHE_LINE_SIZE, 0, 0xff);
	put32(p, PCI_BASE_ADDRESS_0, 0, ~(SIM_BAR0_SIZE - 1));
	put32(p, PCI_BASE_ADDRESS_3, 0, ~(SIM_BAR3_SIZE - 1));
	put16(p, PCI_SUBSYSTEM_VENDOR_ID, E1000_VENDOR_INTEL, 0);
	put16(p, PCI_SUBSYSTEM_ID, 0xa03c, 0);
	put8(p, PCI_INTERRUPT_LINE, 0, 0xff);
	put8(p, PCI_INTERRUPT_PIN, 1, 0);

	link = add_cap(p, link, CAP_PM, PCI_CAP_ID_PM);
	put16(p, CAP_PM + PCI_PM_PMC, 3, 0);
	put16(p, CAP_PM + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET, PCI_PM_CTRL_STATE_MASK);
	if (o->msi) {
		link = add_cap(p, link, CAP_MSI, PCI_CAP_ID_MSI);
		put16(p, CAP_MSI + PCI_MSI_FLAGS, PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT,
		      PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
		put32(p, CAP_MSI + PCI_MSI_ADDRESS_LO, 0, 0xfffffffc);
		put32(p, CAP_MSI + PCI_MSI_ADDRESS_HI, 0, 0xffffffff);
		put16(p, CAP_MSI + PCI_MSI_DATA_64, 0, 0xffff);
		put32(p, CAP_MSI + PCI_MSI_MASK_64, 0, 1);
	}
	if (o->msix) {
		link = add_cap(p, link, CAP_MSIX, PCI_CAP_ID_MSIX);
		put16(p, CAP_MSIX + PCI_MSIX_FLAGS, SIM_MSIX_VECTORS - 1,
		      PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
		put32(p, CAP_MSIX + PCI_MSIX_TABLE, 3, 0);
		put32(p, CAP_MSIX + PCI_MSIX_PBA, SIM_MSIX_PBA | 3, 0);
	}
	add_cap(p, link, CAP_EXP, PCI_CAP_ID_EXP);
	put16(p, CAP_EXP + PCI_EXP_FLAGS, 2 | PCI_EXP_TYPE_ENDPOINT << 4, 0);
	put32(p, CAP_EXP + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_FLR | PCI_EXP_DEVCAP_RBER | 2, 0);
	/* FLR is write-one, reads zero: pciconf_write() */
	put16(p, CAP_EXP + PCI_EXP_DEVCTL, 0x2810, 0x7fff);
	put32(p, CAP_EXP + PCI_EXP_LNKCAP, 0x00000c41, 0); /* 2.5 GT/s, four lanes */
	put16(p, CAP_EXP + PCI_EXP_LNKCTL, 0, 0x01c3);
	put16(p, CAP_EXP + PCI_EXP_LNKSTA, 0x0041, 0);
	put32(p, CAP_EXP + PCI_EXP_DEVCAP2, 0, 0);
	put16(p, CAP_EXP + PCI_EXP_DEVCTL2, 0, 0x001f);
}

void pciconf_reset(struct pciconf *p)
{
	/* The client's record of the BARs outlives a reset (PCIe base specification 6.6.2 leaves restoring
	 * them to software, and some clients do not): only what enables the function goes.
	 */
	p->data[PCI_COMMAND] = 0;
	p->data[PCI_COMMAND + 1] = 0;
	p->data[CAP_MSI + PCI_MSI_FLAGS] &= (uint8_t)~PCI_MSI_FLAGS_ENABLE;
	p->data[CAP_MSIX + PCI_MSIX_FLAGS + 1] &=
		(uint8_t) ~((PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8);
	p->data[CAP_PM + PCI_PM_CTRL] &= (uint8_t)~PCI_PM_CTRL_STATE_MASK;
}

int pciconf_read(const struct pciconf *p, uint64_t offset, void *buf, uint32_t count)
{
	if (offset > PCICONF_SIZE || count > PCICONF_SIZE - offset)
		return -EINVAL;
	memcpy(buf, p->data + offset, count);
	return 0;
}

int pciconf_write(struct pciconf *p, uint64_t offset, const void *buf, uint32_t count)
{
	const uint8_t *b = buf;

	if (offset > PCICONF_SIZE || count > PCICONF_SIZE - offset)
		return -EINVAL;
	for (uint32_t i = 0; i < count; i++) {
		uint8_t *at = &p->data[offset + i], mask = p->writable[offset + i];

		*at = (uint8_t)((*at & ~mask) | (b[i] & mask));
		if (offset + i == CAP_EXP + PCI_EXP_DEVCTL + 1 && b[i] & PCI_EXP_DEVCTL_BCR_FLR >> 8)
			p->flr = true;
	}
	return 0;
}

bool pciconf_memory_enabled(const struct pciconf *p)
{
	return p->data[PCI_COMMAND] & PCI_COMMAND_MEMORY;
}

bool pciconf_bus_master(const struct pciconf *p)
{
	return p->data[PCI_COMMAND] & PCI_COMMAND_MASTER;
}

bool pciconf_intx_disabled(const struct pciconf *p)
{
	return get16(p, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE;
}
