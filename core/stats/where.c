/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/stats/protocol.h"
#include "core/base/reason.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int stats_directory(char *path, size_t size)
{
	const char *given = getenv("UNAPI_RUN_DIR"), *run = getenv("XDG_RUNTIME_DIR");
	int len;

	if (given && given[0] == '/')
		len = snprintf(path, size, "%s", given);
	else if (!geteuid() && !access("/run", W_OK))
		len = snprintf(path, size, "/run/unapi");
	else if (geteuid() && run && run[0] == '/' && !access(run, W_OK))
		len = snprintf(path, size, "%s/unapi", run);
	else
		len = snprintf(path, size, "/tmp/unapi-%u", geteuid());
	if (len < 0 || (size_t)len >= size)
		return unapi_fail(ENAMETOOLONG, "the directory for statistics sockets has too long a name");
	return 0;
}
