/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/trains.h"
#include "core/base/reason.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int wire_connect(const char *path, int *fd)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	strcpy(a.sun_path, path);
	*fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (*fd < 0 || connect(*fd, (struct sockaddr *)&a, sizeof(a)))
		return unapi_fail(errno, "the wire's socket %s: %s", path, strerror(errno));
	return 0;
}

static int tell(int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return unapi_fail(errno, "the wire does not listen: %s", strerror(errno));
	return 0;
}

/* One answer that begins with @what; the rest of it is at @rest. 1; 0: it is still to come. */
static int hear(int fd, const char *what, char *text, size_t size, int flags, const char **rest)
{
	ssize_t n = recv(fd, text, size - 1, flags);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return unapi_fail(EPIPE, "the simulated NIC has gone");
	text[n] = '\0';
	if (!strncmp(text, "error ", 6))
		return unapi_fail(EIO, "the wire: %s", text + 6);
	if (strncmp(text, what, strlen(what)))
		return unapi_fail(EPROTO, "the wire says '%.40s', not %s", text, what);
	*rest = text + strlen(what);
	return 1;
}

int wire_state(int fd, struct wire_state *st)
{
	unsigned int ready, masked, latched;
	char text[256];
	const char *rest;
	int rc = tell(fd, "state");

	while (!rc)
		rc = hear(fd, "state", text, sizeof(text), 0, &rest);
	if (rc < 0)
		return rc;
	if (sscanf(rest, " ready=%u size=%u free=%u masked=%u latched=%u fired=%llu", &ready, &st->size,
		   &st->free, &masked, &latched, &st->fired) != 6)
		return unapi_fail(EPROTO, "the wire's state is '%.80s'", rest);
	st->ready = ready;
	st->masked = masked;
	st->latched = latched;
	return 0;
}

int wire_play(int fd, const struct train *t)
{
	char text[32 + 12 * TRAINS_MAX_PARTS];
	size_t n = (size_t)sprintf(text, "play %s %" PRIu64, t->tcp ? "tcp" : "eth", t->gap_ns);

	for (unsigned int i = 0; i < t->parts; i++)
		n += (size_t)sprintf(text + n, " %u", t->frames[i]);
	return tell(fd, text);
}

int wire_played(int fd, const struct train *t, struct delivery *d)
{
	static char text[64 + 42 * TRAINS_MAX_PARTS];
	const char *at;
	char *end;
	int rc = hear(fd, "played", text, sizeof(text), MSG_DONTWAIT, &at);

	if (rc <= 0)
		return rc;
	for (unsigned int i = 0; i < t->parts; i++) {
		d[i].due = strtoull(at, &end, 10);
		d[i].done = strtoull(end, &end, 10);
		at = end;
	}
	if (*at || !d[t->parts - 1].done)
		return unapi_fail(EPROTO, "the wire tells of other deliveries than it was given");
	return 1;
}
