/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet records.
 *
 * A packet is described by one 16-byte record, or by several in a row when it does not fit one buffer. A
 * record owns its buffer; copying the struct does not make a second owner. Neither receive nor transmit
 * touches the buffer itself: everything the driver knows of a packet is in the record (and, when asked for,
 * in the parallel unapi_rx_meta array).
 */
#ifndef UNAPI_PACKET_H
#define UNAPI_PACKET_H

#include <stdbool.h>
#include <stdint.h>
#include <unapi/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * One buffer's worth of a packet. The second half is the device's advanced receive write-back as it came
 * (82576 datasheet 7.1.5.2, 82599 datasheet 7.1.6.2); decode it with the accessors below.
 */
struct unapi_pkt {
	uint32_t buf;	 /* buffer handle: pool number in bits 31..24, buffer index in bits 23..0 */
	uint16_t off;	 /* first byte of data, from the buffer's start */
	uint16_t flags;	 /* UNAPI_PKT_*: facts in the low byte, requests to transmit in the high byte */
	uint32_t status; /* the device's extended status and error word, raw; ignored by transmit */
	uint16_t len;	 /* bytes of data in this buffer, CRC not included */
	uint16_t vlan; /* the tag taken off by the device (rx), or to be inserted (tx, with UNAPI_PKT_TX_VLAN)
			*/
};

#define UNAPI_PKT_MORE	  0x0001 /* the packet goes on in the next record (AF_XDP's XDP_PKT_CONTD) */
#define UNAPI_PKT_SHARED  0x0002 /* the buffer has other owners: made by unapi_pkt_clone() */
#define UNAPI_PKT_GRO	  0x0004 /* first record of a super-packet: several segments, merged (below) */

/* Requests: receive leaves them 0. */
#define UNAPI_PKT_TX_VLAN 0x0100 /* insert pkt->vlan */

#define UNAPI_POOL_SHIFT  24
#define UNAPI_BUF_MASK	  0x00ffffffu
#define UNAPI_MAX_POOLS	  256
/* Fragments one packet may have; longer ones are dropped and counted. */
#define UNAPI_MAX_FRAGS	  17

/* Receive metadata, as the device wrote it: filled only when asked for at configure time. */
struct unapi_rx_meta {
	uint16_t pkt_info; /* RSS type (bits 3..0) and packet type (bits 15..4) */
	uint16_t hdr_info;
	uint32_t rss_hash;
};

/* Where the buffers of a pool are. Read only. */
struct unapi_pool_view {
	uint8_t *base;	 /* address of buffer 0; NULL: no such pool */
	uint64_t iova;	 /* the same for devices */
	uint64_t iova0;	 /* of the buffer with handle 0, if it were in this pool */
	uint32_t stride; /* bytes from one buffer to the next; not a power of two */
	uint32_t size;	 /* bytes of data a buffer holds, headroom included */
};
UNAPI_API extern struct unapi_pool_view unapi_pool_views[UNAPI_MAX_POOLS];

/** unapi_pkt_data() - the first byte of a record's data */
static inline void *unapi_pkt_data(const struct unapi_pkt *p)
{
	const struct unapi_pool_view *v = &unapi_pool_views[p->buf >> UNAPI_POOL_SHIFT];

	return v->base + (uint64_t)(p->buf & UNAPI_BUF_MASK) * v->stride + p->off;
}

/** unapi_pkt_iova() - the same address as devices see it */
static inline uint64_t unapi_pkt_iova(const struct unapi_pkt *p)
{
	const struct unapi_pool_view *v = &unapi_pool_views[p->buf >> UNAPI_POOL_SHIFT];

	return v->iova0 + (uint64_t)p->buf * v->stride + p->off;
}

/* Verdicts of the device, from the raw status word. */
static inline bool unapi_pkt_vlan_stripped(const struct unapi_pkt *p)
{
	return p->status & (1u << 3); /* VP */
}

static inline bool unapi_pkt_ip_csum_checked(const struct unapi_pkt *p)
{
	return p->status & (1u << 6); /* IPCS */
}

static inline bool unapi_pkt_ip_csum_bad(const struct unapi_pkt *p)
{
	return p->status & (1u << 30); /* IPE */
}

static inline bool unapi_pkt_l4_csum_checked(const struct unapi_pkt *p)
{
	return p->status & (1u << 5); /* L4CS */
}

static inline bool unapi_pkt_l4_csum_bad(const struct unapi_pkt *p)
{
	return p->status & (1u << 29); /* L4E */
}

/*
 * Super-packets. Software GRO (unapi_dev_set_gro()) merges consecutive segments of a flow: the first record
 * has the headers and the first segment's payload, each further one the payload of one segment. All but the
 * last are of one size. Lengths in the headers are those of the whole, IPv4's checksum is right, and every
 * segment's checksum was verified; the checksum field of TCP or UDP has the sum of the pseudo header, not
 * inverted, as whoever computes the rest starts with. The size is kept in the second record, so the records
 * must stay together.
 */

/** unapi_pkt_gro_size() - payload bytes of a super-packet's segments, the last of which may be shorter; 0: @p
 * is the first record of an ordinary packet */
static inline unsigned int unapi_pkt_gro_size(const struct unapi_pkt *p)
{
	return p->flags & UNAPI_PKT_GRO ? p[1].vlan : 0;
}

/** unapi_pkt_gro_segs() - the segments in the packet that begins at @p; 1 if it is an ordinary packet */
static inline unsigned int unapi_pkt_gro_segs(const struct unapi_pkt *p)
{
	unsigned int n = 1;

	if (p->flags & UNAPI_PKT_GRO)
		for (; p->flags & UNAPI_PKT_MORE; p++)
			n++;
	return n;
}

#ifdef __cplusplus
}
#endif
#endif
