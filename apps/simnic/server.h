/* SPDX-License-Identifier: BSD-3-Clause */
/* One vfio-user client at a time, in front of the device. */
#ifndef SIMNIC_SERVER_H
#define SIMNIC_SERVER_H

#include "apps/simnic/igb.h"
#include "apps/simnic/proto.h"

struct server {
	struct igb *dev;
	int shared_fd; /* BAR0's memory, handed to the client; -1: nothing is mappable */
	int sock;      /* -1: no client */
	bool greeted;  /* VERSION has been agreed on */
	uint8_t *in;
	uint32_t in_len;
	int fds[VFU_MAX_FDS]; /* they belong to the last message that began in @in */
	unsigned int nr_fds;
	uint64_t messages;
};

int server_init(struct server *s, struct igb *dev, int shared_fd);
void server_fini(struct server *s);

/* Take over a connected stream socket. */
void server_attach(struct server *s, int sock);
void server_drop(struct server *s);

/* Read what is there and act on it. Returns the messages handled, or -errno once the client is gone: it broke
 * off, or the protocol. The connection is then dropped already.
 */
int server_input(struct server *s);

#endif
