/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a report gets from process to process: over a SOCK_SEQPACKET socket, each request one packet, each
 * answer one packet with a descriptor: a sealed memfd that holds the report. An answer so has one small size
 * whatever the report's, is sent whole or not at all, and its reader may take all the time it likes.
 */
#ifndef UNAPI_CORE_STATS_PROTOCOL_H
#define UNAPI_CORE_STATS_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#define STATS_MAGIC    0x54534e55 /* "UNST" */
#define STATS_PROTOCOL 1

struct stats_request {
	uint32_t magic;
	uint32_t protocol;
};

struct stats_answer {
	uint32_t magic;
	uint32_t protocol; /* the server's; if it is not the request's nothing else counts */
	int32_t error;	   /* 0, or an errno value; then without a descriptor */
	uint32_t size;	   /* of the report */
};

/* The directory where this user's processes have their sockets, each PID.stats. -ENAMETOOLONG */
int stats_directory(char *path, size_t size);
#define STATS_SUFFIX ".stats"

#endif
