/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many channels a device has, of which kind, and which queue falls on which.
 *
 * Channels are numbered: those that receive and transmit first, then those that only receive, then those that
 * only transmit. Queues of a kind are dealt out in turn over the channels that take it.
 */
#include "core/net/netdev_impl.h"
#include "core/base/reason.h"

#include <errno.h>

static bool is_asked(const struct unapi_dev_conf *c)
{
	return c->combined || c->rx_only || c->tx_only;
}

static unsigned int min(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

int netdev_check_channels(const struct net_device *dev, struct unapi_dev_conf *c)
{
	/* of 64 bits: the sum of any numbers */
	uint64_t rx = (uint64_t)c->combined + c->rx_only, tx = (uint64_t)c->combined + c->tx_only;
	const char *n = dev->name;

	if (!is_asked(c)) {
		c->rxq = c->rxq ? c->rxq : 1;
		c->txq = c->txq ? c->txq : 1;
		return 0;
	}
	if (!rx || !tx)
		return unapi_fail(EINVAL,
				  "%s: %u combined, %u rx and %u tx channels asked for: none would %s", n,
				  c->combined, c->rx_only, c->tx_only, rx ? "transmit" : "receive");
	if (rx > dev->max_rxq || tx > dev->max_txq)
		return unapi_fail(
			ERANGE,
			"%s: %u combined, %u rx and %u tx channels asked for; the device has %u rx and %u "
			"tx queues for them",
			n, c->combined, c->rx_only, c->tx_only, dev->max_rxq, dev->max_txq);
	if (dev->max_channels > 1 && rx + c->tx_only > dev->max_channels)
		return unapi_fail(
			ERANGE,
			"%s: %u channels asked for (%u combined, %u rx, %u tx); the device has interrupt "
			"vectors for %u",
			n, (unsigned int)rx + c->tx_only, c->combined, c->rx_only, c->tx_only,
			dev->max_channels);
	c->rxq = c->rxq ? c->rxq : (unsigned int)rx;
	c->txq = c->txq ? c->txq : (unsigned int)tx;
	if (c->rxq < rx || c->txq < tx)
		return unapi_fail(
			EINVAL,
			"%s: %u combined, %u rx and %u tx channels take %u rx and %u tx queues at least; "
			"%u and %u are asked for",
			n, c->combined, c->rx_only, c->tx_only, (unsigned int)rx, (unsigned int)tx, c->rxq,
			c->txq);
	return 0;
}

unsigned int netdev_channels_wanted(const struct net_device *dev)
{
	const struct unapi_dev_conf *c = &dev->conf;

	if (is_asked(c))
		return c->combined + c->rx_only + c->tx_only;
	return c->rxq > c->txq ? c->rxq : c->txq;
}

int netdev_lay_out(struct net_device *dev, unsigned int vectors)
{
	const struct unapi_dev_conf *c = &dev->conf;
	unsigned int wanted = netdev_channels_wanted(dev), n = min(wanted, vectors);
	struct channel_layout *l = &dev->layout;

	if (!is_asked(c)) {
		l->combined = min(n, min(c->rxq, c->txq));
		l->rx_only = c->rxq > c->txq ? n - l->combined : 0;
		l->tx_only = c->rxq > c->txq ? 0 : n - l->combined;
	} else if (n == wanted) {
		*l = (struct channel_layout){c->combined, c->rx_only, c->tx_only};
	} else if (dev->max_channels == 1 || dev->vfio->irq_mode != VFIO_IRQ_MSIX) {
		*l = (struct channel_layout){.combined = 1};
		unapi_log(UNAPI_LOG_WARN,
			  "%s: one interrupt for everything: one instance, not %u, serves all queues",
			  dev->name, wanted);
		return 1;
	} else {
		return unapi_fail(ENOSPC,
				  "%s: %u channels asked for; the system has interrupt vectors left for %u",
				  dev->name, wanted, vectors);
	}
	return (int)n;
}

unsigned int netdev_rx_channel(const struct net_device *dev, unsigned int q)
{
	return q % (dev->layout.combined + dev->layout.rx_only);
}

unsigned int netdev_tx_channel(const struct net_device *dev, unsigned int q)
{
	const struct channel_layout *l = &dev->layout;
	unsigned int i = q % (l->combined + l->tx_only);

	return i < l->combined ? i : i + l->rx_only;
}
