/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line: the part before "--" in the manner of DPDK's EAL, the part after it testpmd's own. */
#ifndef TESTPMD_OPTIONS_H
#define TESTPMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <unapi/mode.h>

#define MAX_PORTS  32
#define MAX_QUEUES 128
#define MAX_BURST  512
#define MAX_LCORES 256
#define MAX_PERIOD 86400

struct fwd_engine;

struct options {
	unsigned int cores[MAX_LCORES]; /* ascending; the first is the main thread's */
	unsigned int nr_cores;
	const char *devices[MAX_PORTS];
	unsigned int nr_devices;
	bool interactive, auto_start, help, version;
	const struct fwd_engine *engine;
	unsigned int rxq, txq, rxd, txd;	 /* 0: the library's default */
	unsigned int combined, rx_only, tx_only; /* channels; all 0: as queues need */
	unsigned int burst, nb_cores, stats_period;
	enum unapi_mode poll_mode;
	const char *stats_json; /* NULL: none */
	bool no_stats_socket, no_flush_rx;
};

/**
 * options_parse() - fill @opt from the command line. 0; -EINVAL with one line about it in @err
 *
 * The strings in @opt are those of @argv. Whether the cores are to be had is cores_check()'s to say.
 */
int options_parse(struct options *opt, int argc, char **argv, char *err, size_t size);

const char *options_usage(void);

/** parse_number() - a decimal number within min..max and nothing else. 0 or -EINVAL */
int parse_number(const char *text, unsigned int min, unsigned int max, unsigned int *out);

#endif
