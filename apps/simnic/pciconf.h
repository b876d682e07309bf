/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration space of the simulated function: 82576EB datasheet, chapter 9. */
#ifndef SIMNIC_PCICONF_H
#define SIMNIC_PCICONF_H

#include <stdbool.h>
#include <stdint.h>

#define PCICONF_SIZE	 4096u
#define PCI_BAR_COUNT	 6
#define SIM_BAR0_SIZE	 0x20000u
#define SIM_BAR3_SIZE	 0x4000u
#define SIM_MSIX_VECTORS 10u
#define SIM_MSIX_PBA	 0x2000u

struct sim_options;

struct pciconf {
	uint8_t data[PCICONF_SIZE];
	uint8_t writable[PCICONF_SIZE]; /* a mask for each byte */
	bool flr; /* the client asked for a function level reset: whoever sees it clears it */
};

void pciconf_init(struct pciconf *p, const struct sim_options *o);

/* What a function level reset does to it: back to power-up values. */
void pciconf_reset(struct pciconf *p);

int pciconf_read(const struct pciconf *p, uint64_t offset, void *buf, uint32_t count);
int pciconf_write(struct pciconf *p, uint64_t offset, const void *buf, uint32_t count);

bool pciconf_memory_enabled(const struct pciconf *p);
bool pciconf_bus_master(const struct pciconf *p);
bool pciconf_intx_disabled(const struct pciconf *p);

#endif
