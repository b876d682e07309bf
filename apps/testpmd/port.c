/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unapi/page_pool.h>

#include "lcore.h"
#include "options.h"
#include "port.h"
#include "stream.h"

/* On the thread that polls the queue. */
static void queue_rx(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	struct rx_slot *slot = arg;
	/* Acquire: what the main thread made of the stream is there when its address is. */
	struct stream *s = __atomic_load_n(&slot->stream, __ATOMIC_ACQUIRE);
	unsigned int burst, cut;

	if (!s) {
		__atomic_store_n(&slot->idle, slot->idle + stream_packets(pkts, n), __ATOMIC_RELAXED);
		unapi_pkt_free_bulk(pkts, n);
		return;
	}
	burst = __atomic_load_n(&s->burst, __ATOMIC_RELAXED);
	for (; n > burst; pkts += cut, n -= cut) {
		cut = stream_cut(pkts, n, burst);
		s->engine->rx(s, pkts, cut);
	}
	if (n)
		s->engine->rx(s, pkts, n);
}

/* On the thread of the device's slow path: leave it to the main thread. */
static void device_event(void *arg, struct net_device *dev, enum unapi_dev_event ev)
{
	struct port *port = arg;
	uint64_t one = 1;

	/* The link's last word counts: up and down take each other's place. */
	if (ev == UNAPI_DEV_LINK_UP)
		__atomic_fetch_and(&port->events, ~(1u << UNAPI_DEV_LINK_DOWN), __ATOMIC_RELAXED);
	if (ev == UNAPI_DEV_LINK_DOWN)
		__atomic_fetch_and(&port->events, ~(1u << UNAPI_DEV_LINK_UP), __ATOMIC_RELAXED);
	__atomic_fetch_or(&port->events, 1u << ev, __ATOMIC_RELEASE);
	if (write(port->event_fd, &one, sizeof(one)) < 0) {
		/* Full means that the main thread has been told already. */
	}
}

/* What was configured is the library's to say: it knows how many queues channels take. */
static int make_queues(struct port *port, enum unapi_mode mode)
{
	struct unapi_dev_info info;
	int rc = 0;

	unapi_dev_get_info(port->dev, &info);
	port->rxq = info.rxq;
	port->txq = info.txq;
	port->nr_napi = info.nr_napi;
	port->slots = calloc(port->rxq, sizeof(*port->slots));
	port->modes = calloc(port->nr_napi, sizeof(*port->modes));
	if (!port->slots || !port->modes)
		return -ENOMEM;
	for (unsigned int i = 0; i < port->nr_napi; i++)
		port->modes[i] = (struct port_mode){.asked = mode != UNAPI_MODE_INTERRUPT, .mode = mode};
	for (unsigned int q = 0; !rc && q < port->rxq; q++)
		rc = unapi_dev_set_rx(port->dev, q, queue_rx, &port->slots[q]);
	return rc;
}

static int configure(struct port *port, const struct options *opt, unsigned int nr_lcores)
{
	struct unapi_dev_conf conf = {
		.rxq = opt->rxq,
		.txq = opt->txq,
		.combined = opt->combined,
		.rx_only = opt->rx_only,
		.tx_only = opt->tx_only,
		.rxd = opt->rxd,
		.txd = opt->txd,
		.rx_batch = opt->burst < UNAPI_MAX_FRAGS ? UNAPI_MAX_FRAGS : opt->burst,
		.gro = port->gro_room,
		.ctx = port->ctx,
		.nr_ctx = nr_lcores,
	};
	int rc = unapi_dev_configure(port->dev, &conf);

	return rc ? rc : make_queues(port, opt->poll_mode);
}

int port_open(struct port *port, const struct options *opt, struct lcore *lcores, unsigned int nr_lcores,
	      unsigned int first)
{
	struct unapi_dev_info info;
	int rc;

	port->first_lcore = first;
	port->ctx = calloc(nr_lcores, sizeof(*port->ctx));
	if (!port->ctx)
		return -ENOMEM;
	for (unsigned int i = 0; i < nr_lcores; i++)
		port->ctx[i] = lcores[(first + i) % nr_lcores].ctx;

	rc = unapi_dev_open(port->spec, &port->dev);
	if (rc)
		return rc;
	port->state = PORT_STOPPED;
	unapi_dev_set_event(port->dev, device_event, port);
	unapi_dev_get_info(port->dev, &info);
	memcpy(port->mac, info.mac, sizeof(port->mac));
	port->promisc = true; /* as in DPDK's testpmd: what others address is forwarded too */
	return configure(port, opt, nr_lcores);
}

int port_make_gro_room(struct port *port, const struct options *opt, unsigned int nr_lcores)
{
	struct port_mode *modes = port->modes;
	unsigned int nr_modes = port->nr_napi;
	int rc;

	free(port->slots);
	port->slots = NULL;
	port->modes = NULL;
	port->rxq = port->txq = port->nr_napi = 0; /* what it has until it is configured anew */
	port->gro_room = true;
	rc = configure(port, opt, nr_lcores);
	if (rc) {
		port->gro_room = false;
		if (configure(port, opt, nr_lcores))
			fprintf(stderr, "Port %u: cannot be configured as it was either: %s\n", port->id,
				unapi_reason());
	}
	/* The instances are new, and as many as before. */
	for (unsigned int i = 0; i < nr_modes && i < port->nr_napi; i++)
		port->modes[i] = modes[i];
	free(modes);
	return rc;
}

/* Of a mode that it is in already the settings may have been changed since; they stay. */
static int start_mode(struct napi_struct *n, const struct port_mode *mode)
{
	struct unapi_mode_info info;

	if (!mode->asked)
		return 0;
	unapi_mode_get(n, &info);
	if (info.asked == mode->mode &&
	    (mode->mode != UNAPI_MODE_BUSY || unapi_napi_mode_asked(n) == UNAPI_POLL_BUSY))
		return 0;
	return unapi_mode_set(n, mode->mode, &mode->settings);
}

int port_start(struct port *port)
{
	int rc = unapi_dev_start(port->dev);

	if (rc)
		return rc;
	port->state = PORT_STARTED;
	rc = unapi_dev_set_promisc(port->dev, port->promisc);
	for (unsigned int i = 0; !rc && i < port->nr_napi; i++)
		rc = start_mode(unapi_dev_napi(port->dev, i), &port->modes[i]);
	return rc;
}

int port_stop(struct port *port)
{
	int rc = unapi_dev_stop(port->dev);

	if (!rc)
		port->state = PORT_STOPPED;
	return rc;
}

int port_reset(struct port *port)
{
	int rc = unapi_dev_reset(port->dev);

	if (!rc && port->state == PORT_STARTED)
		rc = unapi_dev_set_promisc(port->dev, port->promisc);
	return rc;
}

void port_close(struct port *port)
{
	if (port->dev)
		unapi_dev_close(port->dev);
	port->dev = NULL;
	port->state = PORT_CLOSED;
	free(port->slots);
	free(port->modes);
	free(port->ctx);
	port->slots = NULL;
	port->modes = NULL;
	port->ctx = NULL;
}

int port_set_promisc(struct port *port, bool on)
{
	int rc = unapi_dev_set_promisc(port->dev, on);

	if (!rc)
		port->promisc = on;
	return rc;
}

struct port_mode *port_napi_mode(struct port *port, const struct napi_struct *n)
{
	unsigned int i = 0;

	while (unapi_dev_napi(port->dev, i) != n)
		i++;
	return &port->modes[i];
}

const char *port_napi_queues(const struct port *port, const struct napi_struct *n, bool rx, char *text,
			     size_t size)
{
	unsigned int queues = rx ? port->rxq : port->txq;
	size_t used = 0;

	text[0] = '\0';
	for (unsigned int q = 0; q < queues && used < size; q++) {
		if ((rx ? unapi_dev_rxq_napi(port->dev, q) : unapi_dev_txq_napi(port->dev, q)) == n)
			used += snprintf(text + used, size - used, "%s%u", used ? "," : "", q);
	}
	return text;
}

uint64_t port_idle(const struct port *port)
{
	uint64_t idle = 0;

	for (unsigned int q = 0; q < port->rxq; q++)
		idle += __atomic_load_n(&port->slots[q].idle, __ATOMIC_RELAXED);
	return idle;
}
