/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Software GRO: consecutive segments of a flow become one packet of several records.
 *
 * A receive queue has one struct gro while GRO may be on. It takes the place of the queue's rx callback and
 * calls the application's itself. Only the owner of the queue's instance is ever in here. What may be merged
 * is the kernel's (net/core/gro.c and the gro_receive functions of TCP, UDP, IPv4 and IPv6); doc/gro.md says
 * where this is stricter.
 */
#ifndef UNAPI_CORE_GRO_H
#define UNAPI_CORE_GRO_H

#include "core/base/compiler.h"
#include <unapi/netdev.h>

/* As in the kernel (include/net/gro.h GRO_HASH_BUCKETS, net/core/gro.c MAX_GRO_SKBS). */
#define GRO_BUCKETS   8
#define GRO_MAX_HELD  8 /* packets a bucket holds */
/* An IP packet ends below this (include/linux/netdevice.h GRO_LEGACY_MAX_SIZE). */
#define GRO_MAX_BYTES 65536u
/* Buffers that one queue's packets may be held in: what its pool needs on top. */
#define GRO_BUFFERS   (GRO_BUCKETS * GRO_MAX_HELD * UNAPI_MAX_FRAGS)

struct gro;
struct rx_queue;

/* NULL: no memory. @meta: the queue delivers unapi_rx_meta too. */
struct gro *gro_alloc(struct rx_queue *q, bool meta);
/* Frees what is held. */
void gro_free(struct gro *g);

/* What is merged from now on: UNAPI_GRO_*. While nothing is held. */
void gro_set_protocols(struct gro *g, unsigned int protocols);

/* The queue's rx callback, @arg being its struct gro. */
void gro_rx(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n);

bool gro_held(const struct gro *g);
/* Deliver what is held: all, or what has been since before the present millisecond. True: something was. */
bool gro_flush(struct gro *g, bool only_old);

#endif
