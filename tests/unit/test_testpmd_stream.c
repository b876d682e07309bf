/* SPDX-License-Identifier: BSD-3-Clause */
/* testpmd's streams (which queue forwards to which) and the formats of its counters. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "format.h"
#include "stream.h"

static struct stream_path paths[64];
static char why[160];

static int map(const struct fwd_engine *engine, unsigned int ports, unsigned int rxq, unsigned int txq)
{
	struct stream_end ends[8];

	/* Port numbers need not be neighbours: closed ports are left out. */
	for (unsigned int i = 0; i < ports; i++)
		ends[i] = (struct stream_end){.port = 10 + i, .rxq = rxq, .txq = txq};
	assert_true(stream_map_max(ends, ports) <= 64);
	return stream_map(engine, ends, ports, paths, why, sizeof(why));
}

static void path_is(int i, unsigned int rx_port, unsigned int rx_queue, unsigned int tx_port,
		    unsigned int tx_queue)
{
	assert_int_equal(paths[i].rx_port, rx_port);
	assert_int_equal(paths[i].rx_queue, rx_queue);
	assert_int_equal(paths[i].tx_port, tx_port);
	assert_int_equal(paths[i].tx_queue, tx_queue);
}

/* No two streams produce on one transmit queue. */
static void no_tx_queue_twice(int n)
{
	for (int i = 0; i < n; i++) {
		for (int j = i + 1; j < n; j++)
			assert_false(paths[i].tx_port == paths[j].tx_port &&
				     paths[i].tx_queue == paths[j].tx_queue);
	}
}

static void pairs(void **state)
{
	assert_int_equal(map(&fwd_io, 1, 2, 2), 2);
	path_is(0, 10, 0, 10, 0);
	path_is(1, 10, 1, 10, 1);
	assert_int_equal(map(&fwd_io, 2, 1, 1), 2);
	path_is(0, 10, 0, 11, 0);
	path_is(1, 11, 0, 10, 0);
	assert_int_equal(map(&fwd_mac, 5, 4, 6), 20);
	path_is(8, 12, 0, 13, 0);
	path_is(15, 13, 3, 12, 3);
	path_is(19, 14, 3, 14, 3);
	no_tx_queue_twice(20);
}

static void too_few_tx_queues(void **state)
{
	assert_int_equal(map(&fwd_io, 2, 4, 3), -EINVAL);
	assert_non_null(strstr(why, "--txq 4"));
	/* An engine that sends nothing needs none. */
	assert_int_equal(map(&fwd_rxonly, 2, 4, 1), 8);
	path_is(7, 11, 3, STREAM_NONE, STREAM_NONE);
}

static void senders(void **state)
{
	assert_int_equal(map(&fwd_txonly, 2, 1, 3), 6);
	path_is(0, STREAM_NONE, STREAM_NONE, 10, 0);
	path_is(5, STREAM_NONE, STREAM_NONE, 11, 2);
}

static void cuts_whole_packets(void **state)
{
	struct unapi_pkt pkts[8] = {0};

	assert_int_equal(stream_cut(pkts, 8, 3), 3);
	assert_int_equal(stream_cut(pkts, 8, 8), 8);
	assert_int_equal(stream_cut(pkts, 2, 32), 2);
	pkts[2].flags = pkts[3].flags = UNAPI_PKT_MORE;
	assert_int_equal(stream_cut(pkts, 8, 3), 5);
	assert_int_equal(stream_packets(pkts, 8), 6);
	assert_int_equal(stream_packets(pkts, 0), 0);
	/* One packet larger than the burst goes as a whole. */
	for (int i = 0; i < 7; i++)
		pkts[i].flags = UNAPI_PKT_MORE;
	assert_int_equal(stream_cut(pkts, 8, 1), 8);
}

static char *text;
static size_t text_len;

static FILE *open_text(void)
{
	return open_memstream(&text, &text_len);
}

static void text_is(FILE *f, const char *expected)
{
	fclose(f);
	assert_string_equal(text, expected);
	free(text);
}

static void nic_stats(void **state)
{
	struct unapi_dev_stats before = {.rx_packets = 100, .rx_bytes = 6000}, now = {.rx_packets = 1100,
										      .tx_packets = 7,
										      .rx_bytes = 66000,
										      .tx_bytes = 420,
										      .rx_missed = 3,
										      .rx_errors = 1,
										      .rx_alloc_fail = 2,
										      .tx_errors = 4};
	struct rates r;
	FILE *f = open_text();

	rates_between(&r, &before, &now, 500000000);
	format_nic_stats(f, 0, &now, &r);
	text_is(f, "\n  ######################## NIC statistics for port 0  ########################\n"
		   "  RX-packets: 1100       RX-missed: 3          RX-bytes:  66000\n"
		   "  RX-errors: 1\n"
		   "  RX-nombuf:  2         \n"
		   "  TX-packets: 7          TX-errors: 4          TX-bytes:  420\n"
		   "\n  Throughput (since last show)\n"
		   "  Rx-pps:         2000          Rx-bps:       960000\n"
		   "  Tx-pps:           14          Tx-bps:         6720\n"
		   "  ############################################################################\n");
}

static void rates_survive_a_clear(void **state)
{
	struct unapi_dev_stats before = {.rx_packets = 100}, now = {.rx_packets = 5};
	struct rates r;

	rates_between(&r, &before, &now, 1000);
	assert_int_equal(r.rx_pps, 0);
	rates_between(&r, &now, &before, 0);
	assert_int_equal(r.rx_pps, 0);
}

static void forward_stats(void **state)
{
	struct forward_counts c = {.rx_packets = 2150563104, .tx_packets = 10, .tx_dropped = 5};
	FILE *f = open_text();

	format_forward_port(f, 1, &c);
	text_is(f, "\n  ---------------------- Forward statistics for port 1  ----------------------\n"
		   "  RX-packets: 2150563104     RX-dropped: 0             RX-total: 2150563104\n"
		   "  TX-packets: 10             TX-dropped: 5             TX-total: 15\n"
		   "  ----------------------------------------------------------------------------\n");
	f = open_text();
	format_forward_all(f, &c);
	text_is(f, "\n  +++++++++++++++ Accumulated forward statistics for all ports+++++++++++++++\n"
		   "  RX-packets: 2150563104     RX-dropped: 0             RX-total: 2150563104\n"
		   "  TX-packets: 10             TX-dropped: 5             TX-total: 15\n"
		   "  ++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++\n");
	f = open_text();
	format_stream(f, &(struct stream_path){.rx_port = 0, .rx_queue = 3, .tx_port = 1, .tx_queue = 3}, 1,
		      2, 3);
	text_is(f, "\n  ------- Forward Stats for RX Port= 0/Queue= 3 -> TX Port= 1/Queue= 3 -------\n"
		   "  RX-packets: 1              TX-packets: 2              TX-dropped: 3             \n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs),	 cmocka_unit_test(too_few_tx_queues),
		cmocka_unit_test(senders),	 cmocka_unit_test(cuts_whole_packets),
		cmocka_unit_test(nic_stats),	 cmocka_unit_test(rates_survive_a_clear),
		cmocka_unit_test(forward_stats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
