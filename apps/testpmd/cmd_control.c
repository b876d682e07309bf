/* SPDX-License-Identifier: BSD-3-Clause */
/* start, stop, help, quit */
#include <stdio.h>

#include "app.h"
#include "cmd.h"

static void start(struct app *app, const struct cmd_arg *args)
{
	if (!forward_start(app))
		forward_show_config(app);
}

static void stop(struct app *app, const struct cmd_arg *args)
{
	forward_stop(app);
}

static void help(struct app *app, const struct cmd_arg *args)
{
	printf("\n");
	for (const struct cmd *c = cmd_next(NULL); c; c = cmd_next(c))
		printf("%-52s %s\n", c->syntax, c->help);
	printf("\n");
}

static void quit(struct app *app, const struct cmd_arg *args)
{
	app->quit = true;
}

const struct cmd cmds_control[] = {
	{"help", "this list", help},
	{"start", "start forwarding on the started ports", start},
	{"stop", "stop forwarding, and print what was forwarded", stop},
	{"quit", "stop everything and leave", quit},
	{NULL},
};
