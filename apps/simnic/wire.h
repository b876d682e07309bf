/* SPDX-License-Identifier: BSD-3-Clause */
/* What is plugged into the port. */
#ifndef SIMNIC_WIRE_H
#define SIMNIC_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct igb;
struct sim_options;
struct wire;

struct wire_ops {
	const char *name;
	/* @arg is what follows the colon, or "". -errno with unapi_reason(). */
	int (*open)(struct wire *w, const char *arg);
	/* The NIC transmits a frame (without FCS). 0: it is on its way; -EAGAIN: the NIC keeps it. */
	int (*send)(struct wire *w, const uint8_t *frame, uint32_t len);
	/* Hand up to @budget frames to the NIC by igb_rx(); returns how many it took. May be NULL. */
	unsigned int (*poll)(struct wire *w, unsigned int budget);
	void (*flush)(struct wire *w); /* a run of send() is over; may be NULL */
	/* When poll() wants to be called; NULL: when the fd is ready. */
	uint64_t (*next)(const struct wire *w);
	void (*close)(struct wire *w);
};

struct wire {
	const struct wire_ops *ops;
	struct igb *nic;
	struct sim_options *opt; /* gen's argument adds to them */
	void *priv;
	int fd;	      /* -1 none; may change at any time, */
	bool new_fd;  /* which this tells: numbers come again */
	short events; /* what to wait for on it: POLLIN, POLLOUT */
	bool carrier;
	bool urgent; /* poll() waits for an instant that is near: spin, and do not yield */
};

extern const struct wire_ops wire_none, wire_loop, wire_pair, wire_tap, wire_pcap, wire_socket, wire_gen,
	wire_train;

/* @spec is "kind" or "kind:argument". */
int wire_open(struct wire *w, const char *spec, struct igb *nic, struct sim_options *opt);
void wire_close(struct wire *w);

/* wire_gen.c only: what the signals and the stats file need. */
void gen_stop(struct wire *w);
bool gen_finished(const struct wire *w); /* stopped, and a second has passed or everything is back */
void gen_new_phase(struct wire *w);
void gen_json(const struct wire *w, FILE *f);

#endif
