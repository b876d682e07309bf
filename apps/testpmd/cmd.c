/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "cmd.h"

static const struct cmd *const families[] = {cmds_control, cmds_show, cmds_napi_show, cmds_set,
					     cmds_mode,	   cmds_napi, cmds_gro,	      cmds_port};

#define NR_FAMILIES (sizeof(families) / sizeof(families[0]))

const struct cmd *cmd_next(const struct cmd *c)
{
	if (!c)
		return families[0];
	for (unsigned int f = 0; f < NR_FAMILIES; f++) {
		const struct cmd *i = families[f];

		while (i->syntax && i != c)
			i++;
		if (!i->syntax)
			continue;
		if (i[1].syntax)
			return i + 1;
		return f + 1 < NR_FAMILIES ? families[f + 1] : NULL;
	}
	return NULL;
}

/* The next piece of *text up to one of @ends, which moves past it. Its length; 0 at the end. */
static size_t piece(const char **text, const char *ends, const char **start)
{
	size_t len;

	*start = *text + strspn(*text, ends);
	len = strcspn(*start, ends);
	*text = *start + len;
	return len;
}

/* Whether a word of a line is what a word of a syntax takes. */
static bool takes(const char *syntax, size_t len, const struct cmd_arg *arg)
{
	const char *alternative, *end = syntax + len;

	while (syntax < end) {
		size_t n = piece(&syntax, "| ", &alternative);

		if (n > 4 && !memcmp(alternative + n - 4, "LIST", 4)) {
			if (isdigit((unsigned char)arg->word[0]))
				return true;
		} else if (isupper((unsigned char)alternative[0])) {
			if (arg->is_number)
				return true;
		} else if (n == strlen(arg->word) && !memcmp(alternative, arg->word, n)) {
			return true;
		}
		if (*syntax == '|')
			syntax++;
	}
	return false;
}

/* How many of the words fit; *whole says that nothing is missing and nothing left over. */
static unsigned int fit(const struct cmd *c, const struct cmd_arg *args, unsigned int n, bool *whole)
{
	const char *at = c->syntax, *word;
	unsigned int i = 0;
	size_t len;

	while ((len = piece(&at, " ", &word)) && i < n && takes(word, len, &args[i]))
		i++;
	*whole = i == n && !len;
	return i;
}

static unsigned int split(char *line, struct cmd_arg *args, unsigned int max)
{
	unsigned int n = 0;
	char *save;

	for (char *word = strtok_r(line, " \t", &save); word; word = strtok_r(NULL, " \t", &save)) {
		/* One past the most stands for "too many". */
		if (n == max)
			return max + 1;
		args[n].word = word;
		args[n].is_number = !parse_number(word, 0, UINT_MAX, &args[n].number);
		n++;
	}
	return n;
}

const struct cmd *cmd_find(char *line, struct cmd_arg *args, char *why, size_t size)
{
	const struct cmd *best = NULL;
	unsigned int n, most = 0, equals = 0;

	why[0] = '\0';
	line += strspn(line, " \t");
	if (*line == '#') /* a comment, as in files of commands */
		return NULL;
	n = split(line, args, CMD_WORDS);
	if (!n)
		return NULL;
	if (n > CMD_WORDS) {
		snprintf(why, size, "Bad arguments: no command has so many words (try help)");
		return NULL;
	}
	for (const struct cmd *c = cmd_next(NULL); c; c = cmd_next(c)) {
		bool whole;
		unsigned int fits = fit(c, args, n, &whole);

		if (whole)
			return c;
		if (fits > most) {
			most = fits;
			equals = 0;
			best = c;
		}
		equals += fits == most;
	}
	if (!most)
		snprintf(why, size, "Command not found: %.40s (try help)", args[0].word);
	else if (equals == 1)
		snprintf(why, size, "Bad arguments: the command is %s", best->syntax);
	else
		snprintf(why, size, "Bad arguments after \"%.40s\" (try help)", args[most - 1].word);
	return NULL;
}

void cmd_run(struct app *app, char *line)
{
	struct cmd_arg args[CMD_WORDS];
	char why[160];
	const struct cmd *c = cmd_find(line, args, why, sizeof(why));

	if (c)
		c->run(app, args);
	else if (why[0])
		fprintf(stderr, "%s\n", why);
	fflush(stdout);
}

/* The alternatives of one word of a syntax that begin with @start. */
static unsigned int collect(const char *syntax, size_t len, const char *start, size_t start_len,
			    char words[][24], unsigned int n, unsigned int max)
{
	const char *alternative, *end = syntax + len;

	while (syntax < end) {
		size_t l = piece(&syntax, "| ", &alternative);
		unsigned int i = 0;

		if (*syntax == '|')
			syntax++;
		if (isupper((unsigned char)alternative[0]) || l < start_len || l >= sizeof(words[0]) ||
		    memcmp(alternative, start, start_len))
			continue;
		while (i < n && (strlen(words[i]) != l || memcmp(words[i], alternative, l)))
			i++;
		if (i == n && n < max) {
			memcpy(words[n], alternative, l);
			words[n++][l] = '\0';
		}
	}
	return n;
}

unsigned int cmd_complete(const char *line, size_t len, char words[][24], unsigned int max)
{
	struct cmd_arg args[CMD_WORDS];
	char copy[CMD_LINE_MAX];
	unsigned int before, n = 0;
	size_t start = len;

	if (len >= sizeof(copy))
		return 0;
	while (start && line[start - 1] != ' ')
		start--;
	memcpy(copy, line, start);
	copy[start] = '\0';
	before = split(copy, args, CMD_WORDS);
	if (before >= CMD_WORDS)
		return 0;
	for (const struct cmd *c = cmd_next(NULL); c; c = cmd_next(c)) {
		const char *at = c->syntax, *word;
		unsigned int i = 0;
		size_t l = piece(&at, " ", &word);

		while (i < before && l && takes(word, l, &args[i])) {
			l = piece(&at, " ", &word);
			i++;
		}
		if (i == before && l)
			n = collect(word, l, line + start, len - start, words, n, max);
	}
	return n;
}

void cmd_ports(struct app *app, const struct cmd_arg *arg, void (*fn)(struct app *app, struct port *port))
{
	bool any = false;

	if (arg->is_number && arg->number >= app->nr_ports) {
		fprintf(stderr, "Invalid port %u\n", arg->number);
		return;
	}
	for (unsigned int i = 0; i < app->nr_ports; i++) {
		if ((arg->is_number && arg->number != i) || app->ports[i].state == PORT_CLOSED)
			continue;
		any = true;
		fn(app, &app->ports[i]);
	}
	if (any)
		return;
	if (arg->is_number)
		fprintf(stderr, "Port %u is closed\n", arg->number);
	else
		fprintf(stderr, "All ports are closed\n");
}
