/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding the process, and asking it. It is not trusted: root may look at anybody's. */
#include "napi_top.h"
#include "core/stats/protocol.h"
#include "core/stats/report.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_S 2
#define MAX_REPORT (64u << 20)

static int say(char *why, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static int say(char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return -1;
}

static bool is_gone(pid_t pid)
{
	return kill(pid, 0) && errno == ESRCH;
}

/* -1 with errno. */
static int connect_to(const char *path)
{
	struct timeval patience = {.tv_sec = PATIENCE_S};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

static int refused(const char *path, char *why, size_t size)
{
	struct stat st;

	switch (errno) {
	case ENOENT:
		return say(why, size, "%s is not there: no process serves statistics at it", path);
	case ECONNREFUSED:
		return say(why, size, "%s: the process that made it has ended; start it again", path);
	case EACCES:
	case EPERM:
		if (!stat(path, &st))
			return say(why, size, "%s is user %u's: look at it as that user, or as root", path,
				   st.st_uid);
		return say(why, size, "%s: permission denied; try as root", path);
	case EAGAIN:
		return say(why, size, "%s: too many wait for its process already, or it is stopped", path);
	default:
		return say(why, size, "%s: %s", path, strerror(errno));
	}
}

static void look_in(glob_t *found, const char *dir)
{
	char pattern[192];

	snprintf(pattern, sizeof(pattern), "%s/[0-9]*" STATS_SUFFIX, dir);
	glob(pattern, found->gl_pathc ? GLOB_APPEND : 0, NULL, found);
}

/* All sockets that this user may look at. Where a process made its own depends on its environment. */
static int list(glob_t *found, char *why, size_t size)
{
	char dir[128], more[64];

	memset(found, 0, sizeof(*found));
	if (stats_directory(dir, sizeof(dir)))
		return say(why, size, "the directory for statistics sockets has too long a name");
	look_in(found, dir);
	if (!getenv("UNAPI_RUN_DIR")) {
		if (geteuid())
			snprintf(more, sizeof(more), "/run/user/%u/unapi", geteuid());
		look_in(found, geteuid() ? more : "/run/user/*/unapi");
		if (geteuid())
			snprintf(more, sizeof(more), "/tmp/unapi-%u", geteuid());
		look_in(found, geteuid() ? more : "/tmp/unapi-*");
	}
	if (!found->gl_pathc)
		say(why, size,
		    "no process serves statistics in %s; unapi-testpmd does, others when they call "
		    "unapi_stats_serve()",
		    dir);
	return 0;
}

/* The same directory may have been looked into twice. */
static bool seen(const glob_t *found, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (!strcmp(found->gl_pathv[k], found->gl_pathv[i]))
			return true;
	return false;
}

static pid_t pid_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return (pid_t)strtol(slash ? slash + 1 : path, NULL, 10);
}

static void use(struct source *s, int fd, const char *path)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	s->fd = fd;
	snprintf(s->path, sizeof(s->path), "%s", path);
	s->pid = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) ? pid_of(path) : peer.pid;
}

static void add_name(char *names, size_t size, pid_t pid)
{
	char path[64], comm[32] = "?";
	size_t used = strlen(names);
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = fopen(path, "re");
	if (f) {
		if (fgets(comm, sizeof(comm), f))
			comm[strcspn(comm, "\n")] = '\0';
		fclose(f);
	}
	snprintf(names + used, size - used, "%s%d (%s)", used ? ", " : "", (int)pid, comm);
}

/* What a process of ours that was killed has left. Others' directories are not to be trusted. */
static void remove_left(const char *path)
{
	struct stat st;

	if (is_gone(pid_of(path)) && !lstat(path, &st) && S_ISSOCK(st.st_mode) && st.st_uid == geteuid())
		unlink(path);
	errno = ECONNREFUSED;
}

/* In /tmp anybody may have put something in our way. */
static bool is_ours(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) && (!geteuid() || peer.uid == geteuid());
}

/* The process with this id, or the only one. What a process that was killed left behind goes. */
static int open_found(struct source *s, const glob_t *found, pid_t pid, char *why, size_t size)
{
	char names[256] = "";
	unsigned int open = 0;

	for (size_t i = 0; i < found->gl_pathc; i++) {
		const char *path = found->gl_pathv[i];
		int fd;

		if (seen(found, i) || (pid && pid_of(path) != pid))
			continue;
		fd = connect_to(path);
		if (fd < 0) {
			if (errno == ECONNREFUSED)
				remove_left(path);
			refused(path, why, size);
			continue;
		}
		if (!is_ours(fd)) {
			close(fd);
			continue;
		}
		if (open++)
			close(fd);
		else
			use(s, fd, path);
		add_name(names, sizeof(names), pid_of(path));
	}
	if (open == 1)
		return 0;
	if (open)
		source_close(s);
	if (open)
		return say(why, size, "several processes serve statistics; say which: %s", names);
	if (pid && is_gone(pid))
		return say(why, size, "there is no process %d", (int)pid);
	if (pid && !why[0])
		return say(why, size,
			   "process %d serves no statistics; unapi-testpmd does, others when they call "
			   "unapi_stats_serve()",
			   (int)pid);
	return -1;
}

int source_open(struct source *s, const char *path, pid_t pid, char *why, size_t size)
{
	glob_t found;
	int rc;

	s->fd = -1;
	why[0] = '\0';
	if (path) {
		int fd = connect_to(path);

		if (fd < 0)
			return refused(path, why, size);
		use(s, fd, path);
		return 0;
	}
	if (list(&found, why, size))
		return -1;
	if (pid)
		why[0] = '\0';
	rc = open_found(s, &found, pid, why, size);
	globfree(&found);
	return rc;
}

void source_close(struct source *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* The answer, and the descriptor that came with it or -1. */
static int receive(struct source *s, struct stats_answer *a, int *report, char *why, size_t size)
{
	struct iovec iov = {.iov_base = a, .iov_len = sizeof(*a)};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct cmsghdr *c;
	ssize_t n = recvmsg(s->fd, &msg, MSG_CMSG_CLOEXEC);

	*report = -1;
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return say(why, size,
			   "process %d does not answer within %d s: it is stopped, or its thread is stuck",
			   (int)s->pid, PATIENCE_S);
	if (n <= 0)
		return say(why, size, "process %d has ended, or serves no statistics any more", (int)s->pid);
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(report, CMSG_DATA(c), sizeof(*report));
	if (n != sizeof(*a) || a->magic != STATS_MAGIC)
		return say(why, size, "%s: what answers there is not unapi's", s->path);
	return 0;
}

/* Only what is sealed and in memory can be read without waiting for somebody, or shrinking under us. */
static char *read_report(int fd, size_t size)
{
	const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;
	struct stat st;
	char *text;
	int have = fcntl(fd, F_GET_SEALS);

	if (have < 0 || (have & seals) != seals || fstat(fd, &st) || (size_t)st.st_size != size || !size ||
	    size > MAX_REPORT)
		return NULL;
	text = malloc(size);
	if (text && pread(fd, text, size, 0) != (ssize_t)size) {
		free(text);
		text = NULL;
	}
	return text;
}

static int other_release(const struct source *s, const char *what, long theirs, long ours, char *why,
			 size_t size)
{
	return say(
		why, size,
		"process %d is of another unapi release (%s %ld, not %ld): use the unapi-napi-top that came "
		"with it",
		(int)s->pid, what, theirs, ours);
}

static json_t *parse(struct source *s, const struct stats_answer *a, int fd, char *why, size_t size)
{
	char *text = read_report(fd, a->size);
	json_t *report = NULL;
	json_int_t version;

	if (text)
		report = json_loadb(text, a->size, 0, NULL);
	free(text);
	if (!json_is_array(json_object_get(report, "contexts"))) {
		json_decref(report);
		say(why, size, "process %d: its report cannot be read", (int)s->pid);
		return NULL;
	}
	version = json_integer_value(json_object_get(report, "version"));
	if (version != STATS_VERSION) {
		json_decref(report);
		other_release(s, "report version", version, STATS_VERSION, why, size);
		return NULL;
	}
	return report;
}

json_t *source_report(struct source *s, char *why, size_t size)
{
	struct stats_request q = {.magic = STATS_MAGIC, .protocol = STATS_PROTOCOL};
	struct stats_answer a;
	json_t *report = NULL;
	int fd;

	if (send(s->fd, &q, sizeof(q), MSG_NOSIGNAL) != sizeof(q) && errno != EPIPE && errno != ECONNRESET) {
		say(why, size, "process %d takes no requests: %s", (int)s->pid, strerror(errno));
		return NULL;
	}
	if (receive(s, &a, &fd, why, size))
		;
	else if (a.protocol != STATS_PROTOCOL)
		other_release(s, "protocol", (long)a.protocol, STATS_PROTOCOL, why, size);
	else if (a.error)
		say(why, size, "process %d makes no report: %s", (int)s->pid, strerror(a.error));
	else
		report = parse(s, &a, fd, why, size);
	if (fd >= 0)
		close(fd);
	return report;
}
