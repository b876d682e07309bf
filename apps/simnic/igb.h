/* SPDX-License-Identifier: BSD-3-Clause */
/* A register-level model of the Intel 82576: one port, sixteen queue pairs. */
#ifndef SIMNIC_IGB_H
#define SIMNIC_IGB_H

#include "apps/simnic/dma.h"
#include "apps/simnic/irq.h"
#include "apps/simnic/packet.h"
#include "apps/simnic/pciconf.h"
#include "apps/simnic/phy.h"
#include "apps/simnic/rss.h"
#include "apps/simnic/stats.h"
#include "core/base/compiler.h"
#include "drivers/igb/igb_regs.h"

#define IGB_REG_WORDS  (E1000_BAR0_SIZE / 4)
#define IGB_DESC_SIZE  16u
#define IGB_LATE_SLOTS 256

struct sim_options;
struct wire;

/* A descriptor ring: what the model has taken from its registers, so that later stores cannot change it. */
struct igb_ring {
	uint64_t base;
	uint32_t count, head, tail;
	bool enabled;
	bool hung;   /* it met what hardware would not survive; enabling it afresh revives it */
	uint8_t *va; /* the whole ring, while @generation is that of the DMA map */
	uint32_t generation;
	uint64_t packets;
};

struct igb_rx_queue {
	struct igb_ring ring;
	uint32_t dropped; /* RQDPC, twelve bits, clears on read */
	uint32_t bufsize;
	bool drop_en, adv_onebuf;
	bool held; /* igb_rx_hold(): the first descriptor's second word, which has DD, is still to be stored
		    */
	uint32_t held_slot;
	uint64_t held_word;
};

struct igb_tx_context {
	uint32_t vlan_macip_lens, type_tucmd_mlhl;
};

struct igb_tx_queue {
	struct igb_ring ring;
	struct igb_tx_context context[2];
	uint32_t wthresh;
	uint32_t waiting[32]; /* sent with RS, to be written back together: TXDCTL.WTHRESH */
	unsigned int nr_waiting;
};

/* late-dd: a write-back that is still on its way. */
struct igb_late {
	uint64_t due, word;
	uint32_t queue, slot;
};

struct igb {
	const struct sim_options *opt;
	struct wire *wire;
	struct dma dma;
	struct pciconf conf;
	struct irq irq;
	struct phy phy;
	struct stats stats;
	struct rss rss;
	/* BAR0 as storage; doorbell=mmap shares some of its pages, and then @seen is what the model last knew
	 * of them */
	uint32_t *reg;
	uint32_t *seen;			/* cache-line aligned, as @reg */
	uint32_t acting_on, acting_for; /* a shared register, 0 none, and what the client stored there, while
					 * the model acts on that */
	uint8_t msix_table[SIM_BAR3_SIZE];
	uint16_t nvm[E1000_NVM_WORDS];
	struct igb_rx_queue rx[E1000_MAX_QUEUES];
	struct igb_tx_queue tx[E1000_MAX_QUEUES];
	bool connected, removed;
	bool link;	     /* STATUS.LU */
	uint32_t rss_serial; /* changes with everything that decides a frame's queue */
	/* the packet buffer: frames that found no descriptor, for wires that cannot wait; a length before
	 * each */
	uint8_t *pbuf;
	uint32_t pbuf_head, pbuf_used;
	uint8_t *txframe; /* where frames of several descriptors are put together */
	/* what the tests and the stats file want to know */
	uint64_t rx_packets, tx_packets;
	uint64_t rx_filtered, rx_no_queue, rx_dropped, misuse;
	char last_misuse[128];
	bool holding;	      /* between igb_rx_hold() and igb_rx_release() */
	uint64_t fault_ticks; /* counts rx write-backs for the injected faults */
	struct igb_late late[IGB_LATE_SLOTS];
	unsigned int late_first, late_count;
};

/* @shared: memory for BAR0 that a client may map, or NULL. */
int igb_init(struct igb *d, const struct sim_options *o, uint32_t *shared);
void igb_fini(struct igb *d);
void igb_reset(struct igb *d); /* VFIO_DEVICE_RESET, a function level reset, CTRL.RST */
void igb_disconnect(struct igb *d);
void igb_remove(struct igb *d); /* surprise removal */
void igb_misuse(struct igb *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

uint32_t igb_read(struct igb *d, uint32_t reg);
void igb_write(struct igb *d, uint32_t reg, uint32_t val);

/* doorbell=mmap: act on what the client stored in the shared pages. True if there was anything. */
bool igb_scan(struct igb *d);
/* Where a register that the model changes by itself is shown. */
void igb_show(struct igb *d, uint32_t reg, uint32_t val);

/* The heads are shown when somebody is about to look: a store each time would take the client's cache line
 * away. */
void igb_show_heads(struct igb *d);

/* Time passes: link, throttling, late write-back. */
void igb_run(struct igb *d);
uint64_t igb_next(const struct igb *d);
void igb_carrier(struct igb *d, bool carrier);

static inline bool igb_dma_allowed(const struct igb *d)
{
	return d->connected && !d->removed && pciconf_bus_master(&d->conf) &&
	       !(d->reg[E1000_CTRL / 4] & E1000_CTRL_GIO_MASTER_DISABLE);
}

/* The descriptor at @slot, reachable for reading and writing, or NULL after counting a fault and hanging the
 * ring. */
union e1000_adv_rx_desc *igb_rx_desc(struct igb *d, unsigned int queue, uint32_t slot);
union e1000_adv_tx_desc *igb_tx_desc(struct igb *d, unsigned int queue, uint32_t slot);

/* igb_rx.c. A frame from the wire, without FCS. */
enum igb_rx_result {
	IGB_RX_TAKEN,
	IGB_RX_DROPPED, /* filtered, or its queue is full and drops */
	IGB_RX_BUSY,	/* no descriptor: try again */
};
enum igb_rx_result igb_rx(struct igb *d, const uint8_t *frame, uint32_t len);
/* For wires that cannot wait: through the packet buffer, dropped and counted when that is full. */
void igb_rx_buffered(struct igb *d, const uint8_t *frame, uint32_t len);
bool igb_rx_drain(struct igb *d);
bool igb_rx_enabled(const struct igb *d);
/* Frames of one instant: what igb_rx() takes from igb_rx_hold() on becomes visible by igb_rx_release(), which
 * stores the DD of each queue's first descriptor last and raises its cause once. False: there was nothing, or
 * the device was reset meanwhile. */
void igb_rx_hold(struct igb *d);
bool igb_rx_release(struct igb *d);
/* The queue that this frame would go to, and whether there is room for it. */
unsigned int igb_rx_queue_of(struct igb *d, const uint8_t *frame, uint32_t len);
uint32_t igb_rx_free(const struct igb *d, unsigned int queue); /* descriptors the device may fill */
bool igb_rx_room(const struct igb *d, unsigned int queue, uint32_t len);
/* A frame that is known to go to @queue finds no descriptor there, and is lost: only counted, as cheap as the
 * wire's end of a flood must be. */
void igb_rx_overrun(struct igb *d, unsigned int queue);
void igb_rx_configure(struct igb *d, unsigned int queue);
void igb_rx_late(struct igb *d);

/* igb_tx.c. Returns the packets sent. */
unsigned int igb_tx(struct igb *d);
void igb_tx_flush(struct igb *d, unsigned int queue); /* write back what WTHRESH holds */

#endif
