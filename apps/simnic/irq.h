/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts of the 82576: causes, masks, throttling (datasheet 7.3), and the eventfds that stand for MSI-X,
 * MSI and INTx.
 *
 * A cause sets a bit (EICR, ICR). A vector fires when an unmasked bit newly sets, or when a set bit is
 * unmasked; never earlier than its EITR interval after it fired last.
 */
#ifndef SIMNIC_IRQ_H
#define SIMNIC_IRQ_H

#include "apps/simnic/pciconf.h"

#include <stdbool.h>
#include <stdint.h>

#define IRQ_VECTORS 25 /* EITR registers */
#define IRQ_NEVER   UINT64_MAX

struct sim_options;

struct irq {
	const struct sim_options *opt;
	const struct pciconf *conf;
	/* registers */
	uint32_t icr, ims, iam;
	uint32_t eicr, eims, eiac, eiam;
	uint32_t gpie;
	uint32_t ivar[8], ivar_misc;
	uint32_t eitr[IRQ_VECTORS];
	/* EICR bits in MSI-X mode that were set by a queue: reading ICR acknowledges those that were not */
	uint32_t from_queue;
	uint32_t throttled;	     /* vectors that wait for their interval to end */
	uint64_t ready[IRQ_VECTORS]; /* when the vector may fire again */
	/* where they go: eventfds of the client, -1 for none */
	int msix[SIM_MSIX_VECTORS];
	int msi, intx, err, req;
	bool intx_masked; /* VFIO masks INTx by itself at each interrupt */
	/* counters */
	uint64_t fired, lost, spurious, unconnected, per_vector[IRQ_VECTORS];
	uint64_t misuse; /* writes that hardware would not have taken */
	bool dead;	 /* the device has been removed: nothing fires */
};

void irq_init(struct irq *q, const struct sim_options *o, const struct pciconf *conf);
/* Registers back to their defaults; the client's eventfds stay. */
void irq_reset(struct irq *q);
/* Forget the client's eventfds. */
void irq_disconnect(struct irq *q);

/* A descriptor of queue @n was written back. */
void irq_queue_cause(struct irq *q, unsigned int n, bool tx);
/* How the rx cause of queue @n stands. */
struct irq_queue_state {
	bool masked, latched; /* its vector; a cause waits to be unmasked or for the end of an interval */
	uint64_t fired;	      /* interrupts of that vector */
};
struct irq_queue_state irq_queue_state(const struct irq *q, unsigned int n);
/* Bits of ICR that come from elsewhere: link, receiver overrun... */
void irq_other_cause(struct irq *q, uint32_t bits);

/* True if @reg is an interrupt register; then *val is read or written with all side effects. */
bool irq_reg_read(struct irq *q, uint32_t reg, uint32_t *val);
bool irq_reg_write(struct irq *q, uint32_t reg, uint32_t val);
uint32_t irq_pending_bits(const struct irq *q); /* what the PBA shows */

/* Fire what waited for the end of an interval. */
void irq_run(struct irq *q);
/* When irq_run() has something to do next, IRQ_NEVER if not by itself. */
uint64_t irq_next(const struct irq *q);

/* The client's side; @index is VFIO's. fd -1 removes; the fd is taken over. */
unsigned int irq_count(const struct irq *q, uint32_t index);
void irq_set_trigger(struct irq *q, uint32_t index, uint32_t vector, int fd);
void irq_trigger(struct irq *q, uint32_t index, uint32_t vector);
void irq_mask_intx(struct irq *q, bool masked);

#endif
