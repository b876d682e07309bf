/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/simnic/phy.h"
#include "core/base/clock.h"
#include "drivers/igb/igb_regs.h"

#include <string.h>

static void negotiate(struct phy *p)
{
	p->reg[MII_BMSR] &= (uint16_t)~MII_BMSR_AN_COMPLETE;
	p->reg[MII_LPA] = 0;
	p->reg[MII_STAT1000] = 0;
	p->done_at = p->carrier && p->reg[MII_BMCR] & MII_BMCR_AN_ENABLE &&
				     !(p->reg[MII_BMCR] & MII_BMCR_POWER_DOWN)
			     ? unapi_clock_ns() + p->delay_ns
			     : UINT64_MAX;
}

static void link_down(struct phy *p)
{
	p->link = false;
	p->reg[MII_BMSR] &= (uint16_t)~MII_BMSR_LINK_STATUS;
}

void phy_reset(struct phy *p)
{
	memset(p->reg, 0, sizeof(p->reg));
	p->reg[MII_BMCR] = MII_BMCR_AN_ENABLE | MII_BMCR_FULL_DUPLEX | MII_BMCR_SPEED_1000;
	/* 10 and 100 Mb/s in both duplexes, extended status, autonegotiation, extended registers */
	p->reg[MII_BMSR] = 0x7800 | MII_BMSR_EXT_STATUS | 0x0040 | MII_BMSR_AN_CAPABLE | 1;
	p->reg[MII_PHYSID1] = E1000_PHY_ID_82576 >> 16;
	p->reg[MII_PHYSID2] = E1000_PHY_ID_82576 & 0xffff;
	p->reg[MII_ADVERTISE] = 1 | MII_AN_10_HALF | MII_AN_10_FULL | MII_AN_100_HALF | MII_AN_100_FULL;
	p->reg[MII_CTRL1000] = MII_CTRL1000_FULL;
	p->reg[MII_ESTATUS] = MII_ESTATUS_1000_FULL;
	link_down(p);
	negotiate(p);
}

void phy_init(struct phy *p, uint64_t delay_ns)
{
	memset(p, 0, sizeof(*p));
	p->delay_ns = delay_ns;
	phy_reset(p);
}

void phy_set_carrier(struct phy *p, bool carrier)
{
	if (carrier == p->carrier)
		return;
	p->carrier = carrier;
	link_down(p);
	negotiate(p);
}

uint16_t phy_read(struct phy *p, unsigned int reg)
{
	uint16_t val = p->reg[reg];

	/* Link status latches low: the first read after a drop shows it, the next one the present. */
	if (reg == MII_BMSR && p->link)
		p->reg[MII_BMSR] |= MII_BMSR_LINK_STATUS;
	return val;
}

void phy_write(struct phy *p, unsigned int reg, uint16_t val)
{
	switch (reg) {
	case MII_BMCR:
		if (val & MII_BMCR_RESET) {
			phy_reset(p);
			return;
		}
		p->reg[MII_BMCR] = val & (uint16_t)~MII_BMCR_RESTART_AN;
		if (val & (MII_BMCR_RESTART_AN | MII_BMCR_POWER_DOWN)) {
			link_down(p);
			negotiate(p);
		}
		break;
	case MII_BMSR:
	case MII_PHYSID1:
	case MII_PHYSID2:
	case MII_LPA:
	case MII_EXPANSION:
	case MII_STAT1000:
	case MII_ESTATUS:
		break; /* read only */
	default:
		p->reg[reg] = val;
	}
}

bool phy_run(struct phy *p)
{
	if (p->done_at == UINT64_MAX || unapi_clock_ns() < p->done_at)
		return false;
	p->done_at = UINT64_MAX;
	p->reg[MII_BMSR] |= MII_BMSR_AN_COMPLETE | MII_BMSR_LINK_STATUS;
	p->reg[MII_LPA] =
		1 | MII_AN_ACK | MII_AN_100_FULL | MII_AN_100_HALF | MII_AN_10_FULL | MII_AN_10_HALF;
	p->reg[MII_STAT1000] = MII_STAT1000_LP_FULL | MII_STAT1000_LOCAL_OK | MII_STAT1000_REMOTE_OK;
	p->link = true;
	return true;
}
