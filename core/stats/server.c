/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The statistics socket. It is served between the polls of a context, which may be one that moves packets: so
 * nothing here waits, whatever a reader does. One whose answer cannot be sent at once is dropped. However
 * often they ask, a report is made once in 100 ms, and what they get until then is the last one.
 *
 * All of it is the context's thread's, but for start and stop.
 */
#include "core/stats/protocol.h"
#include "core/base/clock.h"
#include "core/base/compiler.h"
#include "core/base/reason.h"
#include "core/napi/context.h"
#include "core/stats/report.h"
#include <unapi/stats.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_READERS  16
#define REPORT_EVERY (100 * NSEC_PER_MSEC)
#define STOP_TIMEOUT (5 * NSEC_PER_SEC)

struct reader {
	struct unapi_source src; /* fd -1: free */
	struct unapi_stats_server *server;
	uint64_t heard_ns; /* when it came, or asked last */
};

struct unapi_stats_server {
	struct unapi_source listener;
	struct unapi_context *ctx;
	struct reader readers[MAX_READERS];
	int reserve; /* given up to refuse a reader when the process has no descriptor left */
	int report;  /* the last one, -1 none */
	uint32_t report_size;
	uint64_t report_ns;
	struct sockaddr_un addr;
};

static void drop(struct reader *r)
{
	unapi_context_del_source(&r->src);
	close(r->src.fd);
	r->src.fd = -1;
}

static int make_report(struct unapi_stats_server *s)
{
	uint64_t now = unapi_clock_ns();
	struct stat st;
	json_t *o;
	int fd, rc;

	if (s->report >= 0 && now - s->report_ns < REPORT_EVERY)
		return 0;
	fd = memfd_create("unapi-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	o = stats_report();
	rc = !o || json_dumpfd(o, fd, JSON_COMPACT) || fstat(fd, &st) ||
	     fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	json_decref(o);
	if (rc) {
		close(fd);
		return -ENOMEM;
	}
	if (s->report >= 0)
		close(s->report);
	s->report = fd;
	s->report_size = (uint32_t)st.st_size;
	s->report_ns = now;
	return 0;
}

/* False: it could not be sent at once. */
static bool answer(int fd, int error, int report, uint32_t size)
{
	struct stats_answer a = {
		.magic = STATS_MAGIC, .protocol = STATS_PROTOCOL, .error = error, .size = size};
	struct iovec iov = {.iov_base = &a, .iov_len = sizeof(a)};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)),
			      .cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS}};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (!error) {
		memcpy(CMSG_DATA(&control.head), &report, sizeof(report));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control.room);
	}
	return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(a);
}

static void serve(struct unapi_source *src)
{
	struct reader *r = src->arg;
	struct unapi_stats_server *s = r->server;
	struct stats_request q;
	/* with MSG_TRUNC a longer packet tells its own length */
	ssize_t n = recv(src->fd, &q, sizeof(q), MSG_DONTWAIT | MSG_TRUNC);
	int rc;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof(q) || q.magic != STATS_MAGIC) {
		drop(r);
		return;
	}
	r->heard_ns = unapi_clock_ns();
	if (q.protocol != STATS_PROTOCOL) {
		answer(src->fd, EPROTO, -1, 0);
		drop(r);
		return;
	}
	rc = make_report(s);
	if (!answer(src->fd, -rc, s->report, s->report_size))
		drop(r);
}

/* A place for one more: a free one, or that of who has been quiet the longest. */
static struct reader *place(struct unapi_stats_server *s)
{
	struct reader *oldest = &s->readers[0];

	for (unsigned int i = 0; i < MAX_READERS; i++) {
		if (s->readers[i].src.fd < 0)
			return &s->readers[i];
		if (s->readers[i].heard_ns < oldest->heard_ns)
			oldest = &s->readers[i];
	}
	drop(oldest);
	return oldest;
}

static bool may_read(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

/* Without a descriptor to accept one with, a reader would stay in the listener's queue and keep it readable:
 * the context would never sleep again. */
static void refuse_one(struct unapi_stats_server *s)
{
	int fd;

	close(s->reserve);
	fd = accept4(s->listener.fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	s->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void take_reader(struct unapi_source *src)
{
	struct unapi_stats_server *s = src->arg;
	int fd = accept4(src->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct reader *r;

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			refuse_one(s);
		return;
	}
	if (!may_read(fd)) {
		answer(fd, EACCES, -1, 0);
		close(fd);
		return;
	}
	r = place(s);
	r->src = (struct unapi_source){.fd = fd, .fn = serve, .arg = r};
	r->server = s;
	r->heard_ns = unapi_clock_ns();
	if (unapi_context_add_source(s->ctx, &r->src)) {
		close(fd);
		r->src.fd = -1;
	}
}

/* The directory is one that nobody else can put things into, or take ours out of. */
static int own_directory(char *path, size_t size)
{
	struct stat st;
	int rc = stats_directory(path, size);

	if (rc)
		return rc;
	if (mkdir(path, 0700) && errno != EEXIST)
		return unapi_fail(errno, "%s, for the statistics socket, cannot be made: %s", path,
				  strerror(errno));
	if (lstat(path, &st))
		return unapi_fail(errno, "%s: %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022)
		return unapi_fail(EPERM,
				  "%s, for the statistics socket, is not a directory of user %u's that only "
				  "they can write to",
				  path, geteuid());
	return 0;
}

static int set_path(struct sockaddr_un *addr, const char *path)
{
	char dir[sizeof(addr->sun_path)];
	int len, rc;

	addr->sun_family = AF_UNIX;
	if (path) {
		len = snprintf(addr->sun_path, sizeof(addr->sun_path), "%s", path);
	} else {
		rc = own_directory(dir, sizeof(dir));
		if (rc)
			return rc;
		len = snprintf(addr->sun_path, sizeof(addr->sun_path), "%s/%d" STATS_SUFFIX, dir, getpid());
	}
	if (len < 1 || (size_t)len >= sizeof(addr->sun_path))
		return unapi_fail(ENAMETOOLONG, "a statistics socket's path has 1 to %zu characters",
				  sizeof(addr->sun_path) - 1);
	return 0;
}

/* Is what lies there a socket whose process has ended? Then it goes. */
static bool remove_stale(const struct sockaddr_un *addr)
{
	struct stat st;
	bool refused;
	int fd;

	if (lstat(addr->sun_path, &st) || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	refused = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) && errno == ECONNREFUSED;
	close(fd);
	return refused && !unlink(addr->sun_path);
}

static int open_listener(struct unapi_stats_server *s)
{
	const struct sockaddr *addr = (const struct sockaddr *)&s->addr;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;

	if (fd < 0)
		return unapi_fail(errno, "no socket for statistics: %s", strerror(errno));
	/* What it is made with, so that at no moment others can connect (net/unix/af_unix.c,
	 * unix_bind_bsd()). */
	fchmod(fd, 0600);
	rc = bind(fd, addr, sizeof(s->addr));
	if (rc && errno == EADDRINUSE && remove_stale(&s->addr))
		rc = bind(fd, addr, sizeof(s->addr));
	if (!rc)
		rc = listen(fd, MAX_READERS);
	if (rc) {
		rc = unapi_fail(errno, "the statistics socket %s cannot be made: %s", s->addr.sun_path,
				errno == EADDRINUSE ? "something else is there" : strerror(errno));
		close(fd);
		return rc;
	}
	s->listener = (struct unapi_source){.fd = fd, .fn = take_reader, .arg = s};
	return 0;
}

int unapi_stats_serve(struct unapi_context *ctx, const char *path, struct unapi_stats_server **out)
{
	struct unapi_stats_server *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return unapi_fail(ENOMEM, "no memory for a statistics socket");
	s->ctx = ctx;
	s->report = -1;
	for (unsigned int i = 0; i < MAX_READERS; i++)
		s->readers[i].src.fd = -1;
	rc = set_path(&s->addr, path);
	if (!rc)
		rc = open_listener(s);
	if (rc) {
		free(s);
		return rc;
	}
	s->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	rc = unapi_context_add_source(ctx, &s->listener);
	if (rc) {
		unlink(s->addr.sun_path);
		close(s->listener.fd);
		close(s->reserve);
		free(s);
		return rc;
	}
	*out = s;
	return 0;
}

const char *unapi_stats_path(const struct unapi_stats_server *s)
{
	return s->addr.sun_path;
}

static void stop(void *arg)
{
	struct unapi_stats_server *s = arg;

	unapi_context_del_source(&s->listener);
	for (unsigned int i = 0; i < MAX_READERS; i++)
		if (s->readers[i].src.fd >= 0)
			drop(&s->readers[i]);
}

int unapi_stats_stop(struct unapi_stats_server *s)
{
	int rc;

	if (!s)
		return 0;
	rc = unapi_context_call(s->ctx, stop, s, STOP_TIMEOUT);
	if (rc)
		return unapi_fail_at(rc, "%s", s->addr.sun_path);
	unlink(s->addr.sun_path);
	close(s->listener.fd);
	if (s->report >= 0)
		close(s->report);
	close(s->reserve);
	free(s);
	return 0;
}
