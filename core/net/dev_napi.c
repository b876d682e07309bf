/* SPDX-License-Identifier: BSD-3-Clause */
/* A device's NAPI instances: added, deleted, listed, and set all at once. */
#include "core/net/netdev_impl.h"
#include "core/base/reason.h"

#include <errno.h>
#include <stdio.h>

#define NO_SLOT (-1)

void netdev_napi_init(struct net_device *dev)
{
	unsigned int i;

	INIT_LIST_HEAD(&dev->napi_list);
	for (i = 0; i < NETDEV_MAX_NAPI; i++)
		unapi_napi_config_init(&dev->napi_config[i]);
}

/* An instance that has yet to get an id gets one above all others. */
static unsigned int id_to_be(const struct napi_struct *n)
{
	if (n->napi_id)
		return n->napi_id;
	return n->config && n->config->napi_id ? n->config->napi_id : UINT32_MAX;
}

static void list_by_id(struct net_device *dev, struct napi_struct *n)
{
	struct list_head *above = &dev->napi_list;
	struct napi_struct *other;

	list_for_each_entry (other, &dev->napi_list, dev_list) {
		if (id_to_be(other) <= id_to_be(n))
			break;
		above = &other->dev_list;
	}
	list_add(&n->dev_list, above);
}

static bool is_listed(const struct napi_struct *n)
{
	return READ_ONCE(n->state) & NAPIF(NAPI_STATE_LISTED);
}

static int add(struct net_device *dev, struct napi_struct *n, napi_poll_fn poll, int weight, int slot)
{
	struct channel *ch = container_of(n, struct channel, napi);
	unsigned int i = dev->nr_channels;
	uint8_t number = (uint8_t)(slot == NO_SLOT ? i : (unsigned int)slot);
	char name[sizeof(n->name)];
	int rc;

	if (!dev->conf.nr_ctx)
		return unapi_fail(EINVAL, "%s: instances are added in its configuration, which has contexts",
				  dev->name);
	if (i == NETDEV_MAX_NAPI && !is_listed(n))
		return unapi_fail(ENOSPC, "%s: more than %d NAPI instances", dev->name, NETDEV_MAX_NAPI);
	/* A long device string keeps its beginning, and the number, which tells instances apart. */
	snprintf(name, sizeof(name), "%.*s-%u", (int)sizeof(name) - 5, dev->name, number);
	rc = unapi_napi_add(n, dev->conf.ctx[i % dev->conf.nr_ctx], name, poll, weight);
	if (rc)
		return rc;
	if (slot == NO_SLOT) {
		unapi_napi_set_gro_flush_timeout(n, dev->gro_flush_timeout);
		unapi_napi_set_defer_hard_irqs(n, dev->napi_defer_hard_irqs);
		napi_set_threaded(n, dev->threaded); /* its thread comes when it is enabled */
	} else {
		rc = unapi_napi_set_config(n, &dev->napi_config[slot]);
		if (rc) {
			unapi_napi_del(n);
			return rc;
		}
	}
	unapi_napi_set_tick_context(n, dev->conf.ctx[0]); /* where stats.c ticks */
	ch->dev = dev;
	ch->index = (uint16_t)i;
	ch->produced = NULL;
	gate_init(&ch->walk);
	gate_open(&ch->walk);
	dev->channels[dev->nr_channels++] = ch;
	list_by_id(dev, n);
	return 0;
}

int netif_napi_add_weight(struct net_device *dev, struct napi_struct *n, napi_poll_fn poll, int weight)
{
	return add(dev, n, poll, weight, NO_SLOT);
}

int netif_napi_add(struct net_device *dev, struct napi_struct *n, napi_poll_fn poll)
{
	return add(dev, n, poll, NAPI_POLL_WEIGHT, NO_SLOT);
}

int netif_napi_add_tx(struct net_device *dev, struct napi_struct *n, napi_poll_fn poll)
{
	int rc = add(dev, n, poll, NAPI_POLL_WEIGHT, NO_SLOT);

	if (!rc)
		unapi_napi_no_id(n);
	return rc;
}

int netif_napi_add_config(struct net_device *dev, struct napi_struct *n, napi_poll_fn poll, int index)
{
	if (index < 0 || index >= NETDEV_MAX_NAPI)
		return unapi_fail(ERANGE, "%s: no slot %d for an instance's settings; there are 0..%d",
				  dev->name, index, NETDEV_MAX_NAPI - 1);
	return add(dev, n, poll, NAPI_POLL_WEIGHT, index);
}

int netif_napi_del(struct napi_struct *n)
{
	struct channel *ch = container_of(n, struct channel, napi);
	struct net_device *dev = ch->dev;
	unsigned int i;
	int rc;

	/* Its queues are released only if it can be deleted, and before: they may schedule it. */
	if (is_listed(n) && READ_ONCE(n->state) & NAPIF(NAPI_STATE_NPSVC) && !unapi_in_poll())
		netdev_release_produced(ch);
	rc = unapi_napi_del(n);
	if (rc)
		return rc;
	list_del_init(&n->dev_list);
	for (i = ch->index; i + 1 < dev->nr_channels; i++) {
		dev->channels[i] = dev->channels[i + 1];
		dev->channels[i]->index = (uint16_t)i;
	}
	dev->channels[--dev->nr_channels] = NULL;
	return 0;
}

/* A slot that an instance has follows the instance. */
#define for_each_free_slot(slot, dev)                                                        \
	for (slot = (dev)->napi_config; slot < (dev)->napi_config + NETDEV_MAX_NAPI; slot++) \
		if (!slot->user)

int unapi_dev_set_gro_flush_timeout(struct net_device *dev, uint64_t ns)
{
	struct napi_config *slot;
	struct napi_struct *n;

	WRITE_ONCE(dev->gro_flush_timeout, ns);
	list_for_each_entry (n, &dev->napi_list, dev_list)
		unapi_napi_set_gro_flush_timeout(n, ns);
	for_each_free_slot(slot, dev) slot->gro_flush_timeout = ns;
	return 0;
}

uint64_t unapi_dev_gro_flush_timeout(const struct net_device *dev)
{
	return READ_ONCE(dev->gro_flush_timeout);
}

int unapi_dev_set_napi_defer_hard_irqs(struct net_device *dev, uint64_t polls)
{
	struct napi_config *slot;
	struct napi_struct *n;

	if (polls > INT32_MAX)
		return unapi_fail(ERANGE, "%s: napi_defer_hard_irqs %llu is above %d", dev->name,
				  (unsigned long long)polls, INT32_MAX);
	WRITE_ONCE(dev->napi_defer_hard_irqs, (uint32_t)polls);
	list_for_each_entry (n, &dev->napi_list, dev_list)
		unapi_napi_set_defer_hard_irqs(n, (uint32_t)polls);
	for_each_free_slot(slot, dev) slot->defer_hard_irqs = (uint32_t)polls;
	return 0;
}

uint32_t unapi_dev_napi_defer_hard_irqs(const struct net_device *dev)
{
	return READ_ONCE(dev->napi_defer_hard_irqs);
}

/* As the kernel does, an instance that gets no thread leaves the whole device without. One that does not lose
 * its thread keeps it, and the others lose theirs. */
static int set_threaded(struct net_device *dev, enum netdev_napi_threaded threaded)
{
	struct napi_config *slot;
	struct napi_struct *n;
	int rc = 0;

	list_for_each_entry (n, &dev->napi_list, dev_list) {
		int failed = napi_set_threaded(n, threaded);

		rc = rc ? rc : failed;
		if (rc && threaded)
			break;
	}
	if (rc && threaded)
		return rc;
	WRITE_ONCE(dev->threaded, threaded);
	for_each_free_slot(slot, dev) slot->threaded = threaded;
	return rc;
}

int unapi_dev_set_threaded(struct net_device *dev, unsigned int threaded)
{
	int rc;

	if (unapi_in_poll())
		return unapi_fail(EDEADLK, "%s: set threaded from a poll method", dev->name);
	if (list_empty(&dev->napi_list))
		return unapi_fail(EOPNOTSUPP,
				  "%s: it has no NAPI instance to be threaded; configure it first",
				  dev->name);
	if (threaded > NETDEV_NAPI_THREADED_ENABLED)
		return unapi_fail(
			EOPNOTSUPP,
			"%s: threaded of a device can be 0 or 1, not %u; instances can be set apart",
			dev->name, threaded);
	rc = set_threaded(dev, (enum netdev_napi_threaded)threaded);
	if (rc && threaded) {
		rc = unapi_fail_at(rc, "%s: not threaded", dev->name);
		set_threaded(dev, NETDEV_NAPI_THREADED_DISABLED);
	}
	return rc;
}

unsigned int unapi_dev_threaded(const struct net_device *dev)
{
	return READ_ONCE(dev->threaded);
}
