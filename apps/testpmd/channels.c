/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "channels.h"
#include "port.h"

const char *channels_irq(const struct napi_struct *n, char *text, size_t size)
{
	struct unapi_napi_irq irq;
	int rc = unapi_napi_get_irq(n, &irq);

	if (irq.irq >= 0 && irq.effective[0])
		snprintf(text, size, "interrupt %d on CPUs %s (now %s)", irq.irq, irq.affinity,
			 irq.effective);
	else if (irq.irq >= 0)
		snprintf(text, size, "interrupt %d on CPUs %s", irq.irq, irq.affinity);
	else if (rc == -EOPNOTSUPP)
		snprintf(text, size, "no interrupt of this machine");
	else
		snprintf(text, size, "interrupt unknown: %s", unapi_reason());
	return text;
}

void channels_show(const struct port *port)
{
	struct unapi_dev_info info;
	struct napi_struct *n;

	unapi_dev_get_info(port->dev, &info);
	printf("Channels: %u combined, %u RX, %u TX (max %u in all)\n", info.combined, info.rx_only,
	       info.tx_only, info.max_channels);
	for (unsigned int i = 0; (n = unapi_dev_napi(port->dev, i)); i++) {
		char rx[64], tx[64], irq[320];
		struct unapi_napi_irq where;

		port_napi_queues(port, n, true, rx, sizeof(rx));
		port_napi_queues(port, n, false, tx, sizeof(tx));
		unapi_napi_get_irq(n, &where);
		printf("NAPI instance %u: RX queues %s, TX queues %s, vector %u, %s\n", i, *rx ? rx : "none",
		       *tx ? tx : "none", where.vector, channels_irq(n, irq, sizeof(irq)));
	}
}
