/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands. One says by its syntax what it takes: words apart by blanks, alternatives apart by "|", capitals
 * for a number, and for a list of numbers if they end in LIST. "set promisc PORT|all on|off" takes
 * "set promisc 0 on".
 */
#ifndef TESTPMD_CMD_H
#define TESTPMD_CMD_H

#include <stdbool.h>
#include <stddef.h>

#define CMD_WORDS    12
#define CMD_LINE_MAX 1024

struct app;
struct port;

/* A word of the line that was typed. */
struct cmd_arg {
	const char *word;
	bool is_number;
	unsigned int number;
};

struct cmd {
	const char *syntax, *help;
	void (*run)(struct app *app, const struct cmd_arg *args);
};

/* The families, each ended by an entry without syntax. */
extern const struct cmd cmds_control[], cmds_show[], cmds_napi_show[], cmds_set[], cmds_mode[], cmds_napi[],
	cmds_gro[], cmds_port[];

/** cmd_find() - the command a line is, its words in @args (CMD_WORDS). Cuts the line at blanks. NULL: none
 * is, and @why has the line that says so; "" for a line with nothing in it */
const struct cmd *cmd_find(char *line, struct cmd_arg *args, char *why, size_t size);

/** cmd_complete() - the words that may stand where @line ends, in @words, each once. How many */
unsigned int cmd_complete(const char *line, size_t len, char words[][24], unsigned int max);

/** cmd_next() - each command in turn; NULL begins, and ends */
const struct cmd *cmd_next(const struct cmd *c);

/** gro_name() - how a set of UNAPI_GRO_* is typed */
const char *gro_name(unsigned int protocols);

/** cmd_ports() - call @fn for the port of this number, or every port of "all" that is not closed; says so if
 * there is none */
void cmd_ports(struct app *app, const struct cmd_arg *arg, void (*fn)(struct app *app, struct port *port));

#endif
