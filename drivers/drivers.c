/* SPDX-License-Identifier: BSD-3-Clause */
/* The one place that names every driver. */
#include "core/net/netdev.h"
#include "drivers/igb/igb.h"

const struct net_driver *const net_drivers[] = {
	&igb_driver,
	NULL,
};
