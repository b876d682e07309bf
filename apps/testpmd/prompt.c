/* SPDX-License-Identifier: BSD-3-Clause */
/* The prompt on a terminal: line editing, history and completion by libedit, inside the main thread's event
 * loop. */
#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app.h"
#include "cmd.h"

#define HISTORY_LINES	512
#define MAX_COMPLETIONS 32

static char *prompt_text(EditLine *el)
{
	static char text[] = "testpmd> ";

	return text;
}

static struct app *app_of(EditLine *el)
{
	void *data = NULL;

	el_get(el, EL_CLIENTDATA, &data);
	return data;
}

/*
 * The terminal once more, opened not to block: ctrl-C empties its queue, and a read that poll() had promised
 * a character would then wait with SIGINT blocked. Standard input itself may be others' too, and stays as it
 * is.
 */
static int terminal = STDIN_FILENO;

/* libedit asks for a character: serve everything else until there is one. */
static int get_char(EditLine *el, wchar_t *out)
{
	char byte;
	ssize_t n;

	do {
		if (loop_wait(app_of(el), STDIN_FILENO) == LOOP_QUIT)
			return 0;
		n = read(terminal, &byte, 1);
	} while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n <= 0)
		return 0;
	/* Commands are ASCII; the library would need a locale for anything else. */
	*out = (unsigned char)byte < 0x80 ? (unsigned char)byte : L'?';
	return 1;
}

static size_t common_start(char words[][24], unsigned int n)
{
	size_t len = strlen(words[0]);

	for (unsigned int i = 1; i < n; i++) {
		size_t l = 0;

		while (l < len && words[0][l] == words[i][l])
			l++;
		len = l;
	}
	return len;
}

static unsigned char complete(EditLine *el, int ch)
{
	const LineInfo *line = el_line(el);
	size_t len = line->cursor - line->buffer, typed = 0;
	char words[MAX_COMPLETIONS][24], more[26];
	unsigned int n = cmd_complete(line->buffer, len, words, MAX_COMPLETIONS);
	size_t common;

	if (!n)
		return CC_ERROR;
	while (typed < len && line->buffer[len - 1 - typed] != ' ')
		typed++;
	common = common_start(words, n);
	if (common > typed || n == 1) {
		snprintf(more, sizeof(more), "%.*s%s", (int)(common - typed), words[0] + typed,
			 n == 1 ? " " : "");
		el_insertstr(el, more);
		return CC_REFRESH;
	}
	printf("\n");
	for (unsigned int i = 0; i < n; i++)
		printf("%s%s", words[i], i + 1 < n ? "  " : "\n");
	fflush(stdout);
	return CC_REDISPLAY;
}

static void redraw(void *arg)
{
	fflush(stdout);
	el_set(arg, EL_REFRESH);
}

static void read_commands(struct app *app, EditLine *el, History *past)
{
	char line[CMD_LINE_MAX];
	const char *text;
	HistEvent ev;
	int n;

	while (!app->quit && (text = el_gets(el, &n)) && n > 0) {
		size_t len = strcspn(text, "\r\n");

		if (len >= sizeof(line)) {
			fprintf(stderr, "Line too long: more than %zu characters, not carried out\n",
				sizeof(line) - 1);
			continue;
		}
		memcpy(line, text, len);
		line[len] = '\0';
		if (line[strspn(line, " \t")])
			history(past, &ev, H_ENTER, line);
		cmd_run(app, line);
	}
}

int prompt_edit(struct app *app)
{
	EditLine *el = el_init("unapi-testpmd", stdin, stdout, stderr);
	History *past = history_init();
	HistEvent ev;

	if (!el || !past) {
		if (el)
			el_end(el);
		if (past)
			history_end(past);
		return -ENOMEM;
	}
	history(past, &ev, H_SETSIZE, HISTORY_LINES);
	history(past, &ev, H_SETUNIQUE, 1);
	el_set(el, EL_CLIENTDATA, app);
	el_set(el, EL_PROMPT, prompt_text);
	el_set(el, EL_EDITOR, "emacs");
	/* Signals stay the event loop's: libedit catches none. */
	el_set(el, EL_SIGNAL, 0);
	el_set(el, EL_HIST, history, past);
	el_set(el, EL_GETCFN, get_char);
	/* Wide, as libedit keeps them: it would convert others, and never free what it made. */
	el_wset(el, EL_ADDFN, L"complete", L"complete a command", complete);
	el_set(el, EL_BIND, "^I", "complete", NULL);
	app->redraw = redraw;
	app->redraw_arg = el;
	terminal = open("/proc/self/fd/0", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (terminal < 0)
		terminal = STDIN_FILENO;
	read_commands(app, el, past);
	if (terminal != STDIN_FILENO)
		close(terminal);
	app->redraw = NULL;
	el_end(el); /* puts the terminal back */
	history_end(past);
	printf("\n");
	return 0;
}
