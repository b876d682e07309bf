/* SPDX-License-Identifier: BSD-3-Clause */
/* The link: the internal copper PHY over MDIC (datasheet 3.5.2, 8.2.4; registers of IEEE 802.3 clause 22),
 * and STATUS. */
#include "drivers/igb/igb.h"
#include "core/base/reason.h"

#include <errno.h>

static int mdic(struct igb *g, uint32_t op, unsigned int reg, uint16_t *data)
{
	int rc;

	igb_wr32(g, E1000_MDIC,
		 op | reg << E1000_MDIC_REG_SHIFT | E1000_PHY_ADDR << E1000_MDIC_PHY_SHIFT | *data);
	rc = igb_wait(g, E1000_MDIC, E1000_MDIC_READY, E1000_MDIC_READY, 2000);
	if (rc == -ETIMEDOUT)
		return unapi_fail(EIO, "%s: the PHY does not answer", g->dev->name);
	if (rc)
		return rc;
	*data = (uint16_t)(igb_rd32(g, E1000_MDIC) & E1000_MDIC_DATA_MASK);
	return 0;
}

static int phy_read(struct igb *g, unsigned int reg, uint16_t *val)
{
	*val = 0;
	return mdic(g, E1000_MDIC_OP_READ, reg, val);
}

static int phy_write(struct igb *g, unsigned int reg, uint16_t val)
{
	return mdic(g, E1000_MDIC_OP_WRITE, reg, &val);
}

/*
 * The PHY is shared with the management firmware: bits 15:0 of SW_FW_SYNC are ours, 31:16 the firmware's, and
 * SWSM.SMBI and SWESMBI guard the register itself (datasheet 4.6.12). SMBI is taken by the read that finds it
 * clear.
 */
static int lock_sync(struct igb *g)
{
	int rc = igb_wait(g, E1000_SWSM, E1000_SWSM_SMBI, 0, 50000);

	if (rc == -ETIMEDOUT) {
		/* Left behind by a driver that was killed: nobody else drives the device while we have it. */
		igb_wr32(g, E1000_SWSM, igb_rd32(g, E1000_SWSM) & ~(E1000_SWSM_SMBI | E1000_SWSM_SWESMBI));
		rc = 0;
	}
	if (rc)
		return rc;
	igb_wr32(g, E1000_SWSM, igb_rd32(g, E1000_SWSM) | E1000_SWSM_SWESMBI);
	rc = igb_wait(g, E1000_SWSM, E1000_SWSM_SWESMBI, E1000_SWSM_SWESMBI, 50000);
	return rc == -ETIMEDOUT
		       ? unapi_fail(EBUSY, "%s: the firmware does not share its semaphore", g->dev->name)
		       : rc;
}

static void unlock_sync(struct igb *g)
{
	igb_wr32(g, E1000_SWSM, igb_rd32(g, E1000_SWSM) & ~(E1000_SWSM_SMBI | E1000_SWSM_SWESMBI));
}

static uint32_t phy_bit(struct igb *g)
{
	uint32_t func = (igb_rd32(g, E1000_STATUS) & E1000_STATUS_FUNC_MASK) >> E1000_STATUS_FUNC_SHIFT;

	return func ? E1000_SWFW_PHY1_SM : E1000_SWFW_PHY0_SM;
}

static int lock_phy(struct igb *g)
{
	uint32_t bit = phy_bit(g);
	int rc = igb_wait(g, E1000_SW_FW_SYNC, bit << E1000_SWFW_FW_SHIFT, 0, 200000);

	if (rc == -ETIMEDOUT)
		return unapi_fail(EBUSY, "%s: the firmware keeps the PHY to itself", g->dev->name);
	if (!rc)
		rc = lock_sync(g);
	if (rc)
		return rc;
	igb_wr32(g, E1000_SW_FW_SYNC, igb_rd32(g, E1000_SW_FW_SYNC) | bit);
	unlock_sync(g);
	return 0;
}

static void unlock_phy(struct igb *g)
{
	if (lock_sync(g))
		return;
	igb_wr32(g, E1000_SW_FW_SYNC, igb_rd32(g, E1000_SW_FW_SYNC) & ~phy_bit(g));
	unlock_sync(g);
}

/* Offer everything up to 1000 Mb/s full duplex and negotiate anew: some PHYs give no link before that. */
static int negotiate(struct igb *g)
{
	uint16_t bmcr;
	int rc;

	rc = phy_write(g, MII_ADVERTISE,
		       0x0001 /* IEEE 802.3 */ | MII_AN_10_HALF | MII_AN_10_FULL | MII_AN_100_HALF |
			       MII_AN_100_FULL);
	if (!rc)
		rc = phy_write(g, MII_CTRL1000, MII_CTRL1000_FULL);
	if (!rc)
		rc = phy_read(g, MII_BMCR, &bmcr);
	if (!rc)
		rc = phy_write(
			g, MII_BMCR,
			(uint16_t)((bmcr & ~MII_BMCR_POWER_DOWN) | MII_BMCR_AN_ENABLE | MII_BMCR_RESTART_AN));
	return rc;
}

int igb_phy_setup(struct igb *g)
{
	uint32_t ctrl = igb_rd32(g, E1000_CTRL);
	int rc;

	/* Speed and duplex come from the PHY; no pause frames, since a full ring must not stop the others. */
	ctrl &= ~(E1000_CTRL_FRCSPD | E1000_CTRL_FRCDPX | E1000_CTRL_RFCE | E1000_CTRL_TFCE |
		  E1000_CTRL_GIO_MASTER_DISABLE);
	igb_wr32(g, E1000_CTRL, ctrl | E1000_CTRL_SLU);
	rc = lock_phy(g);
	if (rc)
		return rc;
	rc = negotiate(g);
	unlock_phy(g);
	return rc;
}

void igb_link_read(struct igb *g, struct unapi_link *link)
{
	uint32_t status = igb_rd32(g, E1000_STATUS);

	*link = (struct unapi_link){.autoneg = true};
	if (status == UINT32_MAX || !(status & E1000_STATUS_LU))
		return;
	link->up = true;
	link->full_duplex = status & E1000_STATUS_FD;
	switch (status & E1000_STATUS_SPEED_MASK) {
	case E1000_STATUS_SPEED_10:
		link->speed = 10;
		break;
	case E1000_STATUS_SPEED_100:
		link->speed = 100;
		break;
	default:
		link->speed = 1000;
	}
}

void igb_link_check(struct igb *g)
{
	struct unapi_link now;

	if (igb_check_removed(g))
		return;
	igb_link_read(g, &now);
	if (now.up == g->dev->link.up)
		return;
	g->dev->link = now;
	netdev_event(g->dev, now.up ? UNAPI_DEV_LINK_UP : UNAPI_DEV_LINK_DOWN);
}
