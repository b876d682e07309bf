/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting the simulated NIC: a process of its own that the application never notices. */
#include "core/base/reason.h"
#include "core/vfio/user.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIM_FD	     3
#define MAX_SIM_ARGS 40

static bool executable(const char *path)
{
	return access(path, X_OK) == 0;
}

/* $UNAPI_SIMNIC, beside the program, in the build tree beside the program, where it was installed. */
static int find_simnic(char path[PATH_MAX])
{
	static const char *const beside[] = {"unapi-simnic", "../simnic/unapi-simnic",
					     "../apps/simnic/unapi-simnic", "../../apps/simnic/unapi-simnic"};
	const char *env = secure_getenv("UNAPI_SIMNIC");
	char self[PATH_MAX - 64];
	ssize_t n;

	if (env) {
		snprintf(path, PATH_MAX, "%s", env);
		if (executable(path))
			return 0;
		return unapi_fail(ENOENT, "UNAPI_SIMNIC names %s, which is not an executable", env);
	}
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n > 0) {
		char *slash;

		self[n] = '\0';
		slash = strrchr(self, '/');
		for (size_t i = 0; slash && i < ARRAY_SIZE(beside); i++) {
			snprintf(path, PATH_MAX, "%.*s/%s", (int)(slash - self), self, beside[i]);
			if (executable(path))
				return 0;
		}
	}
	snprintf(path, PATH_MAX, "%s", UNAPI_BINDIR "/unapi-simnic");
	if (executable(path))
		return 0;
	return unapi_fail(
		ENOENT,
		"the simulated NIC unapi-simnic is not found (looked beside the program and in %s); "
		"set UNAPI_SIMNIC to its path",
		UNAPI_BINDIR);
}

/* "key=value,key=value" becomes "--key=value" "--key=value". The arguments point into @options' copy and
 * @path. */
static int make_args(char *path, const char *model, char *options, char *argv[MAX_SIM_ARGS])
{
	static __thread char fd_arg[16], model_arg[32];
	static __thread char store[PATH_MAX];
	size_t used = 0;
	int n = 0;

	snprintf(fd_arg, sizeof(fd_arg), "--fd=%d", SIM_FD);
	snprintf(model_arg, sizeof(model_arg), "--model=%s", model);
	argv[n++] = path;
	argv[n++] = fd_arg;
	argv[n++] = model_arg;
	for (char *save = NULL, *opt = strtok_r(options, ",", &save); opt; opt = strtok_r(NULL, ",", &save)) {
		int len = snprintf(store + used, sizeof(store) - used, "--%s", opt);

		if (len < 0 || used + (size_t)len + 1 > sizeof(store) || n == MAX_SIM_ARGS - 1)
			return unapi_fail(E2BIG, "sim:%s: too many options", model);
		argv[n++] = store + used;
		used += (size_t)len + 1;
	}
	argv[n] = NULL;
	return 0;
}

/*
 * In the child, between clone and exec: only async-signal-safe calls. It starts with every signal blocked,
 * and resets what exec would keep. It dies with the application because the socket's other end then closes,
 * however the application ends (PR_SET_PDEATHSIG would act when the thread that opened the device ends).
 */
static void __attribute__((noreturn)) run_child(const char *path, char *const argv[], int sock)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;

	setpgid(0, 0); /* ctrl-C at the terminal is for the application, which then closes us */
	for (int s = 1; s < NSIG; s++)
		sigaction(s, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (sock == SIM_FD)
		fcntl(sock, F_SETFD, 0);
	else
		dup2(sock, SIM_FD);
	syscall(SYS_close_range, SIM_FD + 1, ~0U, 0);
	execv(path, argv);
	_exit(127);
}

int user_spawn_sim(const char *model, const char *options, int *fd, pid_t *child)
{
	char path[PATH_MAX], *argv[MAX_SIM_ARGS], *opts;
	sigset_t all, before;
	int sv[2], rc;
	long pid;

	rc = find_simnic(path);
	if (rc)
		return rc;
	opts = strdup(options);
	if (!opts)
		return unapi_fail(ENOMEM, "sim:%s: no memory", model);
	rc = make_args(path, model, opts, argv);
	if (rc)
		goto free_opts;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0) {
		rc = unapi_fail(errno, "sim:%s: no socket pair: %s", model, strerror(errno));
		goto free_opts;
	}
	/*
	 * A clone whose exit signal is none: it raises no SIGCHLD, and a plain wait() does not find it (only
	 * __WCLONE does). All signals are blocked so that no handler of the application's runs in the child.
	 */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = syscall(SYS_clone, 0UL, NULL, NULL, NULL, 0UL);
	if (pid == 0)
		run_child(path, argv, sv[1]);
	rc = pid < 0 ? unapi_fail(errno, "sim:%s: no new process: %s", model, strerror(errno)) : 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(sv[1]);
	if (rc) {
		close(sv[0]);
		goto free_opts;
	}
	*fd = sv[0];
	*child = (pid_t)pid;
free_opts:
	free(opts);
	return rc;
}

/* Its socket is closed, which ends it; a model that hangs is not waited for longer than a second. */
void user_reap_sim(pid_t child)
{
	struct timespec nap = {.tv_nsec = 1000000};

	for (int ms = 0; ms < 1000; ms++) {
		pid_t rc = waitpid(child, NULL, __WCLONE | WNOHANG);

		if (rc == child || (rc < 0 && errno == ECHILD))
			return;
		nanosleep(&nap, NULL);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, __WCLONE);
}
