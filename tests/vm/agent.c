// SPDX-License-Identifier: BSD-3-Clause
/*
 * The guest's only inhabitant besides what a test starts: runs the commands that come over a virtio-serial
 * port, and sends back what they print and how they end. Many may run at once.
 *
 * Both ways, a message is a header (struct msg) and `len` bytes. Host to guest: 'x' start `sh -c BODY` under
 * the id of the host's choice, 'i' write BODY to its standard input (empty: close it), 'k' send it the signal
 * BODY[0]. Guest to host: 'o' and 'e' output and errors (empty: closed), 'q' ended, BODY the wait status as
 * four bytes. 'q' comes last.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_JOBS 64
#define MAX_BODY (1 << 20)

struct msg {
	uint32_t len;
	uint32_t id;
	uint8_t kind;
} __attribute__((packed));

struct job {
	uint32_t id;
	pid_t pid;
	int in, out, err;
	int status;
	int reaped;
};

static struct job jobs[MAX_JOBS];
static int port;

static void give_up(const char *what)
{
	fprintf(stderr, "agent: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno != EINTR)
			give_up("write to the host");
		if (n > 0)
			p += n, len -= n;
	}
}

static void read_all(void *data, size_t len)
{
	char *p = data;

	while (len) {
		ssize_t n = read(port, p, len);

		if (n < 0 && errno != EINTR)
			give_up("read from the host");
		if (n == 0)
			usleep(10000); /* the host's end is not open (yet): the port then reads as ended */
		if (n > 0)
			p += n, len -= n;
	}
}

static void send_msg(uint8_t kind, uint32_t id, const void *body, uint32_t len)
{
	struct msg m = {.len = len, .id = id, .kind = kind};

	write_all(port, &m, sizeof(m));
	write_all(port, body, len);
}

static struct job *find_job(uint32_t id)
{
	for (int i = 0; i < MAX_JOBS; i++)
		if (jobs[i].pid && jobs[i].id == id)
			return &jobs[i];
	return NULL;
}

static void start_job(uint32_t id, const char *command)
{
	struct job *job = NULL;
	int in[2], out[2], err[2];

	for (int i = 0; i < MAX_JOBS && !job; i++)
		if (!jobs[i].pid)
			job = &jobs[i];
	if (!job) {
		errno = EAGAIN;
		give_up("too many jobs");
	}
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		give_up("pipe");
	*job = (struct job){.id = id, .in = in[1], .out = out[0], .err = err[0]};
	job->pid = fork();
	if (job->pid < 0)
		give_up("fork");
	if (job->pid == 0) {
		sigset_t none;

		/* A group of its own, so that a signal reaches the shell's children as well. */
		setpgid(0, 0);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(err[1], 2);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	setpgid(job->pid, job->pid);
	close(in[0]);
	close(out[1]);
	close(err[1]);
}

static void handle_message(void)
{
	static char body[MAX_BODY + 1];
	struct msg m;
	struct job *job;

	read_all(&m, sizeof(m));
	if (m.len > MAX_BODY) {
		errno = EMSGSIZE;
		give_up("message");
	}
	read_all(body, m.len);
	body[m.len] = 0;
	job = find_job(m.id);
	if (m.kind == 'x') {
		start_job(m.id, body);
	} else if (m.kind == 'i' && job && job->in >= 0) {
		/* A job that no longer reads has no use for the rest: SIGPIPE is ignored. */
		if (m.len == 0 || write(job->in, body, m.len) < 0) {
			close(job->in);
			job->in = -1;
		}
	} else if (m.kind == 'k' && job) {
		kill(-job->pid, body[0]);
	}
}

static void forward_output(struct job *job, int *fd, uint8_t kind)
{
	static char buf[65536];
	ssize_t n = read(*fd, buf, sizeof(buf));

	if (n < 0)
		return;
	send_msg(kind, job->id, buf, n);
	if (n == 0) {
		close(*fd);
		*fd = -1;
	}
}

static void reap(int sigfd)
{
	struct signalfd_siginfo info;
	pid_t pid;
	int status;

	if (read(sigfd, &info, sizeof(info)) < 0)
		give_up("signalfd");
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < MAX_JOBS; i++)
			if (jobs[i].pid == pid) {
				jobs[i].status = status;
				jobs[i].reaped = 1;
			}
}

/*
 * A job has ended when it was reaped and its output is at its end. A child that it left behind may hold the
 * output open for ever, so what is there when the job is reaped is all that is waited for.
 */
static void end_job(struct job *job)
{
	int *fds[] = {&job->out, &job->err};
	int32_t status = job->status;

	for (int i = 0; i < 2; i++) {
		while (*fds[i] >= 0) {
			struct pollfd p = {.fd = *fds[i], .events = POLLIN};

			if (poll(&p, 1, 0) <= 0) {
				close(*fds[i]);
				*fds[i] = -1;
				break;
			}
			forward_output(job, fds[i], i ? 'e' : 'o');
		}
	}
	if (job->in >= 0)
		close(job->in);
	send_msg('q', job->id, &status, sizeof(status));
	job->pid = 0;
}

int main(int argc, char **argv)
{
	sigset_t child;
	int sigfd;

	if (argc != 2) {
		fprintf(stderr, "usage: %s PORT\n", argv[0]);
		return 2;
	}
	port = open(argv[1], O_RDWR | O_CLOEXEC);
	if (port < 0)
		give_up(argv[1]);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	sigfd = signalfd(-1, &child, SFD_CLOEXEC);
	if (sigfd < 0)
		give_up("signalfd");
	send_msg('h', 0, NULL, 0);

	for (;;) {
		struct pollfd fds[2 + 2 * MAX_JOBS] = {{.fd = port, .events = POLLIN},
						       {.fd = sigfd, .events = POLLIN}};

		for (int i = 0; i < MAX_JOBS; i++) {
			fds[2 + 2 * i] =
				(struct pollfd){.fd = jobs[i].pid ? jobs[i].out : -1, .events = POLLIN};
			fds[3 + 2 * i] =
				(struct pollfd){.fd = jobs[i].pid ? jobs[i].err : -1, .events = POLLIN};
		}
		if (poll(fds, 2 + 2 * MAX_JOBS, -1) < 0 && errno != EINTR)
			give_up("poll");
		if (fds[0].revents & POLLIN)
			handle_message();
		else if (fds[0].revents & POLLHUP)
			usleep(10000); /* the host's end is closed: nothing to do, but no spinning either */
		for (int i = 0; i < MAX_JOBS; i++) {
			if (jobs[i].pid && fds[2 + 2 * i].revents && jobs[i].out >= 0)
				forward_output(&jobs[i], &jobs[i].out, 'o');
			if (jobs[i].pid && fds[3 + 2 * i].revents && jobs[i].err >= 0)
				forward_output(&jobs[i], &jobs[i].err, 'e');
		}
		if (fds[1].revents & POLLIN)
			reap(sigfd);
		for (int i = 0; i < MAX_JOBS; i++)
			if (jobs[i].pid && jobs[i].reaped)
				end_job(&jobs[i]);
	}
}
