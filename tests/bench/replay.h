/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ring replay: a driver's receive and transmit functions against descriptor rings in memory, the device
 * played by this harness. It knows the advanced descriptors of the 82576 and 82599 (82576 datasheet 7.1.5 and
 * 7.2.2) and nothing of any driver.
 *
 * To put another driver behind it, fill a struct replay_driver and name it in ring_replay.c:
 *
 *	open()		sets the driver up as r->conf asks: rings of conf.ring descriptors, receive buffers in
 *			as many slots as it likes, the tail register stored. It then tells where the device
 *			finds everything: r->rx, r->tx, r->rx_tail, r->tx_tail. Anything may be kept in
 *r->priv. forward()	the counted work, once a round: ask for conf.budget packets, get the
 *			conf.burst that are there and send them, refill, cleaning and freeing included.
 *Returns the packets received. at()		where the device's address @iova is in this process, NULL if
 *nowhere out()		the buffers that are neither free nor in a transmit ring any more: after cleaning that
 *			ring, which the device has sent, these are the ones that the receive ring has
 *	verify()	from now on, for each record received, in order and before it is sent, call
 *replay_saw() close()		gives everything back; 0, or the number of buffers that are missing
 *
 * What is counted is every instruction of replay_steady() but for those of device_rx() and device_tx(). These
 * two call nothing, so no work of a driver's can hide in them.
 */
#ifndef UNAPI_BENCH_REPLAY_H
#define UNAPI_BENCH_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

/* Not inlined and not copied under another name: callgrind knows them by theirs. */
#ifdef __clang__
#define REPLAY_ALONE __attribute__((noinline))
#else
#define REPLAY_ALONE __attribute__((noinline, noclone))
#endif

#define REPLAY_MAX_RING	 4096
#define REPLAY_MAX_BURST 64
#define REPLAY_MAX_FRAGS 4

struct replay_desc {
	uint64_t lo, hi;
};

struct replay_conf {
	const struct replay_driver *driver;
	char isa[16]; /* which loops: "scalar", or what else the driver has */
	bool bare;    /* through the driver's own functions, nothing around them */
	bool meta;    /* receive metadata on */
	uint32_t burst, ring, frags;
	uint32_t budget; /* what the driver is asked for: the burst, unless that is to end its look at the
			    ring */
};

/* What the device did to one slot, for the verifying pass. */
struct replay_given {
	uint8_t *data;
	uint64_t stamp; /* lies in the data */
	uint32_t len, total, hash;
	uint16_t vlan;
	bool last;
};

/* How a device, or a driver, may go wrong: each must be noticed. */
enum replay_wrong {
	RIGHT,
	WRONG_RX_LENGTH,
	WRONG_RX_ADDRESS,
	WRONG_RX_DATA,
	WRONG_RX_ORDER,
	WRONG_RX_LOST,
	WRONG_RX_END,
	WRONG_RX_VLAN,
	WRONG_RX_HASH,
	WRONG_TX_LENGTH,
	WRONG_TX_TOTAL,
	WRONG_TX_ADDRESS,
	WRONG_TX_DATA,
	WRONG_TX_LOST,
	WRONG_TX_END,
	WRONG_TX_NO_RS,
	NR_WRONGS,
};
extern const char *const replay_wrongs[NR_WRONGS];

struct replay {
	struct replay_conf conf;
	/* set by the driver's open() */
	struct replay_desc *rx, *tx;
	volatile uint32_t *rx_tail, *tx_tail;
	void *priv;

	uint32_t rx_head, tx_head; /* the device's next slots */
	uint64_t forwarded;	   /* as the driver's calls returned */
	uint64_t sent;		   /* descriptors that end a packet, as the device saw */
	uint64_t starved;	   /* times the device found no buffer to receive into */

	/* the verifying pass */
	struct replay_given given[REPLAY_MAX_RING];
	uint64_t nr_given, nr_seen, nr_sent, packets; /* the first three in descriptors */
	enum replay_wrong wrong;
	char what[160]; /* the first thing that was not right */
};

struct replay_driver {
	const char *name;
	const char
		*isas[4];  /* the loops it has, best first; open() may find that the processor has them not */
	bool touches_only; /* does not look at packets: cannot be verified */
	int (*open)(struct replay *r);
	unsigned int (*forward)(struct replay *r);
	void *(*at)(struct replay *r, uint64_t iova);
	uint32_t (*out)(struct replay *r);
	void (*verify)(struct replay *r);
	int (*close)(struct replay *r);
};

extern const struct replay_driver replay_floor, replay_igb;

static inline uint32_t replay_after(const struct replay *r, uint32_t slot)
{
	return slot + 1 == r->conf.ring ? 0 : slot + 1;
}

/* replay.c: the device */
void device_rx(struct replay *r);
void device_tx(struct replay *r);
/* @rounds bursts received, forwarded and sent. */
void replay_steady(struct replay *r, unsigned long rounds);

/* replay_verify.c: the same, each packet looked at. True: all was right; else r->what tells. */
bool replay_verify(struct replay *r, unsigned long rounds);
/* A driver received a record: @data where it is, @hash of its metadata (0 without). */
void replay_saw(struct replay *r, const void *data, uint32_t len, bool last, uint16_t vlan, uint32_t hash);

#endif
