/* SPDX-License-Identifier: BSD-3-Clause */
/* An instance's interrupt, as this machine's kernel delivers it. */
#include "core/net/netdev.h"

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

int unapi_napi_set_irq_affinity(struct napi_struct *n, const unsigned int *cpus, unsigned int nr_cpus)
{
	const struct channel *ch = container_of(n, struct channel, napi);

	return vfio_irq_set_affinity(ch->dev->vfio, ch->vector, cpus, nr_cpus);
}
