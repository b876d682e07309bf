/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports: devices as testpmd sees them. All calls are the main thread's. */
#ifndef TESTPMD_PORT_H
#define TESTPMD_PORT_H

#include <stdbool.h>
#include <stdint.h>
#include <unapi/mode.h>
#include <unapi/netdev.h>

struct lcore;
struct options;
struct stream;

enum port_state { PORT_CLOSED, PORT_STOPPED, PORT_STARTED };

/* Where a receive queue's packets go: a stream while forwarding, otherwise they are freed. */
struct rx_slot {
	struct stream *stream; /* stored by the main thread, loaded by the polling thread */
	uint64_t idle;	       /* packets freed because nothing forwards them; the polling thread's */
};

/* A mode that the user asked for, and the settings that came with it. */
struct port_mode {
	bool asked; /* otherwise nobody did, and the settings are what somebody made them */
	enum unapi_mode mode;
	struct unapi_napi_params settings;
};

struct port {
	unsigned int id;
	const char *spec;
	enum port_state state;
	struct net_device *dev;
	uint8_t mac[6];
	unsigned int rxq, txq;
	bool gro_room;	       /* its page pools are made for GRO */
	struct rx_slot *slots; /* one a receive queue */
	unsigned int nr_napi;
	struct port_mode *modes;    /* one an instance; kept over stop and start */
	struct unapi_context **ctx; /* home contexts in the order its instances get them */
	unsigned int first_lcore;   /* the lcore of its first instance */
	bool promisc;

	unsigned int events; /* bits of enum unapi_dev_event that have not been handled; set by any thread */
	int event_fd;	     /* written then */

	uint64_t dropped;	      /* packets that streams which are gone could not send by this port */
	struct unapi_dev_stats shown; /* at the last show, for the rates */
	uint64_t shown_ns;	      /* when that was; 0 never */
};

/**
 * port_open() - open and configure a device; instances are dealt out over the lcores from @first on
 *
 * 0 or -errno with unapi_reason().
 */
int port_open(struct port *port, const struct options *opt, struct lcore *lcores, unsigned int nr_lcores,
	      unsigned int first);
/** port_make_gro_room() - configure a stopped port again, its page pools larger */
int port_make_gro_room(struct port *port, const struct options *opt, unsigned int nr_lcores);
/** port_start() - and ask for the poll modes that its instances had */
int port_start(struct port *port);
int port_stop(struct port *port);
int port_reset(struct port *port);
/** port_close() - also of a port that is started or whose device is gone */
void port_close(struct port *port);

int port_set_promisc(struct port *port, bool on);

/** port_napi_mode() - where the mode that was asked for an instance of the port is kept */
struct port_mode *port_napi_mode(struct port *port, const struct napi_struct *n);

/** port_napi_queues() - "0,9" in @text: the receive (@rx) or transmit queues that instance @n serves */
const char *port_napi_queues(const struct port *port, const struct napi_struct *n, bool rx, char *text,
			     size_t size);

/** port_idle() - packets freed because nothing forwarded them */
uint64_t port_idle(const struct port *port);

#endif
