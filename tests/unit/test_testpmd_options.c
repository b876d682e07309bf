/* SPDX-License-Identifier: BSD-3-Clause */
/* testpmd's command line and core lists. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "cores.h"
#include "fwd.h"
#include "options.h"

#define MAX_ARGS 64

static struct options opt;
static char err[256];

/* Parse "unapi-testpmd" and @line's words. */
static int parse(const char *line)
{
	static char copy[4096];
	char *argv[MAX_ARGS + 1] = {(char *)(uintptr_t) "unapi-testpmd"};
	int argc = 1;
	char *save;

	err[0] = '\0';
	assert_true(strlen(line) < sizeof(copy));
	strcpy(copy, line);
	for (char *word = strtok_r(copy, " ", &save); word && argc < MAX_ARGS;
	     word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	return options_parse(&opt, argc, argv, err, sizeof(err));
}

static void refused(const char *line, const char *about)
{
	assert_int_equal(parse(line), -EINVAL);
	assert_non_null(strstr(err, about));
	assert_null(strchr(err, '\n'));
}

static void defaults(void **state)
{
	assert_int_equal(parse("-a sim:igb"), 0);
	assert_int_equal(opt.nr_devices, 1);
	assert_string_equal(opt.devices[0], "sim:igb");
	assert_int_equal(opt.nr_cores, 0);
	assert_int_equal(opt.rxq, 0);
	assert_int_equal(opt.txq, 0);
	assert_int_equal(opt.combined + opt.rx_only + opt.tx_only, 0);
	assert_int_equal(opt.rxd, 0);
	assert_int_equal(opt.burst, 32);
	assert_int_equal(opt.nb_cores, 1);
	assert_int_equal(opt.poll_mode, UNAPI_MODE_INTERRUPT);
	assert_ptr_equal(opt.engine, &fwd_io);
	assert_false(opt.interactive || opt.auto_start || opt.help || opt.version);
	assert_false(opt.no_flush_rx);
	assert_null(opt.stats_json);
}

static void everything(void **state)
{
	assert_int_equal(parse("-l 0-1,3 -a 0000:03:00.0 --allow=vfio-user:/tmp/s -- --interactive "
			       "--forward-mode=macswap --rxq 4 --txq=4 --rxd 256 --txd=1024 --burst 64 "
			       "--combined 1 --rx-only=2 --tx-only 3 --nb-cores=2 --stats-period 3 "
			       "--auto-start --poll-mode=busy --stats-json /tmp/j --no-flush-rx"),
			 0);
	assert_int_equal(opt.nr_cores, 3);
	assert_int_equal(opt.cores[2], 3);
	assert_int_equal(opt.nr_devices, 2);
	assert_string_equal(opt.devices[1], "vfio-user:/tmp/s");
	assert_true(opt.interactive && opt.auto_start);
	assert_true(opt.no_flush_rx);
	assert_ptr_equal(opt.engine, &fwd_macswap);
	assert_int_equal(opt.rxq, 4);
	assert_int_equal(opt.txq, 4);
	assert_int_equal(opt.rxd, 256);
	assert_int_equal(opt.txd, 1024);
	assert_int_equal(opt.burst, 64);
	assert_int_equal(opt.nb_cores, 2);
	assert_int_equal(opt.combined, 1);
	assert_int_equal(opt.rx_only, 2);
	assert_int_equal(opt.tx_only, 3);
	assert_int_equal(opt.stats_period, 3);
	assert_int_equal(opt.poll_mode, UNAPI_MODE_BUSY);
	assert_string_equal(opt.stats_json, "/tmp/j");
}

static void short_names(void **state)
{
	/* -a is a device on one side of "--", auto-start on the other, as with DPDK. */
	assert_int_equal(parse("-a sim:igb -- -i -a"), 0);
	assert_true(opt.interactive && opt.auto_start);
	assert_int_equal(opt.nr_devices, 1);
	assert_int_equal(parse("--help"), 0);
	assert_true(opt.help);
	assert_int_equal(parse("-- --help"), 0);
	assert_true(opt.help);
}

static void bad_options(void **state)
{
	refused("", "no device");
	refused("-l 0", "no device");
	refused("-a", "value");
	refused("-a -- --rxq 1", "value");
	refused("-z", "-z");
	refused("sim:igb", "not an option");
	refused("-a sim:igb --rxq 2", "after");
	refused("-a sim:igb -- -l 0", "before");
	refused("-a sim:igb -- --interactive=yes", "no value");
	refused("-a sim:igb -- --rxq", "value");
	refused("-a 0000:03:00.0 -a 0000:03:00.0", "twice");
	refused("-a sim:igb -- --forward-mode=flood", "flood");
	refused("-a sim:igb -- --poll-mode=sometimes", "sometimes");
	refused("-a sim:igb -- --stats-json=", "file");
	refused("-a sim:igb -- -- -i", "--");
	/* Two simulated NICs of one description are two. */
	assert_int_equal(parse("-a sim:igb -a sim:igb"), 0);
}

static void bad_numbers(void **state)
{
	static const char *const names[] = {"rxq", "txq", "rxd", "txd", "burst", "nb-cores"};
	static const char *const values[] = {
		"0", "-1", "+1", "1x", "0x10", "1.5", "999999999", "18446744073709551617", "=", "NaN"};
	char line[128];

	for (unsigned int n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
		for (unsigned int v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
			snprintf(line, sizeof(line), "-a sim:igb -- --%s %s", names[n], values[v]);
			refused(line, names[n]);
		}
	}
	refused("-a sim:igb -- --burst 513", "513");
	refused("-a sim:igb -- --combined -1", "--combined");
	refused("-a sim:igb -- --rx-only 129", "129");
	refused("-a sim:igb -- --tx-only one", "--tx-only one");
	assert_int_equal(parse("-a sim:igb -- --combined 0 --rx-only 1 --tx-only 1"), 0);
	refused("-a sim:igb -- --stats-period -1", "-1");
	assert_int_equal(parse("-a sim:igb -- --stats-period 0"), 0);
}

static void too_many_devices(void **state)
{
	char line[1024] = "";

	for (unsigned int i = 0; i < MAX_PORTS; i++)
		strcat(line, "-asim:igb ");
	/* A short option and its value are two words. */
	refused(line, "-asim:igb");
	line[0] = '\0';
	for (unsigned int i = 0; i <= MAX_PORTS; i++)
		strcat(line, "--allow=sim:igb ");
	refused(line, "more than");
}

static void long_value(void **state)
{
	char line[3000] = "-a sim:igb -- --rxq ";

	memset(line + strlen(line), '9', 2000);
	refused(line, "--rxq");
}

static unsigned int cores[16], nr_cores;

static int list(const char *text)
{
	nr_cores = 0;
	err[0] = '\0';
	return cores_parse(text, cores, 16, &nr_cores, err, sizeof(err));
}

static void core_lists(void **state)
{
	char text[64];

	assert_int_equal(list("0"), 0);
	assert_int_equal(nr_cores, 1);
	assert_int_equal(list("3,0-1"), 0);
	assert_int_equal(nr_cores, 3);
	assert_int_equal(cores[0], 0);
	assert_int_equal(cores[2], 3);
	assert_string_equal(cores_format(cores, nr_cores, text, sizeof(text)), "0-1,3");
	assert_int_equal(list("5,5,4-6"), 0);
	assert_string_equal(cores_format(cores, nr_cores, text, sizeof(text)), "4-6");
	/* Too little room leaves a string that ends. */
	assert_true(strlen(cores_format(cores, nr_cores, text, 3)) < 3);
}

static void bad_core_lists(void **state)
{
	static const char *const bad[] = {"",
					  ",",
					  "0,",
					  ",0",
					  "0,,1",
					  "-",
					  "0-",
					  "-1",
					  "1-0",
					  "a",
					  "0a",
					  "0 1",
					  "0-1-2",
					  "0x1",
					  "+1",
					  "1024",
					  "0-99999999999999999999",
					  "4294967296",
					  "0-16"};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(list(bad[i]), -EINVAL);
		assert_true(err[0]);
	}
}

static void allowed_cores(void **state)
{
	unsigned int n = 0, have[MAX_LCORES];

	assert_int_equal(cores_allowed(have, MAX_LCORES, &n), 0);
	assert_true(n >= 1);
	assert_int_equal(cores_pin_self(have[n - 1]), 0);
	assert_int_equal(cores_allowed(have, MAX_LCORES, &n), 0);
	assert_int_equal(n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),	  cmocka_unit_test(everything),
		cmocka_unit_test(short_names),	  cmocka_unit_test(bad_options),
		cmocka_unit_test(bad_numbers),	  cmocka_unit_test(too_many_devices),
		cmocka_unit_test(long_value),	  cmocka_unit_test(core_lists),
		cmocka_unit_test(bad_core_lists), cmocka_unit_test(allowed_cores),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
