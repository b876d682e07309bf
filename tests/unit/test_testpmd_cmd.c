/* SPDX-License-Identifier: BSD-3-Clause */
/* testpmd's commands: which line is which command, completion, and lines out of any bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cmd.h"
#include "fwd.h"
#include "lines.h"

static struct cmd_arg args[CMD_WORDS];
static char why[160], copy[4096];

static const struct cmd *find(const char *line)
{
	assert_true(strlen(line) < sizeof(copy));
	strcpy(copy, line);
	return cmd_find(copy, args, why, sizeof(why));
}

static void is(const char *line, const char *syntax)
{
	const struct cmd *c = find(line);

	assert_non_null(c);
	assert_string_equal(c->syntax, syntax);
}

static void is_none(const char *line, const char *about)
{
	assert_null(find(line));
	assert_non_null(strstr(why, about));
	assert_null(strchr(why, '\n'));
}

static void commands(void **state)
{
	is("start", "start");
	is("  stop\t", "stop");
	is("quit", "quit");
	is("show port stats all", "show port info|stats|xstats PORT|all");
	is("show port xstats 31", "show port info|stats|xstats PORT|all");
	assert_true(args[3].is_number);
	assert_int_equal(args[3].number, 31);
	is("show fwd stats all", "show fwd stats all");
	is("show napi", "show napi");
	is("set poll-mode 0 all busy",
	   "set poll-mode PORT|all QUEUE|all "
	   "interrupt|deferred|threaded|threaded-busy|busy|prefer-busy|suspend|adaptive");
	is("set poll-mode all 3 interrupt",
	   "set poll-mode PORT|all QUEUE|all "
	   "interrupt|deferred|threaded|threaded-busy|busy|prefer-busy|suspend|adaptive");
	is("set port 0 gro-flush-timeout 20000",
	   "set port PORT|all gro-flush-timeout|defer-hard-irqs|threaded VALUE");
	is("set port all threaded 1", "set port PORT|all gro-flush-timeout|defer-hard-irqs|threaded VALUE");
	is("set napi 0 8193 defer-hard-irqs 2147483648",
	   "set napi PORT|all INSTANCE|all gro-flush-timeout|defer-hard-irqs|irq-suspend-timeout|threaded "
	   "VALUE");
	assert_int_equal(args[5].number, 2147483648u);
	is("set napi 0 all affinity 0-1,3", "set napi PORT|all INSTANCE|all affinity CPULIST");
	assert_string_equal(args[5].word, "0-1,3");
	is("set napi all 2 affinity 7", "set napi PORT|all INSTANCE|all affinity CPULIST");
	is("set promisc 1 off", "set promisc PORT|all on|off");
	is("port reset 0", "port reset PORT|all");
	is("clear port stats all", "clear port stats PORT|all");
}

static void every_engine_can_be_set(void **state)
{
	char names[128], line[64], *save;

	fwd_names(names, sizeof(names), " ");
	for (char *name = strtok_r(names, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
		snprintf(line, sizeof(line), "set fwd %s", name);
		assert_non_null(find(line));
		assert_non_null(fwd_find(args[2].word));
	}
	is_none("set fwd flood", "Bad arguments");
}

static void nothing(void **state)
{
	static const char *const lines[] = {"", "   ", "\t\t", "# a comment", "  #start"};

	for (unsigned int i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_null(find(lines[i]));
		assert_string_equal(why, "");
	}
}

static void garbage(void **state)
{
	is_none("strat", "Command not found");
	is_none("START", "Command not found");
	is_none("port", "Bad arguments");
	is_none("port start", "Bad arguments: the command is port start PORT|all");
	is_none("port start -1", "Bad arguments");
	is_none("port start 0x1", "Bad arguments");
	is_none("port start 99999999999", "Bad arguments");
	is_none("port start 1 2", "Bad arguments");
	is_none("start now", "Bad arguments");
	is_none("show port PORT", "Bad arguments");
	is_none("set burst N", "Bad arguments");
	is_none("set burst |", "Bad arguments");
	is_none("set poll-mode 0 all sometimes", "Bad arguments");
	is_none("set poll-mode 0 all interrupt|busy", "Bad arguments");
	is_none("set port 0 irq-suspend-timeout 1", "Bad arguments"); /* no device has it */
	is_none("set port 0 threaded yes", "Bad arguments");
	is_none("set napi 0 all gro-flush-timeout -1", "Bad arguments");
	is_none("set napi all threaded 1", "Bad arguments");
	is_none("set napi 0 all affinity all", "Bad arguments");
	is_none("set napi 0 all affinity -1", "Bad arguments");
	is_none("set napi 0 all threaded 0-1", "Bad arguments");
	is_none("a b c d e f g h i j k l m", "many words");
	is_none("????????", "Command not found");
}

static void long_words(void **state)
{
	char line[CMD_LINE_MAX];

	memset(line, 'a', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	is_none(line, "Command not found");
	memcpy(line, "port ", 5);
	is_none(line, "Bad arguments");
}

static char words[32][24];

static bool offers(const char *line, const char *word)
{
	unsigned int n = cmd_complete(line, strlen(line), words, 32);

	for (unsigned int i = 0; i < n; i++) {
		if (!strcmp(words[i], word))
			return true;
	}
	return false;
}

static void completion(void **state)
{
	assert_int_equal(cmd_complete("", 0, words, 32), 8);
	assert_true(offers("", "help"));
	assert_int_equal(cmd_complete("sta", 3, words, 32), 1);
	assert_string_equal(words[0], "start");
	assert_int_equal(cmd_complete("s", 1, words, 32), 4);
	assert_int_equal(cmd_complete("show port ", 10, words, 32), 3);
	assert_true(offers("show port x", "xstats"));
	assert_true(offers("show port stats ", "all"));
	assert_true(offers("set poll-mode 0 all b", "busy"));
	assert_true(offers("set napi 0 all irq", "irq-suspend-timeout"));
	assert_int_equal(cmd_complete("set poll-mode 0 all ", 20, words, 32), 8);
	assert_int_equal(cmd_complete("port start 0 ", 13, words, 32), 0);
	assert_int_equal(cmd_complete("nonsense ", 9, words, 32), 0);
	assert_int_equal(cmd_complete("a b c d e f g h i j", 19, words, 32), 0);
	/* No more than there is room for, and a line longer than any. */
	assert_int_equal(cmd_complete("", 0, words, 2), 2);
	memset(copy, ' ', sizeof(copy));
	assert_int_equal(cmd_complete(copy, sizeof(copy), words, 32), 0);
}

static struct lines lines;

/* The result of the last of these bytes. */
static enum lines_result put(const char *bytes, size_t len)
{
	enum lines_result r = LINES_MORE;

	for (size_t i = 0; i < len; i++) {
		r = lines_put(&lines, bytes[i]);
		if (i + 1 < len)
			assert_int_equal(r, LINES_MORE);
	}
	return r;
}

static void plain_lines(void **state)
{
	memset(&lines, 0, sizeof(lines));
	assert_int_equal(put("start\n", 6), LINES_LINE);
	assert_string_equal(lines.text, "start");
	assert_int_equal(put("show\tnapi\r\n", 11), LINES_LINE);
	assert_string_equal(lines.text, "show napi");
	assert_int_equal(put("\n", 1), LINES_LINE);
	assert_string_equal(lines.text, "");
	assert_int_equal(lines_end(&lines), LINES_MORE);
	assert_int_equal(put("quit", 4), LINES_MORE);
	assert_int_equal(lines_end(&lines), LINES_LINE);
	assert_string_equal(lines.text, "quit");
}

static void hostile_lines(void **state)
{
	char byte = 'x';

	memset(&lines, 0, sizeof(lines));
	assert_int_equal(put("st\0rt\xff\x1b[A\n", 10), LINES_LINE);
	assert_string_equal(lines.text, "st?rt??[A");
	for (int i = 0; i < 1000000; i++)
		assert_int_equal(put(&byte, 1), LINES_MORE);
	assert_int_equal(put("\n", 1), LINES_TOO_LONG);
	/* The next line is whole again. */
	assert_int_equal(put("stop\n", 5), LINES_LINE);
	assert_string_equal(lines.text, "stop");
	/* The longest that is taken. */
	for (int i = 0; i < CMD_LINE_MAX - 1; i++)
		put(&byte, 1);
	assert_int_equal(put("\n", 1), LINES_LINE);
	assert_int_equal(strlen(lines.text), CMD_LINE_MAX - 1);
	for (int i = 0; i < CMD_LINE_MAX; i++)
		put(&byte, 1);
	assert_int_equal(lines_end(&lines), LINES_TOO_LONG);
}

/* Any bytes at all: no crash, and at most one of a command and a reason. */
static void random_lines(void **state)
{
	static const char alphabet[] = "startop howefdinlc01289|PORT# \t-";
	unsigned int seed = 1;
	char line[200];

	for (int i = 0; i < 200000; i++) {
		int len = rand_r(&seed) % (int)(sizeof(line) - 1);
		const struct cmd *c;

		for (int j = 0; j < len; j++)
			line[j] = alphabet[rand_r(&seed) % (sizeof(alphabet) - 1)];
		line[len] = '\0';
		cmd_complete(line, len, words, 32);
		c = cmd_find(line, args, why, sizeof(why));
		assert_true(!c || !why[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands),	cmocka_unit_test(every_engine_can_be_set),
		cmocka_unit_test(nothing),	cmocka_unit_test(garbage),
		cmocka_unit_test(long_words),	cmocka_unit_test(completion),
		cmocka_unit_test(plain_lines),	cmocka_unit_test(hostile_lines),
		cmocka_unit_test(random_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
