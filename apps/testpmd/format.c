/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>

#include "format.h"

#define HASHES "########################"
#define DASHES "----------------------"
#define PLUSES "+++++++++++++++"

static uint64_t a_second(uint64_t before, uint64_t now, uint64_t ns)
{
	if (!ns || now < before) /* cleared meanwhile */
		return 0;
	return (double)(now - before) * 1e9 / ns;
}

void rates_between(struct rates *r, const struct unapi_dev_stats *before, const struct unapi_dev_stats *now,
		   uint64_t ns)
{
	r->rx_pps = a_second(before->rx_packets, now->rx_packets, ns);
	r->rx_bps = a_second(before->rx_bytes * 8, now->rx_bytes * 8, ns);
	r->tx_pps = a_second(before->tx_packets, now->tx_packets, ns);
	r->tx_bps = a_second(before->tx_bytes * 8, now->tx_bytes * 8, ns);
}

void format_nic_stats(FILE *out, unsigned int port, const struct unapi_dev_stats *st, const struct rates *r)
{
	fprintf(out, "\n  %s NIC statistics for port %-2u %s\n", HASHES, port, HASHES);
	fprintf(out, "  RX-packets: %-10" PRIu64 " RX-missed: %-10" PRIu64 " RX-bytes:  %" PRIu64 "\n",
		st->rx_packets, st->rx_missed, st->rx_bytes);
	fprintf(out, "  RX-errors: %" PRIu64 "\n", st->rx_errors);
	fprintf(out, "  RX-nombuf:  %-10" PRIu64 "\n", st->rx_alloc_fail);
	fprintf(out, "  TX-packets: %-10" PRIu64 " TX-errors: %-10" PRIu64 " TX-bytes:  %" PRIu64 "\n",
		st->tx_packets, st->tx_errors, st->tx_bytes);
	fprintf(out, "\n  Throughput (since last show)\n");
	fprintf(out, "  Rx-pps: %12" PRIu64 "          Rx-bps: %12" PRIu64 "\n", r->rx_pps, r->rx_bps);
	fprintf(out, "  Tx-pps: %12" PRIu64 "          Tx-bps: %12" PRIu64 "\n", r->tx_pps, r->tx_bps);
	fprintf(out, "  %s############################%s\n", HASHES, HASHES);
}

void format_stream(FILE *out, const struct stream_path *path, uint64_t rx, uint64_t tx, uint64_t dropped)
{
	/* A stream without one of its ends shows the other's port and queue 0 there, as testpmd's does. */
	bool in = path->rx_port != STREAM_NONE, to = path->tx_port != STREAM_NONE;

	fprintf(out, "\n  ------- Forward Stats for RX Port=%2u/Queue=%2u -> TX Port=%2u/Queue=%2u -------\n",
		in ? path->rx_port : path->tx_port, in ? path->rx_queue : path->tx_queue,
		to ? path->tx_port : path->rx_port, to ? path->tx_queue : path->rx_queue);
	fprintf(out, "  RX-packets: %-14" PRIu64 " TX-packets: %-14" PRIu64 " TX-dropped: %-14" PRIu64 "\n",
		rx, tx, dropped);
}

static void format_counts(FILE *out, const struct forward_counts *c, bool errors)
{
	fprintf(out, "  RX-packets: %-14" PRIu64 " RX-dropped: %-14" PRIu64 "RX-total: %" PRIu64 "\n",
		c->rx_packets, c->rx_dropped, c->rx_packets + c->rx_dropped);
	if (errors) {
		fprintf(out, "  RX-error: %" PRIu64 "\n", c->rx_errors);
		fprintf(out, "  RX-nombufs: %-14" PRIu64 "\n", c->rx_nombuf);
	}
	fprintf(out, "  TX-packets: %-14" PRIu64 " TX-dropped: %-14" PRIu64 "TX-total: %" PRIu64 "\n",
		c->tx_packets, c->tx_dropped, c->tx_packets + c->tx_dropped);
}

void format_forward_port(FILE *out, unsigned int port, const struct forward_counts *c)
{
	fprintf(out, "\n  %s Forward statistics for port %-2u %s\n", DASHES, port, DASHES);
	format_counts(out, c, c->rx_errors || c->rx_nombuf);
	fprintf(out, "  %s--------------------------------%s\n", DASHES, DASHES);
}

void format_forward_all(FILE *out, const struct forward_counts *c)
{
	fprintf(out, "\n  %s Accumulated forward statistics for all ports%s\n", PLUSES, PLUSES);
	format_counts(out, c, false);
	if (c->rx_nombuf)
		fprintf(out, "  RX-nombufs: %-14" PRIu64 "\n", c->rx_nombuf);
	fprintf(out, "  %s++++++++++++++++++++++++++++++++++++++++++++++%s\n", PLUSES, PLUSES);
}

void format_cycles(FILE *out, uint64_t cycles, uint64_t packets)
{
	fprintf(out, "\n  CPU cycles/packet=%.2f (busy cycles=%" PRIu64 " / total io packets=%" PRIu64 ")\n",
		(double)cycles / (double)packets, cycles, packets);
}

void format_path(FILE *out, const struct stream *s)
{
	char mac[18];

	fprintf(out, "  ");
	if (s->path.rx_port != STREAM_NONE)
		fprintf(out, "RX P=%u/Q=%u", s->path.rx_port, s->path.rx_queue);
	if (s->path.tx_port != STREAM_NONE)
		fprintf(out, " -> TX P=%u/Q=%u peer=%s", s->path.tx_port, s->path.tx_queue,
			format_mac(s->dst, mac));
	fprintf(out, "\n");
}

const char *format_mac(const uint8_t mac[6], char *text)
{
	snprintf(text, 18, "%02X:%02X:%02X:%02X:%02X:%02X", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	return text;
}
