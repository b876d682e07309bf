/* SPDX-License-Identifier: BSD-3-Clause */
/* A device string, and the carrier it names. */
#include "core/base/reason.h"
#include "core/pci/pci.h"
#include "core/vfio/device.h"
#include "core/vfio/user.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int user_connect(const char *path, int *fd)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int s, rc;

	if (strlen(path) >= sizeof(sa.sun_path))
		return unapi_fail(EINVAL, "vfio-user:%s: a socket's path has at most %zu characters", path,
				  sizeof(sa.sun_path) - 1);
	strcpy(sa.sun_path, path);
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return unapi_fail(errno, "vfio-user:%s: no socket: %s", path, strerror(errno));
	if (connect(s, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		rc = errno;
		close(s);
		return unapi_fail(rc, "vfio-user:%s: connecting failed: %s%s", path, strerror(rc),
				  rc == ENOENT || rc == ECONNREFUSED ? " (is the device server running?)"
								     : "");
	}
	*fd = s;
	return 0;
}

static int open_sim(const char *spec, const char *what, struct vfio_device **out)
{
	char model[16];
	const char *comma = strchr(what, ',');
	size_t n = comma ? (size_t)(comma - what) : strlen(what);
	pid_t child;
	int fd, rc;

	if (n == 0 || n >= sizeof(model))
		return unapi_fail(EINVAL, "%s: the simulated NIC's model is missing: sim:igb", spec);
	memcpy(model, what, n);
	model[n] = '\0';
	if (strspn(model, "abcdefghijklmnopqrstuvwxyz0123456789") != n)
		return unapi_fail(EINVAL, "%s: no such simulated NIC; there is sim:igb", spec);
	rc = user_spawn_sim(model, comma ? comma + 1 : "", &fd, &child);
	return rc ? rc : vfio_user_attach(fd, spec, child, out);
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
		return rc ? rc : vfio_user_attach(fd, spec, 0, out);
	}
	if (pci_parse_bdf(spec, bdf))
		return vfio_open_kernel(bdf, out);
	return unapi_fail(EINVAL,
			  "%s: not a device: give 0000:03:00.0 (PCI), vfio-user:/path/to/socket or sim:igb",
			  spec);
}
