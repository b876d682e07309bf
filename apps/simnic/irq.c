/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/simnic/irq.h"
#include "apps/simnic/options.h"
#include "core/base/clock.h"
#include "core/base/compiler.h"
#include "drivers/igb/igb_regs.h"

#include <linux/vfio.h>
#include <string.h>
#include <unistd.h>

static bool msix_mode(const struct irq *q)
{
	return q->gpie & E1000_GPIE_MULTIPLE_MSIX;
}

static int *trigger(struct irq *q, uint32_t index, uint32_t vector)
{
	switch (index) {
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return vector < SIM_MSIX_VECTORS ? &q->msix[vector] : NULL;
	case VFIO_PCI_MSI_IRQ_INDEX:
		return vector ? NULL : &q->msi;
	case VFIO_PCI_INTX_IRQ_INDEX:
		return vector ? NULL : &q->intx;
	case VFIO_PCI_ERR_IRQ_INDEX:
		return vector ? NULL : &q->err;
	case VFIO_PCI_REQ_IRQ_INDEX:
		return vector ? NULL : &q->req;
	default:
		return NULL;
	}
}

void irq_init(struct irq *q, const struct sim_options *o, const struct pciconf *conf)
{
	memset(q, 0, sizeof(*q));
	q->opt = o;
	q->conf = conf;
	for (unsigned int i = 0; i < SIM_MSIX_VECTORS; i++)
		q->msix[i] = -1;
	q->msi = q->intx = q->err = q->req = -1;
}

void irq_reset(struct irq *q)
{
	q->icr = q->ims = q->iam = 0;
	q->eicr = q->eims = q->eiac = q->eiam = 0;
	q->gpie = 0;
	memset(q->ivar, 0, sizeof(q->ivar));
	q->ivar_misc = 0;
	memset(q->eitr, 0, sizeof(q->eitr));
	q->from_queue = q->throttled = 0;
	memset(q->ready, 0, sizeof(q->ready));
	q->intx_masked = false;
}

static bool client_uses_msix(const struct irq *q)
{
	for (unsigned int i = 0; i < SIM_MSIX_VECTORS; i++) {
		if (q->msix[i] >= 0)
			return true;
	}
	return false;
}

/* ---- towards the client */

static void write_eventfd(int fd)
{
	uint64_t one = 1;

	/* The only failure of a client's good eventfd is a full counter: the event is there already. */
	if (write(fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
		return;
}

static void send_to(struct irq *q, int fd, unsigned int vector)
{
	q->fired++;
	q->per_vector[vector]++;
	if (fd < 0) {
		q->unconnected++;
		return;
	}
	if (q->opt->lost_irq && q->fired % q->opt->lost_irq == 0) {
		q->lost++;
		return;
	}
	write_eventfd(fd);
	if (q->opt->spurious_irq && q->fired % q->opt->spurious_irq == 0) {
		q->spurious++;
		write_eventfd(fd);
	}
}

static bool intx_level(const struct irq *q)
{
	return !msix_mode(q) && ((q->icr & q->ims) || (q->eicr & q->eims)) && !pciconf_intx_disabled(q->conf);
}

/* INTx is a level: what is still asserted when the client unmasks interrupts again. */
static void update_intx(struct irq *q)
{
	if (q->intx < 0 || q->intx_masked || q->dead || !intx_level(q))
		return;
	q->intx_masked = true;
	send_to(q, q->intx, 0);
}

static void deliver(struct irq *q, unsigned int vector)
{
	if (msix_mode(q))
		send_to(q, vector < SIM_MSIX_VECTORS ? q->msix[vector] : -1, vector);
	else if (q->msi >= 0)
		send_to(q, q->msi, 0);
	else if (client_uses_msix(q)) /* one vector for all: MSI-X without GPIE.Multiple_MSIX */
		send_to(q, q->msix[0], 0);
	else
		update_intx(q);
}

/* ---- one vector */

static uint64_t interval_ns(const struct irq *q, unsigned int vector)
{
	return ((q->eitr[vector] & E1000_EITR_INTERVAL_MASK) >> E1000_EITR_INTERVAL_SHIFT) * NSEC_PER_USEC;
}

static void fire(struct irq *q, unsigned int vector)
{
	uint64_t now = unapi_clock_ns();
	uint32_t bit = 1u << vector;

	if (q->dead)
		return;
	if (now < q->ready[vector]) {
		q->throttled |= bit;
		return;
	}
	q->throttled &= ~bit;
	q->ready[vector] = now + interval_ns(q, vector);
	if (msix_mode(q)) {
		/* Sending the message acknowledges and masks what EIAC and EIAM name, 7.3.4.2. */
		if (q->eiac & bit) {
			q->eicr &= ~bit;
			q->from_queue &= ~bit;
		}
		if (q->gpie & E1000_GPIE_EIAME && q->eiam & bit && q->opt->automask)
			q->eims &= ~bit;
	}
	deliver(q, vector);
}

/* An event for an EICR bit: in MSI-X mode the bit is the vector, otherwise all share vector 0. */
static void set_eicr(struct irq *q, uint32_t bits, bool from_queue)
{
	for (uint32_t left = bits; left; left &= left - 1) {
		uint32_t bit = left & -left;
		bool fresh = !(q->eicr & bit);

		if (!(q->eims & bit) && !q->opt->latch)
			continue;
		q->eicr |= bit;
		if (from_queue)
			q->from_queue |= bit;
		if (fresh && q->eims & bit)
			fire(q, msix_mode(q) ? (unsigned int)__builtin_ctz(bit) : 0);
	}
}

static void set_icr(struct irq *q, uint32_t bits)
{
	uint32_t fresh;

	if (!q->opt->latch)
		bits &= q->ims;
	fresh = bits & ~q->icr;
	q->icr |= bits;
	if (q->icr & q->ims)
		q->icr |= E1000_ICR_INT_ASSERTED;
	if (!(fresh & q->ims))
		return;
	if (msix_mode(q)) {
		uint32_t entry = q->ivar_misc >> E1000_IVAR_MISC_OTHER_SHIFT;

		if (entry & E1000_IVAR_VALID)
			set_eicr(q, 1u << (entry & E1000_IVAR_VECTOR_MASK) & E1000_EICR_MSIX_MASK, false);
	} else {
		q->eicr |= E1000_EICR_OTHER;
		fire(q, 0);
	}
}

void irq_queue_cause(struct irq *q, unsigned int n, bool tx)
{
	uint32_t row = q->ivar[E1000_IVAR_ROW(n)];
	uint32_t entry = row >> (tx ? E1000_IVAR_TX_SHIFT(n) : E1000_IVAR_RX_SHIFT(n));
	uint32_t bit = 1u << (entry & E1000_IVAR_VECTOR_MASK);

	if (msix_mode(q)) {
		if (entry & E1000_IVAR_VALID)
			set_eicr(q, bit & E1000_EICR_MSIX_MASK, true);
		return;
	}
	if (entry & E1000_IVAR_VALID)
		set_eicr(q, bit & E1000_EICR_RXTXQ_MASK, true);
	set_icr(q, tx ? E1000_ICR_TXDW : E1000_ICR_RXDW);
}

struct irq_queue_state irq_queue_state(const struct irq *q, unsigned int n)
{
	uint32_t entry = q->ivar[E1000_IVAR_ROW(n)] >> E1000_IVAR_RX_SHIFT(n);
	uint32_t vector = entry & E1000_IVAR_VECTOR_MASK, bit = 1u << vector;

	if (!msix_mode(q))
		return (struct irq_queue_state){!(q->ims & E1000_ICR_RXDW), q->icr & E1000_ICR_RXDW,
						q->per_vector[0]};
	return (struct irq_queue_state){!(q->eims & bit), q->eicr & bit,
					vector < IRQ_VECTORS ? q->per_vector[vector] : 0};
}

void irq_other_cause(struct irq *q, uint32_t bits)
{
	set_icr(q, bits);
}

/* ---- registers */

static uint32_t read_icr(struct irq *q)
{
	bool asserted = q->icr & E1000_ICR_INT_ASSERTED;
	uint32_t val = q->icr, entry;

	/* 8.8.9 and 8.8.12: a read acknowledges and auto-masks unless GPIE.NSICR is clear and there was no
	 * interrupt. */
	if (q->gpie & E1000_GPIE_NSICR || (q->ims && asserted))
		q->ims &= ~q->iam;
	if (q->gpie & E1000_GPIE_NSICR || asserted || !q->ims) {
		q->icr = 0;
		q->eicr &= ~E1000_EICR_OTHER;
		entry = q->ivar_misc >> E1000_IVAR_MISC_OTHER_SHIFT;
		if (msix_mode(q) && entry & E1000_IVAR_VALID)
			q->eicr &= ~(1u << (entry & E1000_IVAR_VECTOR_MASK)) | q->from_queue;
	}
	return val;
}

static uint32_t read_eicr(struct irq *q)
{
	uint32_t val = q->eicr;

	if (!msix_mode(q)) { /* 7.3.4.3: clear on read without MSI-X only */
		q->eicr = 0;
		q->from_queue = 0;
		if (q->opt->automask)
			q->eims &= ~q->eiam;
	}
	return val;
}

static void unmask_eims(struct irq *q, uint32_t val)
{
	uint32_t fresh = val & ~q->eims;

	q->eims |= val;
	for (uint32_t left = fresh & q->eicr; left; left &= left - 1)
		fire(q, msix_mode(q) ? (unsigned int)__builtin_ctz(left) : 0);
}

static void unmask_ims(struct irq *q, uint32_t val)
{
	uint32_t pending = val & ~q->ims & q->icr;

	q->ims |= val;
	if (pending) {
		q->icr &= ~pending; /* so that they are news to set_icr() */
		set_icr(q, pending);
	}
	update_intx(q);
}

static void write_eitr(struct irq *q, unsigned int n, uint32_t val)
{
	/* 8.8.14: without CNT_IGNR the running counter is replaced by bits 30:21, in units of four
	 * microseconds. */
	if (!(val & E1000_EITR_CNT_IGNR))
		q->ready[n] = unapi_clock_ns() + (val >> 21 & 0x3ff) * 4 * NSEC_PER_USEC;
	q->eitr[n] = val & ~E1000_EITR_CNT_IGNR;
}

bool irq_reg_read(struct irq *q, uint32_t reg, uint32_t *val)
{
	if (reg >= E1000_EITR(0) && reg < E1000_EITR(IRQ_VECTORS))
		*val = q->eitr[(reg - E1000_EITR(0)) / 4];
	else if (reg >= E1000_IVAR(0) && reg < E1000_IVAR(E1000_IVAR_ROWS))
		*val = q->ivar[(reg - E1000_IVAR(0)) / 4];
	else
		switch (reg) {
		case E1000_ICR:
		case E1000_ICR_ALIAS:
			*val = read_icr(q);
			break;
		case E1000_IMS:
		case E1000_IMS_ALIAS:
			*val = q->ims;
			break;
		case E1000_IAM:
		case E1000_IAM_ALIAS:
			*val = q->iam;
			break;
		case E1000_EICR:
			*val = read_eicr(q);
			break;
		case E1000_EIMS:
			*val = q->eims;
			break;
		case E1000_EIAC:
			*val = q->eiac;
			break;
		case E1000_EIAM:
			*val = q->eiam;
			break;
		case E1000_GPIE:
			*val = q->gpie;
			break;
		case E1000_IVAR_MISC:
			*val = q->ivar_misc;
			break;
		case E1000_ICS:
		case E1000_ICS_ALIAS:
		case E1000_IMC:
		case E1000_IMC_ALIAS:
		case E1000_EICS:
		case E1000_EIMC:
			*val = 0; /* write only */
			break;
		default:
			return false;
		}
	return true;
}

/* With MSI-X in use these do not stick before GPIE says so (a trap that every driver for the part comments
 * on). */
static bool refused(struct irq *q, uint32_t val)
{
	if (!val || msix_mode(q) || !client_uses_msix(q))
		return false;
	q->misuse++;
	return true;
}

static void write_masked(struct irq *q, uint32_t reg, uint32_t val)
{
	uint32_t valid = msix_mode(q) ? E1000_EICR_MSIX_MASK
				      : E1000_EICR_RXTXQ_MASK | E1000_EICR_TCP_TIMER | E1000_EICR_OTHER;

	val &= valid;
	switch (reg) {
	case E1000_EICS:
		set_eicr(q, val, true);
		break;
	case E1000_EIMS:
		if (!refused(q, val))
			unmask_eims(q, val);
		break;
	case E1000_EIMC:
		q->eims &= ~val;
		break;
	case E1000_EICR:
		q->eicr &= ~val;
		q->from_queue &= ~val;
		break;
	case E1000_EIAC:
		if (!refused(q, val))
			q->eiac = val;
		break;
	case E1000_EIAM:
		if (!refused(q, val))
			q->eiam = val;
		break;
	}
	update_intx(q);
}

bool irq_reg_write(struct irq *q, uint32_t reg, uint32_t val)
{
	if (reg >= E1000_EITR(0) && reg < E1000_EITR(IRQ_VECTORS)) {
		write_eitr(q, (reg - E1000_EITR(0)) / 4, val);
		return true;
	}
	if (reg >= E1000_IVAR(0) && reg < E1000_IVAR(E1000_IVAR_ROWS)) {
		if (!refused(q, val))
			q->ivar[(reg - E1000_IVAR(0)) / 4] = val & 0x9f9f9f9f;
		return true;
	}
	switch (reg) {
	case E1000_ICR:
	case E1000_ICR_ALIAS:
		q->icr &= ~val;
		break;
	case E1000_ICS:
	case E1000_ICS_ALIAS:
		set_icr(q, val & ~E1000_ICR_INT_ASSERTED);
		break;
	case E1000_IMS:
	case E1000_IMS_ALIAS:
		unmask_ims(q, val);
		break;
	case E1000_IMC:
	case E1000_IMC_ALIAS:
		q->ims &= ~val;
		break;
	case E1000_IAM:
	case E1000_IAM_ALIAS:
		q->iam = val;
		break;
	case E1000_GPIE:
		q->gpie = val;
		break;
	case E1000_IVAR_MISC:
		if (!refused(q, val))
			q->ivar_misc = val & 0x9f9f;
		break;
	case E1000_EICR:
	case E1000_EICS:
	case E1000_EIMS:
	case E1000_EIMC:
	case E1000_EIAC:
	case E1000_EIAM:
		write_masked(q, reg, val);
		break;
	default:
		return false;
	}
	return true;
}

uint32_t irq_pending_bits(const struct irq *q)
{
	return msix_mode(q) ? q->eicr & ((1u << SIM_MSIX_VECTORS) - 1) : 0;
}

void irq_run(struct irq *q)
{
	uint64_t now;

	if (likely(!q->throttled))
		return;
	now = unapi_clock_ns();
	for (uint32_t left = q->throttled; left; left &= left - 1) {
		unsigned int v = (unsigned int)__builtin_ctz(left);
		uint32_t bit = 1u << v;
		bool wanted =
			msix_mode(q) ? q->eicr & q->eims & bit : (q->icr & q->ims) || (q->eicr & q->eims);

		if (now < q->ready[v])
			continue;
		q->throttled &= ~bit;
		if (wanted) /* masked or acknowledged in the meantime: nothing to tell */
			fire(q, v);
	}
}

uint64_t irq_next(const struct irq *q)
{
	uint64_t next = IRQ_NEVER;

	for (uint32_t left = q->throttled; left; left &= left - 1) {
		uint64_t at = q->ready[__builtin_ctz(left)];

		next = at < next ? at : next;
	}
	return next;
}

/* ---- the client's side */

unsigned int irq_count(const struct irq *q, uint32_t index)
{
	switch (index) {
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return q->opt->msix ? SIM_MSIX_VECTORS : 0;
	case VFIO_PCI_MSI_IRQ_INDEX:
		return q->opt->msi ? 1 : 0;
	default:
		return index < VFIO_PCI_NUM_IRQS ? 1 : 0;
	}
}

void irq_set_trigger(struct irq *q, uint32_t index, uint32_t vector, int fd)
{
	int *at = trigger(q, index, vector);

	if (!at) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (*at >= 0)
		close(*at);
	*at = fd;
	if (index == VFIO_PCI_INTX_IRQ_INDEX) {
		q->intx_masked = false;
		update_intx(q);
	}
}

void irq_trigger(struct irq *q, uint32_t index, uint32_t vector)
{
	int *at = trigger(q, index, vector);

	if (at && *at >= 0)
		write_eventfd(*at);
}

void irq_mask_intx(struct irq *q, bool masked)
{
	q->intx_masked = masked;
	update_intx(q);
}

void irq_disconnect(struct irq *q)
{
	for (uint32_t index = 0; index < VFIO_PCI_NUM_IRQS; index++) {
		for (uint32_t v = 0; v < irq_count(q, index); v++)
			irq_set_trigger(q, index, v, -1);
	}
}
