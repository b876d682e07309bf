/* SPDX-License-Identifier: BSD-3-Clause */
/* The main thread's event loop: it runs while a command is awaited. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "app.h"
#include "json.h"
#include "stats.h"

int loop_open(struct app *app)
{
	sigset_t signals;
	struct itimerspec period = {
		.it_interval.tv_sec = app->opt.stats_period,
		.it_value.tv_sec = app->opt.stats_period,
	};

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	/* Blocked in every thread made from here on; a full pipe or terminal gone is seen by write(). */
	if (sigprocmask(SIG_BLOCK, &signals, NULL) || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	app->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	app->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	app->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (app->signal_fd < 0 || app->event_fd < 0 || app->timer_fd < 0 ||
	    timerfd_settime(app->timer_fd, 0, &period, NULL)) {
		int err = errno;

		loop_close(app);
		return -err;
	}
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void loop_close(struct app *app)
{
	close_fd(&app->signal_fd);
	close_fd(&app->event_fd);
	close_fd(&app->timer_fd);
}

static void serve_signal(struct app *app)
{
	struct signalfd_siginfo info;

	if (read(app->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	printf("\nSignal %u received, preparing to exit...\n", info.ssi_signo);
	app->quit = true;
}

static void serve_timer(struct app *app)
{
	uint64_t expirations;

	if (read(app->timer_fd, &expirations, sizeof(expirations)) != sizeof(expirations))
		return;
	if (app->json)
		json_write(app->json, app, false);
	if (app->print_periods)
		stats_show_all(app);
}

static void serve_events(struct app *app)
{
	uint64_t count;

	if (read(app->event_fd, &count, sizeof(count)) == sizeof(count))
		app_events(app);
}

enum loop_result loop_wait(struct app *app, int fd)
{
	struct pollfd fds[] = {
		{.fd = app->signal_fd, .events = POLLIN},
		{.fd = app->event_fd, .events = POLLIN},
		{.fd = app->timer_fd, .events = POLLIN},
		{.fd = fd, .events = POLLIN},
	};

	fflush(stdout);
	while (!app->quit) {
		if (poll(fds, 4, -1) < 0) {
			if (errno == EINTR)
				continue;
			fprintf(stderr, "testpmd: poll: %s\n", strerror(errno));
			app->status = 1;
			app->quit = true;
			break;
		}
		if (fds[0].revents)
			serve_signal(app);
		if (fds[1].revents)
			serve_events(app);
		if (fds[2].revents)
			serve_timer(app);
		if (fds[3].revents && !app->quit)
			return LOOP_INPUT;
		fflush(stdout);
	}
	return LOOP_QUIT;
}
