/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starting the simulated NIC: what the new process has and what the application notices of it. This program
 * stands in for the simulated NIC: called with --fd=N it writes down what it finds itself to be, and ends.
 */
#include "vfio_check.h"

#include "core/vfio/user.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the stand-in */

static void describe_fds(FILE *f)
{
	for (int fd = 0; fd < 256; fd++) {
		struct stat st;

		if (fd == fileno(f) || fstat(fd, &st) < 0)
			continue;
		fprintf(f, "fd %d %s\n", fd,
			S_ISCHR(st.st_mode)    ? "char"
			: S_ISFIFO(st.st_mode) ? "pipe"
			: S_ISSOCK(st.st_mode) ? "socket"
					       : "other");
	}
}

static int stand_in(int argc, char **argv)
{
	FILE *f = fopen(getenv("UNAPI_TEST_OUT"), "we");
	sigset_t mask;

	if (!f)
		return 1;
	for (int i = 1; i < argc; i++)
		fprintf(f, "arg %s\n", argv[i]);
	describe_fds(f);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int s = 1; s < 32; s++) {
		struct sigaction sa;

		if (sigismember(&mask, s))
			fprintf(f, "blocked %d\n", s);
		if (sigaction(s, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
			fprintf(f, "ignored %d\n", s);
	}
	fprintf(f, "leader %d\n", getsid(0) == getpid() && getpgrp() == getpid());
	fprintf(f, "end\n");
	fclose(f);
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--complain"))
			fprintf(stderr, "one thing\nsimnic: the wire is \x1b[31mcut\n");
		if (!strcmp(argv[i], "--hang")) /* deaf to its socket's end, and to a polite signal */
			for (signal(SIGTERM, SIG_IGN);;)
				pause();
	}
	return 0;
}

/* ---- the application */

static char out[] = "/tmp/unapi-sim-XXXXXX", text[4096];
static volatile sig_atomic_t children_ended;

static void on_child(int sig)
{
	children_ended++;
}

static const char *described(void)
{
	FILE *f = fopen(out, "re");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	return text;
}

static void open_fails(const char *spec, int rc)
{
	struct vfio_device *v;
	unsigned int fds = count_fds();
	int got = vfio_open(spec, &v);

	if (got != rc)
		print_error("%s: %d %s\n", spec, got, unapi_reason());
	assert_int_equal(got, rc);
	assert_null(v);
	assert_int_equal(count_fds(), fds);
}

static void test_what_it_has(void **state)
{
	int extra = open("/dev/zero", O_RDONLY); /* inheritable, and not inherited */
	sigset_t some, before;

	assert_true(extra >= 0);
	sigemptyset(&some);
	sigaddset(&some, SIGUSR1);
	sigprocmask(SIG_BLOCK, &some, &before);
	signal(SIGPIPE, SIG_IGN);
	open_fails("sim:igb,queues=4,lossy,wire=gen:count=5", -ENODEV);
	assert_reason("sim:igb,queues=4", "gone");
	assert_string_equal(described(),
			    "arg --fd=3\narg --model=igb\narg --queues=4\narg --lossy\n"
			    "arg --wire=gen:count=5\nfd 0 char\nfd 1 char\nfd 2 pipe\nfd 3 socket\n"
			    "leader 1\nend\n");
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, &some);
	assert_true(sigismember(&some, SIGUSR1)); /* ours is as it was */
	close(extra);
}

static void test_nobody_notices(void **state)
{
	struct sigaction sa = {.sa_handler = on_child}, before;

	sigaction(SIGCHLD, &sa, &before);
	open_fails("sim:igb", -ENODEV);
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(children_ended, 0);
	sigaction(SIGCHLD, &before, NULL);
	/* Whoever adopts orphans gets this one, but not as a corpse. */
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	open_fails("sim:igb", -ENODEV);
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

/* An application without standard descriptors. */
static void test_low_descriptors(void **state)
{
	int saved[4], rc;
	struct vfio_device *v;

	for (int fd = 0; fd < 4; fd++) {
		saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 64);
		close(fd);
	}
	rc = vfio_open("sim:igb", &v);
	for (int fd = 0; fd < 4; fd++) {
		if (saved[fd] < 0)
			continue;
		dup2(saved[fd], fd);
		close(saved[fd]);
	}
	assert_int_equal(rc, -ENODEV);
	assert_non_null(strstr(described(), "fd 0 char\nfd 1 char\nfd 2 pipe\nfd 3 socket\nleader 1\n"));
}

static void test_its_last_words(void **state)
{
	open_fails("sim:igb,complain", -EINVAL);
	assert_string_equal(unapi_reason(), "sim:igb,complain: the wire is ?[31mcut");
}

static void test_hanging(void **state)
{
	vfio_user_timeout_ms = 50;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	open_fails("sim:igb,hang", -ETIMEDOUT);
	vfio_user_timeout_ms = 5000;
	/* It was killed, or it would be our child now. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

static void test_bad_strings(void **state)
{
	char many[600] = "sim:igb";

	unlink(out);
	open_fails("sim:", -EINVAL);
	open_fails("sim:,queues=3", -EINVAL);
	open_fails("sim:../../bin/true", -EINVAL);
	open_fails("sim:igb,fd=9", -EINVAL);
	assert_reason("'fd'");
	open_fails("sim:igb,model=x", -EINVAL);
	open_fails("sim:igb,socket=/tmp/x", -EINVAL);
	open_fails("sim:igb,=4", -EINVAL);
	open_fails("sim:igb,,queues=4", -EINVAL);
	assert_reason("no name");
	for (int i = 0; i < 50; i++)
		strcat(many, ",x=1");
	open_fails(many, -E2BIG);
	open_fails("", -EINVAL);
	open_fails("0000:03:00", -EINVAL);
	open_fails("0000:03:00.9", -EINVAL);
	assert_reason("0000:03:00.9", "sim:igb");
	assert_int_equal(access(out, F_OK), -1); /* nothing was started for any of them */
	setenv("UNAPI_SIMNIC", "/nonexistent/simnic", 1);
	open_fails("sim:igb", -ENOENT);
	assert_reason("/nonexistent/simnic");
	setenv("UNAPI_SIMNIC", "/etc/passwd", 1);
	open_fails("sim:igb", -ENOENT);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_it_has),	cmocka_unit_test(test_nobody_notices),
		cmocka_unit_test(test_low_descriptors), cmocka_unit_test(test_its_last_words),
		cmocka_unit_test(test_hanging),		cmocka_unit_test(test_bad_strings),
	};
	char self[4096];
	ssize_t n;
	int fd, rc;

	if (argc > 1 && !strncmp(argv[1], "--fd=", 5))
		return stand_in(argc, argv);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	fd = mkstemp(out);
	if (n < 0 || fd < 0)
		return 1;
	self[n] = '\0';
	close(fd);
	setenv("UNAPI_SIMNIC", self, 1);
	setenv("UNAPI_TEST_OUT", out, 1);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(out);
	return rc;
}
