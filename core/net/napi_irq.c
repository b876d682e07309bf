/* SPDX-License-Identifier: BSD-3-Clause */
/* An instance's interrupt, as this machine's kernel delivers it. */
#include "core/net/netdev_impl.h"
#include "core/base/reason.h"

#include <sched.h>

int unapi_napi_get_irq(const struct napi_struct *n, struct unapi_napi_irq *out)
{
	const struct channel *ch = container_of(n, struct channel, napi);
	const struct vfio_device *v = ch->dev->vfio;
	int rc;

	*out = (struct unapi_napi_irq){.vector = ch->vector, .irq = -1};
	rc = vfio_linux_irq(v, ch->vector);
	if (rc < 0)
		return rc;
	out->irq = rc;
	rc = vfio_irq_get_affinity(v, out->irq, "smp", out->affinity, sizeof(out->affinity));
	/* Some kernels do not tell where it goes of the CPUs where it may. */
	if (!rc && vfio_irq_get_affinity(v, out->irq, "effective", out->effective, sizeof(out->effective)))
		out->effective[0] = '\0';
	return rc;
}

/* Where the CPUs of an instance's interrupt are remembered; NULL: nowhere, it has no slot. */
static cpu_set_t *kept(const struct napi_struct *n)
{
	struct net_device *dev = container_of(n, struct channel, napi)->dev;

	return n->config ? &dev->irq_affinity[n->config - dev->napi_config] : NULL;
}

int unapi_napi_set_irq_affinity(struct napi_struct *n, const unsigned int *cpus, unsigned int nr_cpus)
{
	const struct channel *ch = container_of(n, struct channel, napi);
	int rc = vfio_irq_set_affinity(ch->dev->vfio, ch->vector, cpus, nr_cpus);
	cpu_set_t *set = kept(n);

	if (rc || !set)
		return rc;
	CPU_ZERO(set);
	for (unsigned int i = 0; i < nr_cpus; i++)
		if (cpus[i] < CPU_SETSIZE)
			CPU_SET(cpus[i], set);
	return 0;
}

static int restore(struct napi_struct *n, const cpu_set_t *set)
{
	unsigned int cpus[CPU_SETSIZE], nr = 0;

	for (unsigned int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, set))
			cpus[nr++] = cpu;
	return nr ? unapi_napi_set_irq_affinity(n, cpus, nr) : 0;
}

/* The vectors may be other interrupts now. One that cannot go where it was is left where it is. */
void netdev_irq_affinity_restore(struct net_device *dev)
{
	struct napi_struct *n;

	list_for_each_entry (n, &dev->napi_list, dev_list) {
		const cpu_set_t *set = kept(n);

		if (set && restore(n, set))
			unapi_log(UNAPI_LOG_WARN, "%s: its interrupt does not go where it went before: %s",
				  n->name, unapi_reason());
	}
}
