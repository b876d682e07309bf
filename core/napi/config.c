/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Settings of instances, and the slots that keep them.
 *
 * An instance with a slot has each setting twice: its own, which the data path reads, and the slot's, which
 * is there while no instance is. Both are written under the control lock, so that of two writers one wins in
 * both places; the data path's loads need no lock.
 */
#include "core/napi/internal.h"

#include <errno.h>

void unapi_napi_config_init(struct napi_config *config)
{
	*config = (struct napi_config){.thread_conf = NAPI_THREAD_ANYWHERE};
}

int unapi_napi_set_config(struct napi_struct *n, struct napi_config *config)
{
	int rc = napi_check_rest(n, "the slot of its settings");

	if (rc)
		return rc;
	pthread_mutex_lock(&napi_control_lock);
	if (config && config->user && config->user != n) {
		rc = unapi_fail(EBUSY, "%s: the slot of its settings is used by instance %s", n->name,
				config->user->name);
	} else {
		napi_config_release(n);
		n->config = config;
	}
	if (!rc && config) {
		config->user = n;
		WRITE_ONCE(n->defer_hard_irqs, config->defer_hard_irqs);
		WRITE_ONCE(n->gro_flush_timeout, config->gro_flush_timeout);
		WRITE_ONCE(n->irq_suspend_timeout, config->irq_suspend_timeout);
		WRITE_ONCE(n->threaded, config->threaded);
		n->thread_conf = config->thread_conf;
	}
	pthread_mutex_unlock(&napi_control_lock);
	return rc;
}

void napi_config_release(struct napi_struct *n)
{
	if (n->config)
		n->config->user = NULL;
	n->config = NULL;
}

void napi_config_keep_thread(struct napi_struct *n)
{
	pthread_mutex_lock(&napi_control_lock);
	if (n->config) {
		n->config->threaded = n->threaded;
		n->config->thread_conf = n->thread_conf;
	}
	pthread_mutex_unlock(&napi_control_lock);
}

int unapi_napi_set_defer_hard_irqs(struct napi_struct *n, uint32_t polls)
{
	if (polls > INT32_MAX)
		return unapi_fail(ERANGE, "%s: defer_hard_irqs %u is above %d", n->name, polls, INT32_MAX);
	pthread_mutex_lock(&napi_control_lock);
	WRITE_ONCE(n->defer_hard_irqs, polls);
	if (n->config)
		n->config->defer_hard_irqs = polls;
	pthread_mutex_unlock(&napi_control_lock);
	return 0;
}

uint32_t unapi_napi_defer_hard_irqs(const struct napi_struct *n)
{
	return READ_ONCE(n->defer_hard_irqs);
}

int unapi_napi_set_gro_flush_timeout(struct napi_struct *n, uint64_t ns)
{
	pthread_mutex_lock(&napi_control_lock);
	WRITE_ONCE(n->gro_flush_timeout, ns);
	if (n->config)
		n->config->gro_flush_timeout = ns;
	pthread_mutex_unlock(&napi_control_lock);
	return 0;
}

uint64_t unapi_napi_gro_flush_timeout(const struct napi_struct *n)
{
	return READ_ONCE(n->gro_flush_timeout);
}

int unapi_napi_set_irq_suspend_timeout(struct napi_struct *n, uint64_t ns)
{
	pthread_mutex_lock(&napi_control_lock);
	WRITE_ONCE(n->irq_suspend_timeout, ns);
	if (n->config)
		n->config->irq_suspend_timeout = ns;
	pthread_mutex_unlock(&napi_control_lock);
	return 0;
}

uint64_t unapi_napi_irq_suspend_timeout(const struct napi_struct *n)
{
	return READ_ONCE(n->irq_suspend_timeout);
}

/* Everything is checked before anything is changed. What can still fail then, the thread, comes first. */
int unapi_napi_set(struct napi_struct *n, const struct unapi_napi_params *p)
{
	unsigned int unknown = p->given & ~UNAPI_NAPI_ALL;
	int rc = 0;

	if (!(napi_state_read(&n->state) & NAPIF_LISTED))
		return napi_not_added(n, "set");
	if (unknown)
		return unapi_fail(EINVAL, "%s: no setting has bit %#x", n->name, unknown);
	if (p->given & UNAPI_NAPI_THREADED && (unsigned int)p->threaded > NETDEV_NAPI_THREADED_BUSY_POLL)
		return unapi_fail(EINVAL, "%s: threaded can be 0, 1 or 2 (busy poll), not %d", n->name,
				  (int)p->threaded);
	if (p->given & UNAPI_NAPI_DEFER_HARD_IRQS && p->defer_hard_irqs > INT32_MAX)
		return unapi_fail(ERANGE, "%s: defer_hard_irqs %u is above %d", n->name, p->defer_hard_irqs,
				  INT32_MAX);
	if (p->given & UNAPI_NAPI_THREADED)
		rc = napi_set_threaded(n, p->threaded);
	if (rc)
		return rc;
	if (p->given & UNAPI_NAPI_DEFER_HARD_IRQS)
		unapi_napi_set_defer_hard_irqs(n, p->defer_hard_irqs);
	if (p->given & UNAPI_NAPI_IRQ_SUSPEND_TIMEOUT)
		unapi_napi_set_irq_suspend_timeout(n, p->irq_suspend_timeout);
	if (p->given & UNAPI_NAPI_GRO_FLUSH_TIMEOUT)
		unapi_napi_set_gro_flush_timeout(n, p->gro_flush_timeout);
	return 0;
}

void unapi_napi_get(const struct napi_struct *n, struct unapi_napi_params *p)
{
	*p = (struct unapi_napi_params){
		.given = UNAPI_NAPI_ALL,
		.threaded = napi_get_threaded(n),
		.defer_hard_irqs = READ_ONCE(n->defer_hard_irqs),
		.irq_suspend_timeout = READ_ONCE(n->irq_suspend_timeout),
		.gro_flush_timeout = READ_ONCE(n->gro_flush_timeout),
	};
}
