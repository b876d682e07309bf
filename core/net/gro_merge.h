/* SPDX-License-Identifier: BSD-3-Clause */
/* A packet that is held, and what may become part of it. */
#ifndef UNAPI_CORE_GRO_MERGE_H
#define UNAPI_CORE_GRO_MERGE_H

#include "core/net/gro.h"
#include "core/net/gro_parse.h"

/* Its headers stay in its first buffer, untouched until gro_finish(). */
struct gro_packet {
	struct gro_seg first; /* the segment that began it */
	uint64_t since_ms;
	uint32_t bytes;	   /* of IP's packet */
	uint16_t count;	   /* segments, one record each */
	bool fixed_id;	   /* the segments have one IP identification, not one after the other */
	uint8_t end_flags; /* FIN and PSH of the segment that ended it */
	struct unapi_pkt rec[UNAPI_MAX_FRAGS];
	struct unapi_rx_meta meta[UNAPI_MAX_FRAGS];
};

/* Is @s, whose first record is @p, of the flow of @h? Is it at least between the same two hosts? */
bool gro_same_flow(const struct gro_packet *h, const struct gro_seg *s, const struct unapi_pkt *p);
bool gro_same_pair(const struct gro_packet *h, const struct gro_seg *s);

/* May a packet begin with this segment? It is held then. */
bool gro_may_begin(const struct gro_seg *s, const struct unapi_pkt *p);
void gro_begin(struct gro_packet *h, const struct gro_seg *s, const struct unapi_pkt *p,
	       const struct unapi_rx_meta *meta, uint64_t now_ms);

/* Of the same flow: is @s the next segment of @h? Notes what the second frame shows of identifications. */
bool gro_fits(struct gro_packet *h, const struct gro_seg *s);
void gro_add(struct gro_packet *h, const struct gro_seg *s, const struct unapi_pkt *p,
	     const struct unapi_rx_meta *meta);
/* Nothing may follow @s, which was added. */
bool gro_is_last(const struct gro_packet *h, const struct gro_seg *s);

/* Write the headers of what was merged; of a single segment nothing changes. */
void gro_finish(struct gro_packet *h);

#endif
