/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starting the simulated NIC: a process of its own that the application never notices.
 *
 * A child that executes a program raises SIGCHLD and answers wait() when it ends, however it was cloned (exec
 * sets the exit signal back). So it must be nobody's child: an intermediate process, which executes nothing
 * and has no exit signal, makes it and ends. It ends with the application because its socket then does,
 * however the application ends. (An application that adopts orphans, such as process 1 of a container, will
 * be given this one if it dies before it is closed.)
 */
#include "core/base/reason.h"
#include "core/vfio/user.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIM_FD	      3
#define MAX_SIM_ARGS  40
#define SIM_NAME      "unapi-simnic"
#define SIM_PATIENCE  2000 /* ms that a model may take to notice that its socket is closed */
#define SIM_LINE      256
#define UNTRACED_CODE __attribute__((no_sanitize("thread"), no_sanitize("address")))

struct sim_args {
	char path[PATH_MAX];
	char store[PATH_MAX]; /* the arguments' text */
	char *argv[MAX_SIM_ARGS];
};

/* What the new process needs, all of it above the descriptors that it will sit on. */
struct sim_fds {
	int sock, null, log, ctl;
};

static bool found(char path[PATH_MAX], const char *dir, size_t dir_len, const char *rest)
{
	return snprintf(path, PATH_MAX, "%.*s/%s", (int)dir_len, dir, rest) < PATH_MAX &&
	       access(path, X_OK) == 0;
}

/* Beside the program, or in the build tree that the program is in. */
static bool found_beside(char path[PATH_MAX])
{
	static const char *const places[] = {SIM_NAME, "../simnic/" SIM_NAME, "../apps/simnic/" SIM_NAME,
					     "../../apps/simnic/" SIM_NAME};
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n <= 0)
		return false;
	self[n] = '\0';
	slash = strrchr(self, '/');
	for (size_t i = 0; slash && i < ARRAY_SIZE(places); i++)
		if (found(path, self, (size_t)(slash - self), places[i]))
			return true;
	return false;
}

static bool found_in_path(char path[PATH_MAX])
{
	const char *dir = secure_getenv("PATH"), *end;

	for (; dir && *dir; dir = *end ? end + 1 : end) {
		end = strchrnul(dir, ':');
		if (*dir == '/' && found(path, dir, (size_t)(end - dir), SIM_NAME))
			return true;
	}
	return false;
}

static int find_simnic(const char *name, char path[PATH_MAX])
{
	const char *env = secure_getenv("UNAPI_SIMNIC");

	if (env) {
		if (snprintf(path, PATH_MAX, "%s", env) < PATH_MAX && access(path, X_OK) == 0)
			return 0;
		return unapi_fail(ENOENT, "%s: UNAPI_SIMNIC names %s, which is not a program", name, env);
	}
	if (found_beside(path) || found(path, UNAPI_BINDIR, strlen(UNAPI_BINDIR), SIM_NAME) ||
	    found_in_path(path))
		return 0;
	return unapi_fail(ENOENT,
			  "%s: the simulated NIC, " SIM_NAME
			  ", is neither beside the program nor in " UNAPI_BINDIR
			  " or PATH; set UNAPI_SIMNIC to its path",
			  name);
}

/* "key=value,key" becomes "--key=value" "--key". Which socket and which model are not for options to say. */
static int add_options(struct sim_args *a, const char *name, const char *options, int n, size_t used)
{
	static const char *const ours[] = {"fd", "model", "socket"};

	while (*options) {
		size_t len = strcspn(options, ","), key = strcspn(options, "=,");

		for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
			if (key == strlen(ours[i]) && !memcmp(options, ours[i], key))
				return unapi_fail(EINVAL, "%s: '%s' is not an option of a device string",
						  name, ours[i]);
		if (!key)
			return unapi_fail(EINVAL, "%s: an option has no name", name);
		if (n == MAX_SIM_ARGS - 1 || used + len + 3 > sizeof(a->store))
			return unapi_fail(E2BIG, "%s: too many options", name);
		a->argv[n++] = a->store + used;
		used += (size_t)sprintf(a->store + used, "--%.*s", (int)len, options) + 1;
		options += len + (options[len] == ',');
	}
	a->argv[n] = NULL;
	return 0;
}

static int make_args(struct sim_args *a, const char *name, const char *model, const char *options)
{
	size_t used = 0;

	a->argv[0] = a->path;
	a->argv[1] = a->store;
	used += (size_t)sprintf(a->store, "--fd=%d", SIM_FD) + 1;
	a->argv[2] = a->store + used;
	used += (size_t)sprintf(a->store + used, "--model=%.32s", model) + 1;
	return add_options(a, name, options, 3, used);
}

/*
 * ---- after the clone: bare system calls. A wrapper could wait for a lock of a thread that is not here, or
 * be a sanitizer's that counts on its threads.
 */

static UNTRACED_CODE __attribute__((noreturn)) void become_sim(const struct sim_args *a,
							       const struct sim_fds *fds)
{
	struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} dfl = {0}; /* the kernel's struct sigaction: the default action */
	uint64_t none = 0;
	char go;

	/* The application has taken our process's handle first, while there is surely a process. */
	if (syscall(SYS_read, fds->ctl, &go, 1) != 1)
		syscall(SYS_exit_group, 1);
	syscall(SYS_setsid); /* the terminal's ctrl-C is for the application, which then closes us */
	for (int s = 1; s <= 64; s++)
		syscall(SYS_rt_sigaction, s, &dfl, NULL, sizeof(none));
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
	syscall(SYS_dup3, fds->null, 0, 0);
	syscall(SYS_dup3, fds->null, 1, 0);
	syscall(SYS_dup3, fds->log, 2, 0);
	syscall(SYS_dup3, fds->sock, SIM_FD, 0);
	syscall(SYS_close_range, SIM_FD + 1, ~0U, 0);
	syscall(SYS_execve, a->path, a->argv, environ);
	syscall(SYS_exit_group, 127);
	__builtin_unreachable();
}

static UNTRACED_CODE __attribute__((noreturn)) void make_orphan(const struct sim_args *a,
								const struct sim_fds *fds)
{
	long pid = syscall(SYS_clone, 0UL, NULL, NULL, NULL, 0UL);

	if (pid == 0)
		become_sim(a, fds);
	syscall(SYS_write, fds->ctl, &pid, sizeof(pid));
	syscall(SYS_exit_group, 0);
	__builtin_unreachable();
}

/* ---- before and beside it */

/* The orphan's handle; -errno without a process. */
static int take_orphan(int ctl, pid_t between)
{
	long pid = -ECHILD;
	int pidfd;

	if (read(ctl, &pid, sizeof(pid)) != sizeof(pid))
		pid = -ECHILD;
	while (waitpid(between, NULL, __WCLONE) < 0 && errno == EINTR)
		;
	if (pid < 0)
		return (int)pid;
	pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	if (pidfd < 0)
		return -errno; /* it reads the end of its control socket, and ends */
	if (send(ctl, "g", 1, MSG_NOSIGNAL) != 1) {
		close(pidfd);
		return -EPIPE;
	}
	return pidfd;
}

static int clone_orphan(const struct sim_args *a, const struct sim_fds *fds, int ctl)
{
	sigset_t all, before;
	long between;

	/* No handler of the application's may run in the copies. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	between = syscall(SYS_clone, 0UL, NULL, NULL, NULL, 0UL);
	if (between == 0)
		make_orphan(a, fds);
	if (between < 0)
		between = -errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(fds->ctl); /* so that the other end closes if the copies die */
	return between < 0 ? (int)between : take_orphan(ctl, (pid_t)between);
}

/* Descriptors that do not stand where the new process's own will. */
static int above(int fd)
{
	int up = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, SIM_FD + 1);

	if (fd >= 0)
		close(fd);
	return up;
}

static int spawn(const struct sim_args *a, int *sock, struct user_child *child)
{
	int sv[2] = {-1, -1}, log[2] = {-1, -1}, ctl[2] = {-1, -1};
	struct sim_fds fds = {-1, -1, -1, -1};
	int rc = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ctl) < 0 ||
	    pipe2(log, O_CLOEXEC | O_NONBLOCK) < 0)
		rc = -errno;
	if (!rc) {
		fds.null = above(open("/dev/null", O_RDWR | O_CLOEXEC));
		fds.sock = above(sv[1]);
		fds.log = above(log[1]);
		fds.ctl = above(ctl[1]);
		sv[1] = log[1] = ctl[1] = -1;
		if (fds.null < 0 || fds.sock < 0 || fds.log < 0 || fds.ctl < 0)
			rc = -errno;
	}
	if (!rc) {
		rc = clone_orphan(a, &fds, ctl[0]);
		fds.ctl = -1;
	}
	if (rc >= 0) {
		*child = (struct user_child){.pidfd = rc, .log = log[0]};
		*sock = sv[0];
		sv[0] = log[0] = -1;
	}
	for (unsigned int i = 0; i < 2; i++) {
		int mine[] = {sv[i], log[i], ctl[i]};

		for (unsigned int k = 0; k < ARRAY_SIZE(mine); k++)
			if (mine[k] >= 0)
				close(mine[k]);
	}
	for (unsigned int i = 0; i < 4; i++) {
		int theirs[] = {fds.sock, fds.null, fds.log, fds.ctl};

		if (theirs[i] >= 0)
			close(theirs[i]);
	}
	return rc < 0 ? rc : 0;
}

int user_spawn_sim(const char *name, const char *model, const char *options, int *sock,
		   struct user_child *child)
{
	struct sim_args *a = malloc(sizeof(*a));
	int rc;

	if (!a)
		return unapi_fail(ENOMEM, "%s: no memory", name);
	rc = find_simnic(name, a->path);
	if (!rc)
		rc = make_args(a, name, model, options);
	if (!rc) {
		rc = spawn(a, sock, child);
		if (rc)
			unapi_fail(-rc, "%s: starting %s: %s", name, a->path, strerror(-rc));
	}
	free(a);
	return rc;
}

void user_reap_sim(struct user_child *child)
{
	struct pollfd p = {.fd = child->pidfd, .events = POLLIN};
	siginfo_t info;

	if (child->pidfd >= 0) {
		if (poll(&p, 1, SIM_PATIENCE) == 0) {
			syscall(SYS_pidfd_send_signal, child->pidfd, SIGKILL, NULL, 0);
			poll(&p, 1, SIM_PATIENCE);
		}
		/* Only if it became our child: see above. P_PIDFD is 3. */
		waitid((idtype_t)3, (id_t)child->pidfd, &info, WEXITED | WNOHANG);
		close(child->pidfd);
	}
	if (child->log >= 0)
		close(child->log);
	*child = (struct user_child){.pidfd = -1, .log = -1};
}

/* ---- what it prints: one line at a time, its name taken off */

static const char *trim(char *line)
{
	static const char prefix[] = "simnic: ";

	for (char *c = line; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return strncmp(line, prefix, sizeof(prefix) - 1) ? line : line + sizeof(prefix) - 1;
}

/* Call @fn for each line that is there. What is longer than a line comes in pieces. */
static void each_line(int fd, void (*fn)(void *arg, const char *line), void *arg)
{
	char buf[SIM_LINE];
	size_t have = 0;
	ssize_t n;

	while ((n = read(fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
		char *at = buf, *nl;

		have += (size_t)n;
		buf[have] = '\0';
		while ((nl = strchr(at, '\n'))) {
			*nl = '\0';
			fn(arg, trim(at));
			at = nl + 1;
		}
		have -= (size_t)(at - buf);
		memmove(buf, at, have + 1);
		if (have == sizeof(buf) - 1) {
			fn(arg, trim(buf));
			have = 0;
		}
	}
	if (have)
		fn(arg, trim(buf));
}

static void log_line(void *arg, const char *line)
{
	unapi_log(UNAPI_LOG_WARN, "%s: simulated NIC: %s", (const char *)arg, line);
}

void user_child_log(struct user_child *child, const char *name)
{
	if (child->log >= 0)
		each_line(child->log, log_line, (void *)(uintptr_t)name);
}

static void keep_line(void *arg, const char *line)
{
	snprintf(arg, SIM_LINE, "%s", line);
}

int user_child_blame(struct user_child *child, const char *name, int rc)
{
	struct pollfd p = {.fd = child->pidfd, .events = POLLIN};
	char last[SIM_LINE] = "";

	if (child->log < 0)
		return rc;
	if (rc == -ENODEV)
		poll(&p, 1, SIM_PATIENCE); /* what it says, it says before it ends */
	each_line(child->log, keep_line, last);
	if (!last[0])
		return rc;
	/* It ended and said why: what it was asked for was wrong. */
	return unapi_fail(rc == -ENODEV ? EINVAL : -rc, "%s: %s", name, last);
}
