/* SPDX-License-Identifier: BSD-3-Clause */
/* What each vfio-user command does to the device. */
#ifndef SIMNIC_COMMANDS_H
#define SIMNIC_COMMANDS_H

#include <stdint.h>

struct server;

struct command_reply {
	uint8_t *data; /* the server's scratch: valid until the next command */
	uint32_t len;
	int fd; /* to send along, still ours; -1 none */
};

/* -errno: an error reply. Descriptors that the command takes over leave the server's list. */
int command_run(struct server *s, uint16_t command, const uint8_t *payload, uint32_t len,
		struct command_reply *r);

#endif
