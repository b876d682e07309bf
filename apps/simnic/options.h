/* SPDX-License-Identifier: BSD-3-Clause */
/* What the user may ask of the simulated NIC: the same keys on the command line and in a device string. */
#ifndef SIMNIC_OPTIONS_H
#define SIMNIC_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct sim_options {
	/* how the client reaches us */
	int fd;		       /* a connected socket, or -1 */
	char socket_path[108]; /* a path to listen on, or "" */
	char model[16];	       /* "igb" */
	bool mmap;	       /* doorbell=mmap */
	unsigned int scan_us;  /* doorbell=mmap: how often the pages are looked at without traffic */
	unsigned int spin_us;  /* doorbell=mmap: how long to go on spinning after the last event */
	/* the device */
	unsigned int queues; /* queues at or above this one refuse to be enabled */
	uint8_t mac[6];
	unsigned int link_delay; /* ms that autonegotiation takes */
	bool msix, msi;		 /* offer the capability */
	/* the wire */
	char wire[256];
	char pcap_out[256];
	/* wire=gen */
	unsigned int size;     /* bytes on the wire, FCS included */
	unsigned int flows;    /* 0: two for each enabled queue */
	uint64_t rate;	       /* packets a second over all flows, 0: as fast as the window lets */
	uint64_t count;	       /* packets to send, 0: no end */
	unsigned int time;     /* ms to send for, 0: no end */
	bool lossy;	       /* open loop: a frame without a descriptor is lost */
	char stats[256];       /* JSON file */
	unsigned int stats_ms; /* how often to write it, 0: on signals and at exit only */
	/* what no hardware does on request */
	bool automask;		   /* false: EIAM has no effect, as in QEMU's igb */
	bool latch;		   /* false: a cause that comes while masked is forgotten */
	unsigned int lost_irq;	   /* every Nth interrupt is not sent */
	unsigned int spurious_irq; /* after every Nth interrupt another one without a cause */
	unsigned int late_dd;	   /* us by which rx write-back trails the interrupt */
	unsigned int torn;	   /* every Nth rx write-back shows DD before the length */
	unsigned int rewrite_dd;   /* every Nth rx descriptor is written once more after DD */
	unsigned int hostile_len;  /* every Nth rx descriptor has an impossible length */
	int hung_queue;		   /* this queue pair stops for good, -1: none */
	uint64_t hung_after;	   /* ... once it has moved so many packets */
	uint64_t remove_after;	   /* the device disappears after so many packets, 0: never */
};

void sim_options_init(struct sim_options *o);

/* One "key=value" or bare "key". Returns 0, or -EINVAL with unapi_reason(). */
int sim_option(struct sim_options *o, const char *text);

/* A list of them, separated by any of ",;:" (what follows "gen:"). */
int sim_option_list(struct sim_options *o, const char *list);

void sim_options_help(FILE *f);

#endif
