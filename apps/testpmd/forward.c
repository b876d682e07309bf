/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting and stopping of forwarding: streams are made from the started ports, and hung into their queues.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "format.h"

static unsigned int started_ends(const struct app *app, struct stream_end *ends)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < app->nr_ports; i++) {
		const struct port *port = &app->ports[i];

		if (port->state == PORT_STARTED)
			ends[n++] = (struct stream_end){.port = i, .rxq = port->rxq, .txq = port->txq};
	}
	return n;
}

/* Streams that receive are served where their receive queue's instance lives; the others are dealt out. */
static unsigned int serving_lcore(struct app *app, const struct stream *s, unsigned int index)
{
	const struct lcore *lc;

	if (s->path.rx_port == STREAM_NONE)
		return index % app->nr_lcores;
	lc = app_lcore_of(app, unapi_dev_rxq_napi(app->ports[s->path.rx_port].dev, s->path.rx_queue));
	return lc ? lc - app->lcores : 0;
}

static int stream_open(struct app *app, struct stream *s, unsigned int index)
{
	const struct stream_path *path = &s->path;
	struct napi_struct *producer = NULL;
	struct port *port;
	int rc;

	s->engine = app->engine;
	s->burst = app->opt.burst;
	s->lcore = serving_lcore(app, s, index);
	if (path->tx_port == STREAM_NONE)
		return 0;
	port = &app->ports[path->tx_port];
	memcpy(s->src, port->mac, sizeof(s->src));
	memcpy(s->dst, (const uint8_t[6]){0x02, 0, 0, 0, 0, (uint8_t)path->tx_port}, sizeof(s->dst));
	s->txq = unapi_dev_txq(port->dev, path->tx_queue);
	if (path->rx_port != STREAM_NONE)
		producer = unapi_dev_rxq_napi(app->ports[path->rx_port].dev, path->rx_queue);
	rc = unapi_txq_claim(s->txq, producer);
	if (rc) {
		s->txq = NULL;
		return rc;
	}
	return s->engine->begin ? s->engine->begin(s) : 0;
}

static void stream_close(struct stream *s)
{
	if (!s->txq)
		return;
	if (s->priv)
		s->engine->end(s);
	unapi_txq_release(s->txq);
}

/* Let the polling threads see the streams, or see them no more. */
static void hang(struct app *app, bool in)
{
	for (unsigned int i = 0; i < app->nr_streams; i++) {
		struct stream *s = &app->streams[i];

		if (s->path.rx_port != STREAM_NONE)
			__atomic_store_n(&app->ports[s->path.rx_port].slots[s->path.rx_queue].stream,
					 in ? s : NULL, __ATOMIC_RELEASE);
	}
}

/* Each lcore takes a set between two polls: once all have, none is in a stream or will enter one. Then those
 * that are no lcores: threads of instances. */
static void wait_for_polls(struct app *app)
{
	struct unapi_napi_info info;
	struct napi_struct *n;

	app_settle(app);
	for (unsigned int p = 0; p < app->nr_ports; p++) {
		for (unsigned int i = 0; app->ports[p].dev && (n = unapi_dev_napi(app->ports[p].dev, i));
		     i++) {
			unapi_napi_get_info(n, &info);
			while (info.thread_tid && napi_synchronize(n) == -ETIMEDOUT)
				fprintf(stderr, "%s; still waiting\n", unapi_reason());
		}
	}
}

static void free_streams(struct app *app)
{
	for (unsigned int i = 0; i < app->nr_streams; i++) {
		struct stream *s = &app->streams[i];

		if (s->path.tx_port != STREAM_NONE)
			app->ports[s->path.tx_port].dropped += s->dropped - s->base.dropped;
		stream_close(s);
	}
	free(app->streams);
	app->streams = NULL;
	app->nr_streams = 0;
}

static int make_streams(struct app *app)
{
	struct stream_end ends[MAX_PORTS];
	struct stream_path *paths;
	unsigned int nr_ends = started_ends(app, ends);
	char why[160];
	int n;

	if (!nr_ends) {
		fprintf(stderr, "Not all ports were started: no port to forward on\n");
		return -1;
	}
	paths = calloc(stream_map_max(ends, nr_ends), sizeof(*paths));
	n = paths ? stream_map(app->engine, ends, nr_ends, paths, why, sizeof(why)) : -ENOMEM;
	if (n > 0)
		app->streams = calloc(n, sizeof(*app->streams));
	if (n <= 0 || !app->streams) {
		fprintf(stderr, "Packet forwarding is not ready: %s\n", n == -EINVAL ? why : "no memory");
		free(paths);
		return -1;
	}
	for (app->nr_streams = 0; app->nr_streams < (unsigned int)n; app->nr_streams++) {
		struct stream *s = &app->streams[app->nr_streams];

		s->path = paths[app->nr_streams];
		if (stream_open(app, s, app->nr_streams)) {
			fprintf(stderr, "Packet forwarding is not ready: %s\n", unapi_reason());
			app->nr_streams++; /* close it too */
			free_streams(app);
			free(paths);
			return -1;
		}
	}
	free(paths);
	return 0;
}

static void busy_sums(const struct app *app, uint64_t *cycles, uint64_t *packets)
{
	*cycles = *packets = 0;
	for (unsigned int i = 0; i < app->nr_lcores; i++) {
		*cycles += __atomic_load_n(&app->lcores[i].busy_cycles, __ATOMIC_RELAXED);
		*packets += __atomic_load_n(&app->lcores[i].busy_packets, __ATOMIC_RELAXED);
	}
}

int forward_start(struct app *app)
{
	if (app->forwarding) {
		fprintf(stderr, "Packet forwarding already started\n");
		return -1;
	}
	if (make_streams(app))
		return -1;
	for (unsigned int i = 0; i < app->nr_ports; i++)
		forward_base(app, i);
	busy_sums(app, &app->busy_cycles_base, &app->busy_packets_base);
	app->forwarding = true;
	hang(app, true);
	if (app_settle(app)) {
		fprintf(stderr, "Packet forwarding is not ready: no memory\n");
		forward_stop_quietly(app);
		return -1;
	}
	return 0;
}

/* No packet is forwarded after it. */
static void end_streams(struct app *app)
{
	app->forwarding = false;
	/* Where packets are to be kept, no poll takes one from here on. */
	app_settle(app);
	hang(app, false);
	wait_for_polls(app);
}

void forward_stop_quietly(struct app *app)
{
	end_streams(app);
	free_streams(app);
}

void forward_stop(struct app *app)
{
	if (!app->forwarding) {
		fprintf(stderr, "Packet forwarding not started\n");
		return;
	}
	printf("Telling cores to stop...");
	printf("\nWaiting for lcores to finish...\n");
	end_streams(app);
	forward_show_stats(app);
	free_streams(app);
	printf("\nDone.\n");
}

static uint64_t less(uint64_t now, uint64_t base)
{
	return now > base ? now - base : 0;
}

static void stream_counts(const struct app *app, const struct stream *s, uint64_t *rx, uint64_t *tx)
{
	struct unapi_rxq_stats in = {0};
	struct unapi_txq_stats out = {0};

	if (s->path.rx_port != STREAM_NONE && app->ports[s->path.rx_port].dev)
		unapi_dev_get_rxq_stats(app->ports[s->path.rx_port].dev, s->path.rx_queue, &in);
	if (s->path.tx_port != STREAM_NONE && app->ports[s->path.tx_port].dev)
		unapi_dev_get_txq_stats(app->ports[s->path.tx_port].dev, s->path.tx_queue, &out);
	*rx = in.packets;
	*tx = out.packets;
}

static void stream_base_take(const struct app *app, struct stream *s)
{
	stream_counts(app, s, &s->base.rx_packets, &s->base.tx_packets);
	s->base.dropped = __atomic_load_n(&s->dropped, __ATOMIC_RELAXED);
}

static void show_cycles(const struct app *app)
{
	uint64_t cycles, packets;

	busy_sums(app, &cycles, &packets);
	cycles -= app->busy_cycles_base;
	packets -= app->busy_packets_base;
	if (lcore_records() && packets)
		format_cycles(stdout, cycles, packets);
}

void forward_base(struct app *app, unsigned int port)
{
	if (app->ports[port].dev)
		unapi_dev_get_stats(app->ports[port].dev, &app->base[port]);
	for (unsigned int i = 0; i < app->nr_streams; i++) {
		struct stream *s = &app->streams[i];

		if (s->path.rx_port == port || s->path.tx_port == port)
			stream_base_take(app, s);
	}
}

uint64_t forward_dropped(const struct app *app, unsigned int port)
{
	uint64_t dropped = 0;

	for (unsigned int i = 0; i < app->nr_streams; i++) {
		if (app->streams[i].path.tx_port == port)
			dropped += __atomic_load_n(&app->streams[i].dropped, __ATOMIC_RELAXED) -
				   app->streams[i].base.dropped;
	}
	return dropped;
}

void forward_show_stats(struct app *app)
{
	struct forward_counts all = {0}, one;
	struct unapi_dev_stats st;

	if (!app->nr_streams) {
		fprintf(stderr, "Packet forwarding not started\n");
		return;
	}
	for (unsigned int i = 0; app->nr_streams > 1 && i < app->nr_streams; i++) {
		const struct stream *s = &app->streams[i];
		uint64_t rx, tx;

		stream_counts(app, s, &rx, &tx);
		format_stream(stdout, &s->path, less(rx, s->base.rx_packets), less(tx, s->base.tx_packets),
			      __atomic_load_n(&s->dropped, __ATOMIC_RELAXED) - s->base.dropped);
	}
	for (unsigned int i = 0; i < app->nr_ports; i++) {
		if (!app->ports[i].dev)
			continue;
		unapi_dev_get_stats(app->ports[i].dev, &st);
		one.rx_packets = less(st.rx_packets, app->base[i].rx_packets);
		one.rx_dropped = less(st.rx_missed, app->base[i].rx_missed);
		one.rx_errors = less(st.rx_errors, app->base[i].rx_errors);
		one.rx_nombuf = less(st.rx_alloc_fail, app->base[i].rx_alloc_fail);
		one.tx_packets = less(st.tx_packets, app->base[i].tx_packets);
		one.tx_dropped = forward_dropped(app, i);
		format_forward_port(stdout, i, &one);
		all.rx_packets += one.rx_packets;
		all.rx_dropped += one.rx_dropped;
		all.rx_nombuf += one.rx_nombuf;
		all.tx_packets += one.tx_packets;
		all.tx_dropped += one.tx_dropped;
	}
	format_forward_all(stdout, &all);
	show_cycles(app);
}

void forward_show_config(struct app *app)
{
	printf("%s packet forwarding - ports=%u - cores=%u - streams=%u - poll mode %s\n", app->engine->name,
	       app->nr_ports, app->nr_lcores, app->nr_streams, unapi_mode_name(app->opt.poll_mode));
	for (unsigned int l = 0; l < app->nr_lcores; l++) {
		unsigned int n = 0;

		for (unsigned int i = 0; i < app->nr_streams; i++)
			n += app->streams[i].lcore == l;
		if (!n)
			continue;
		printf("Logical Core %u forwards packets on %u streams:\n", app->lcores[l].core, n);
		for (unsigned int i = 0; i < app->nr_streams; i++) {
			if (app->streams[i].lcore == l)
				format_path(stdout, &app->streams[i]);
		}
	}
	printf("\n  %s packet forwarding packets/burst=%u\n", app->engine->name, app->opt.burst);
	printf("  nb forwarding cores=%u - nb forwarding ports=%u\n", app->nr_lcores, app->nr_ports);
}
