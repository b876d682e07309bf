/* SPDX-License-Identifier: BSD-3-Clause */
/* Reset and identity of the 82576 (datasheet 4.3 reset, 4.5 initialization; Linux igb e1000_82575.c
 * igb_reset_hw_82575() for the order). */
#include "drivers/igb/igb.h"
#include "core/base/clock.h"
#include "core/base/reason.h"

#include <errno.h>
#include <string.h>

bool igb_check_removed(struct igb *g)
{
	if (likely(igb_rd32(g, E1000_STATUS) != UINT32_MAX))
		return netdev_is_removed(g->dev);
	netdev_removed(g->dev);
	return true;
}

int igb_wait(struct igb *g, uint32_t reg, uint32_t mask, uint32_t want, unsigned int us)
{
	uint64_t deadline = unapi_clock_ns() + us * NSEC_PER_USEC;

	for (;;) {
		bool last = unapi_clock_ns() >= deadline; /* asked before the look, so that one follows it */
		uint32_t val = igb_rd32(g, reg);

		if (val == UINT32_MAX && igb_check_removed(g))
			return unapi_fail(ENODEV, "%s: the device is gone", g->dev->name);
		if ((val & mask) == want)
			return 0;
		if (last)
			return -ETIMEDOUT;
		unapi_clock_sleep(10 * NSEC_PER_USEC);
	}
}

/* No new DMA requests; pending ones end (datasheet 5.2.3.3). A device that does not say so is reset all the
 * same. */
static void disable_master(struct igb *g)
{
	igb_wr32(g, E1000_CTRL, igb_rd32(g, E1000_CTRL) | E1000_CTRL_GIO_MASTER_DISABLE);
	if (igb_wait(g, E1000_STATUS, E1000_STATUS_GIO_MASTER_ENABLE, 0, 80000) == -ETIMEDOUT)
		unapi_log(UNAPI_LOG_WARN, "%s: DMA requests are still pending at reset", g->dev->name);
}

int igb_hw_reset(struct igb *g)
{
	int rc;

	if (igb_check_removed(g))
		return unapi_fail(ENODEV, "%s: the device does not answer (its registers read all ones)",
				  g->dev->name);
	disable_master(g);
	igb_wr32(g, E1000_IMC, UINT32_MAX);
	igb_wr32(g, E1000_EIMC, UINT32_MAX);
	igb_wr32(g, E1000_RCTL, 0);
	igb_wr32(g, E1000_TCTL, E1000_TCTL_PSP);
	igb_flush(g);
	unapi_clock_sleep(10 * NSEC_PER_MSEC); /* what is under way on the wire ends */

	igb_wr32(g, E1000_CTRL, igb_rd32(g, E1000_CTRL) | E1000_CTRL_RST);
	unapi_clock_sleep(NSEC_PER_MSEC); /* no access for a millisecond, datasheet 4.3.1 */
	rc = igb_wait(g, E1000_CTRL, E1000_CTRL_RST, 0, 100000);
	if (rc == -ETIMEDOUT)
		return unapi_fail(EIO, "%s: the reset does not end", g->dev->name);
	if (rc)
		return rc;
	/* The EEPROM is read again after a reset; without one the bit never comes. */
	if (igb_wait(g, E1000_EECD, E1000_EECD_AUTO_RD, E1000_EECD_AUTO_RD, 20000) == -ENODEV)
		return -ENODEV;
	igb_wr32(g, E1000_IMC, UINT32_MAX);
	igb_wr32(g, E1000_EIMC, UINT32_MAX);
	(void)igb_rd32(g, E1000_ICR);
	(void)igb_rd32(g, E1000_EICR);
	igb_wr32(g, E1000_CTRL_EXT, igb_rd32(g, E1000_CTRL_EXT) | E1000_CTRL_EXT_DRV_LOAD);
	return 0;
}

static bool valid_mac(const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return !(mac[0] & 1) && memcmp(mac, zero, 6);
}

/* Receive address 0, which the device loads from its EEPROM at reset (datasheet 8.10.15). */
int igb_hw_read_mac(struct igb *g)
{
	uint32_t low = igb_rd32(g, E1000_RAL(0)), high = igb_rd32(g, E1000_RAH(0));
	uint8_t *mac = g->dev->mac;

	for (unsigned int i = 0; i < 4; i++)
		mac[i] = (uint8_t)(low >> 8 * i);
	mac[4] = (uint8_t)high;
	mac[5] = (uint8_t)(high >> 8);
	if (!valid_mac(mac))
		return unapi_fail(EIO,
				  "%s: the device has no valid MAC address (%08x %08x): is its EEPROM blank?",
				  g->dev->name, low, high);
	return 0;
}

/* Leave the device quiet, and to its firmware. */
void igb_hw_release(struct igb *g)
{
	if (netdev_is_removed(g->dev))
		return;
	igb_wr32(g, E1000_RCTL, 0);
	igb_wr32(g, E1000_TCTL, E1000_TCTL_PSP);
	igb_irq_mask_all(g);
	disable_master(g);
	igb_wr32(g, E1000_CTRL_EXT, igb_rd32(g, E1000_CTRL_EXT) & ~E1000_CTRL_EXT_DRV_LOAD);
	igb_flush(g);
}
