/* SPDX-License-Identifier: BSD-3-Clause */
/* A device string, and the carrier it names. */
#include "core/base/reason.h"
#include "core/pci/pci.h"
#include "core/vfio/device.h"
#include "core/vfio/user.h"

#include <errno.h>
#include <string.h>

static int open_sim(const char *spec, const char *what, struct vfio_device **out)
{
	char model[16];
	const char *comma = strchr(what, ',');
	size_t n = comma ? (size_t)(comma - what) : strlen(what);
	struct user_child child;
	int fd, rc;

	if (n == 0 || n >= sizeof(model))
		return unapi_fail(EINVAL, "%s: the simulated NIC's model is missing: sim:igb", spec);
	memcpy(model, what, n);
	model[n] = '\0';
	if (strspn(model, "abcdefghijklmnopqrstuvwxyz0123456789") != n)
		return unapi_fail(EINVAL, "%s: no such simulated NIC; there is sim:igb", spec);
	rc = user_spawn_sim(spec, model, comma ? comma + 1 : "", &fd, &child);
	return rc ? rc : vfio_user_attach(fd, spec, &child, out);
}

int vfio_open(const char *spec, struct vfio_device **out)
{
	char bdf[PCI_BDF_LEN];
	int fd, rc;

	*out = NULL;
	if (!strncmp(spec, "sim:", 4))
		return open_sim(spec, spec + 4, out);
	if (!strncmp(spec, "vfio-user:", 10)) {
		rc = user_connect(spec + 10, &fd);
		return rc ? rc : vfio_user_attach(fd, spec, NULL, out);
	}
	if (pci_parse_bdf(spec, bdf))
		return vfio_open_kernel(bdf, out);
	return unapi_fail(EINVAL,
			  "%s: not a device: give 0000:03:00.0 (PCI), vfio-user:/path/to/socket or sim:igb",
			  spec);
}
