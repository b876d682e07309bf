/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app.h"
#include "lines.h"

enum lines_result lines_put(struct lines *l, char byte)
{
	if (byte == '\n') {
		bool too_long = l->too_long;

		l->text[l->used] = '\0';
		l->used = 0;
		l->too_long = false;
		return too_long ? LINES_TOO_LONG : LINES_LINE;
	}
	if (byte == '\r')
		return LINES_MORE;
	if (l->used == sizeof(l->text) - 1)
		l->too_long = true;
	else if (byte == '\t')
		l->text[l->used++] = ' ';
	else
		l->text[l->used++] = byte >= ' ' && byte <= '~' ? byte : '?';
	return LINES_MORE;
}

enum lines_result lines_end(struct lines *l)
{
	return l->used || l->too_long ? lines_put(l, '\n') : LINES_MORE;
}

static void run_line(struct app *app, struct lines *l, enum lines_result result)
{
	if (result == LINES_MORE)
		return;
	if (result == LINES_TOO_LONG) {
		fprintf(stderr, "Line too long: more than %zu characters, not carried out\n",
			sizeof(l->text) - 1);
	} else {
		/* A transcript of a pipe's commands reads like one of a terminal. */
		printf("%s\n", l->text);
		cmd_run(app, l->text);
	}
	if (!app->quit)
		printf("testpmd> ");
}

/* What was printed meanwhile stands behind the prompt: whoever waits for one gets another. */
static void redraw(void *arg)
{
	printf("testpmd> ");
	fflush(stdout);
}

void lines_read(struct app *app, int fd)
{
	struct lines lines = {.used = 0};
	char bytes[512];

	app->redraw = redraw;
	printf("testpmd> ");
	while (!app->quit && loop_wait(app, fd) == LOOP_INPUT) {
		ssize_t n = read(fd, bytes, sizeof(bytes));

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0) {
			run_line(app, &lines, lines_end(&lines));
			break;
		}
		for (ssize_t i = 0; i < n && !app->quit; i++)
			run_line(app, &lines, lines_put(&lines, bytes[i]));
	}
	app->redraw = NULL;
	printf("\n");
}
