/* SPDX-License-Identifier: BSD-3-Clause */
/* The copper PHY behind MDIC: clause 22 registers and autonegotiation that takes time. */
#ifndef SIMNIC_PHY_H
#define SIMNIC_PHY_H

#include <stdbool.h>
#include <stdint.h>

struct phy {
	uint16_t reg[32];
	uint64_t delay_ns;
	uint64_t done_at; /* when autonegotiation completes, UINT64_MAX: it is not running */
	bool carrier;	  /* somebody is at the other end of the wire */
	bool link;
};

void phy_init(struct phy *p, uint64_t delay_ns);
/* Registers to their defaults; negotiates afresh. */
void phy_reset(struct phy *p);
void phy_set_carrier(struct phy *p, bool carrier);

uint16_t phy_read(struct phy *p, unsigned int reg);
void phy_write(struct phy *p, unsigned int reg, uint16_t val);

/* Let time pass; true when the link has just come up. */
bool phy_run(struct phy *p);

#endif
