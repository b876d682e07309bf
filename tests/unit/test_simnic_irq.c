/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupt causes, masks, throttling and the eventfds behind them, on a virtual clock. */
#include "simnic_rig.h"

static void up(struct rig *r, const char *options)
{
	rig_up(r, options);
	rig_start(r, 4);
	rig_write(r, E1000_EIMC, UINT32_MAX);
	rig_write(r, E1000_EICR, UINT32_MAX);
	rig_read(r, E1000_ICR);
}

static void cause(struct rig *r, unsigned int q)
{
	irq_queue_cause(&r->dev.irq, q, false);
}

static void a_masked_cause_latches(void **state)
{
	struct rig r;

	up(&r, "wire=none");
	cause(&r, 1);
	cause(&r, 1);
	assert_int_equal(rig_fired(&r, 1), 0);
	assert_int_equal(rig_read(&r, E1000_EICR), 2);
	rig_write(&r, E1000_EIMS, 2);
	assert_int_equal(rig_fired(&r, 1), 1);
	assert_int_equal(rig_read(&r, E1000_EICR), 0); /* EIAC */
	assert_int_equal(rig_read(&r, E1000_EIMS), 0); /* EIAM */
	rig_write(&r, E1000_EIMS, 2);
	assert_int_equal(rig_fired(&r, 1), 0); /* nothing new */
	rig_down(&r);

	up(&r, "wire=none,latch=0");
	cause(&r, 1);
	rig_write(&r, E1000_EIMS, 2);
	assert_int_equal(rig_fired(&r, 1), 0);
	cause(&r, 1);
	assert_int_equal(rig_fired(&r, 1), 1);
	rig_down(&r);
}

static void automask(void **state)
{
	struct rig r;

	up(&r, "wire=none");
	rig_write(&r, E1000_EIMS, 3);
	cause(&r, 0);
	cause(&r, 0);
	cause(&r, 0);
	assert_int_equal(rig_fired(&r, 0), 1);
	assert_int_equal(rig_read(&r, E1000_EIMS), 2); /* its own bit only */
	rig_write(&r, E1000_EIMS, 1);
	assert_int_equal(rig_fired(&r, 0), 1); /* for the two others */
	/* Without EIAME the bit stays. */
	rig_write(&r, E1000_GPIE, E1000_GPIE_MULTIPLE_MSIX | E1000_GPIE_NSICR);
	rig_write(&r, E1000_EIMS, 1);
	cause(&r, 0);
	cause(&r, 0);
	assert_int_equal(rig_fired(&r, 0), 2);
	rig_down(&r);

	up(&r, "wire=none,automask=0");
	rig_write(&r, E1000_EIMS, 1);
	cause(&r, 0);
	cause(&r, 0);
	assert_int_equal(rig_fired(&r, 0), 2);
	assert_int_equal(rig_read(&r, E1000_EIMS), 1);
	rig_down(&r);
}

static void without_autoclear_a_cause_is_told_once(void **state)
{
	struct rig r;

	up(&r, "wire=none,automask=0");
	rig_write(&r, E1000_EIAC, 0);
	rig_write(&r, E1000_EIMS, 1);
	cause(&r, 0);
	cause(&r, 0);
	assert_int_equal(rig_fired(&r, 0), 1);
	assert_int_equal(rig_read(&r, E1000_EICR), 1);
	assert_int_equal(rig_read(&r, E1000_EICR), 1); /* reading does not clear in MSI-X mode */
	rig_write(&r, E1000_EICR, 1);
	cause(&r, 0);
	assert_int_equal(rig_fired(&r, 0), 1);
	rig_down(&r);
}

static void masks_are_write_one(void **state)
{
	struct rig r;

	up(&r, "wire=none");
	rig_write(&r, E1000_EIMS, 0xf);
	rig_write(&r, E1000_EIMS, 1);
	assert_int_equal(rig_read(&r, E1000_EIMS), 0xf);
	rig_write(&r, E1000_EIMC, 4);
	assert_int_equal(rig_read(&r, E1000_EIMS), 0xb);
	assert_int_equal(rig_read(&r, E1000_EIMC), 0);
	rig_down(&r);
}

static void software_raises(void **state)
{
	struct rig r;

	up(&r, "wire=none");
	rig_write(&r, E1000_EICS, 1u << 3);
	assert_int_equal(rig_fired(&r, 3), 0);
	rig_write(&r, E1000_EIMS, 1u << 3);
	assert_int_equal(rig_fired(&r, 3), 1);
	rig_write(&r, E1000_EIMS, 1u << 3);
	rig_write(&r, E1000_EICS, 1u << 3);
	assert_int_equal(rig_fired(&r, 3), 1);
	rig_down(&r);
}

static void throttling(void **state)
{
	struct rig r;
	uint32_t us = 100;

	up(&r, "wire=none,automask=0");
	rig_write(&r, E1000_EITR(0), us << E1000_EITR_INTERVAL_SHIFT | E1000_EITR_CNT_IGNR);
	assert_int_equal(rig_read(&r, E1000_EITR(0)), us << E1000_EITR_INTERVAL_SHIFT);
	rig_write(&r, E1000_EIMS, 3);
	cause(&r, 0); /* the first goes at once */
	assert_int_equal(rig_fired(&r, 0), 1);
	cause(&r, 0);
	cause(&r, 0);
	cause(&r, 1); /* each vector has its own interval */
	assert_int_equal(rig_fired(&r, 0), 0);
	assert_int_equal(rig_fired(&r, 1), 1);
	assert_int_equal(igb_next(&r.dev), r.now + us * NSEC_PER_USEC);
	rig_pass(&r, us * NSEC_PER_USEC - 1);
	assert_int_equal(rig_fired(&r, 0), 0);
	rig_pass(&r, 1);
	assert_int_equal(rig_fired(&r, 0), 1);
	assert_int_equal(igb_next(&r.dev), IRQ_NEVER); /* no timer runs when nothing waits */
	rig_pass(&r, us * NSEC_PER_USEC);
	assert_int_equal(rig_fired(&r, 0), 0); /* and its end tells nothing */
	/* What is masked or acknowledged while it waits is not told at the end. */
	cause(&r, 0);
	assert_int_equal(rig_fired(&r, 0), 1);
	cause(&r, 0);
	rig_write(&r, E1000_EIMC, 1);
	rig_pass(&r, us * NSEC_PER_USEC);
	assert_int_equal(rig_fired(&r, 0), 0);
	rig_write(&r, E1000_EIMS, 1);
	assert_int_equal(rig_fired(&r, 0), 1);
	rig_down(&r);
}

static void vectors_follow_ivar(void **state)
{
	struct rig r;

	up(&r, "wire=none");
	/* Queue 9 has the upper half of row 1; rx in its lower byte, tx in the upper. */
	rig_write(&r, E1000_IVAR(1),
		  (E1000_IVAR_VALID | 1) | (E1000_IVAR_VALID | 6u) << 16 | (E1000_IVAR_VALID | 7u) << 24);
	rig_write(&r, E1000_EIMS, 0x1ff);
	irq_queue_cause(&r.dev.irq, 9, false);
	assert_int_equal(rig_fired(&r, 6), 1);
	irq_queue_cause(&r.dev.irq, 9, true);
	assert_int_equal(rig_fired(&r, 7), 1);
	irq_queue_cause(&r.dev.irq, 1, true); /* not valid: unrouted */
	for (unsigned int v = 0; v < 10; v++)
		assert_int_equal(rig_fired(&r, v), 0);
	rig_down(&r);
}

static void other_causes(void **state)
{
	struct rig r;

	up(&r, "wire=none");
	rig_write(&r, E1000_EIMS, 1u << 9);
	irq_other_cause(&r.dev.irq, E1000_ICR_RXO); /* not in IMS */
	assert_int_equal(rig_fired(&r, 9), 0);
	rig_write(&r, E1000_IMS, E1000_ICR_RXO); /* but it has latched */
	assert_int_equal(rig_fired(&r, 9), 1);
	assert_int_equal(rig_read(&r, E1000_ICR), E1000_ICR_RXO | E1000_ICR_INT_ASSERTED);
	assert_int_equal(rig_read(&r, E1000_ICR), 0);
	/* Reading ICR acknowledges "other" in EICR as well, but not a queue that shares the vector. */
	rig_write(&r, E1000_IVAR(0), E1000_IVAR_VALID | 9);
	irq_other_cause(&r.dev.irq, E1000_ICR_LSC);
	assert_int_equal(rig_read(&r, E1000_EICR), 1u << 9);
	rig_read(&r, E1000_ICR);
	assert_int_equal(rig_read(&r, E1000_EICR), 0);
	irq_other_cause(&r.dev.irq, E1000_ICR_LSC);
	cause(&r, 0);
	rig_read(&r, E1000_ICR);
	assert_int_equal(rig_read(&r, E1000_EICR), 1u << 9);
	rig_down(&r);
}

static void gpie_comes_first(void **state)
{
	struct rig r;

	rig_up(&r, "wire=none");
	assert_int_equal(rig_version(&r), 0);
	rig_command(&r, PCI_COMMAND_MEMORY);
	rig_bind(&r, VFIO_PCI_MSIX_IRQ_INDEX, 10);
	rig_write(&r, E1000_IVAR(0), E1000_IVAR_VALID);
	rig_write(&r, E1000_EIMS, 1);
	rig_write(&r, E1000_EIAC, 1);
	assert_int_equal(rig_read(&r, E1000_IVAR(0)), 0);
	assert_int_equal(rig_read(&r, E1000_EIMS), 0);
	assert_int_equal(rig_read(&r, E1000_EIAC), 0);
	assert_int_equal(r.dev.irq.misuse, 3);
	rig_write(&r, E1000_GPIE, E1000_GPIE_MULTIPLE_MSIX);
	rig_write(&r, E1000_IVAR(0), E1000_IVAR_VALID);
	assert_int_equal(rig_read(&r, E1000_IVAR(0)), E1000_IVAR_VALID);
	rig_down(&r);
}

static void msi(void **state)
{
	struct rig r;

	rig_up(&r, "wire=none,msix=0");
	assert_int_equal(rig_version(&r), 0);
	rig_command(&r, PCI_COMMAND_MEMORY);
	rig_bind(&r, VFIO_PCI_MSI_IRQ_INDEX, 1);
	rig_write(&r, E1000_IAM, E1000_ICR_RXDW | E1000_ICR_LSC);
	rig_write(&r, E1000_IMS, E1000_ICR_RXDW | E1000_ICR_LSC);
	cause(&r, 5);
	cause(&r, 6);
	assert_int_equal(rig_fired(&r, 0), 1);
	assert_int_equal(rig_read(&r, E1000_ICR), E1000_ICR_RXDW | E1000_ICR_INT_ASSERTED);
	assert_int_equal(rig_read(&r, E1000_IMS), 0); /* IAM */
	cause(&r, 5);
	assert_int_equal(rig_fired(&r, 0), 0);
	rig_write(&r, E1000_IMS, E1000_ICR_RXDW);
	assert_int_equal(rig_fired(&r, 0), 1);
	/* EICR's queue bits, where IVAR routes to them */
	rig_read(&r, E1000_ICR);
	rig_write(&r, E1000_IVAR(0), E1000_IVAR_VALID | 4);
	rig_write(&r, E1000_EIMS, 1u << 4);
	cause(&r, 0);
	assert_int_equal(rig_fired(&r, 0), 1);
	assert_int_equal(rig_read(&r, E1000_EICR) & 0xffff, 1u << 4);
	assert_int_equal(rig_read(&r, E1000_EICR), 0); /* clear on read without MSI-X */
	rig_down(&r);
}

static void intx_is_a_level(void **state)
{
	struct vfio_irq_set unmask = {.argsz = 20,
				      .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
				      .index = VFIO_PCI_INTX_IRQ_INDEX,
				      .count = 1};
	struct rig r;

	rig_up(&r, "wire=none,msix=0,msi=0");
	assert_int_equal(rig_version(&r), 0);
	rig_command(&r, PCI_COMMAND_MEMORY);
	rig_bind(&r, VFIO_PCI_INTX_IRQ_INDEX, 1);
	rig_write(&r, E1000_IMS, E1000_ICR_RXDW | E1000_ICR_LSC);
	cause(&r, 0);
	assert_int_equal(rig_fired(&r, 0), 1);
	irq_other_cause(&r.dev.irq, E1000_ICR_LSC);
	assert_int_equal(rig_fired(&r, 0), 0); /* masked by VFIO until the client says */
	assert_int_equal(rig_call(&r, VFU_SET_IRQS, &unmask, 20, NULL, 0), 0);
	assert_int_equal(rig_fired(&r, 0), 1); /* nobody has read ICR: still asserted */
	rig_read(&r, E1000_ICR);
	assert_int_equal(rig_call(&r, VFU_SET_IRQS, &unmask, 20, NULL, 0), 0);
	assert_int_equal(rig_fired(&r, 0), 0);
	cause(&r, 0);
	assert_int_equal(rig_fired(&r, 0), 1);
	rig_down(&r);
}

static void lost_and_spurious(void **state)
{
	struct rig r;
	uint64_t got = 0;

	up(&r, "wire=none,automask=0,lost-irq=3");
	rig_write(&r, E1000_EIMS, 1);
	for (int i = 0; i < 9; i++)
		cause(&r, 0);
	assert_int_equal(r.dev.irq.lost, 3);
	assert_int_equal(rig_fired(&r, 0), 6);
	rig_down(&r);

	up(&r, "wire=none,automask=0,spurious-irq=3");
	rig_write(&r, E1000_EIMS, 1);
	for (int i = 0; i < 9; i++)
		cause(&r, 0);
	got = rig_fired(&r, 0);
	assert_int_equal(got, 9 + r.dev.irq.spurious);
	assert_int_equal(r.dev.irq.spurious, 3);
	rig_down(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_masked_cause_latches),
		cmocka_unit_test(automask),
		cmocka_unit_test(without_autoclear_a_cause_is_told_once),
		cmocka_unit_test(masks_are_write_one),
		cmocka_unit_test(software_raises),
		cmocka_unit_test(throttling),
		cmocka_unit_test(vectors_follow_ivar),
		cmocka_unit_test(other_causes),
		cmocka_unit_test(gpie_comes_first),
		cmocka_unit_test(msi),
		cmocka_unit_test(intx_is_a_level),
		cmocka_unit_test(lost_and_spurious),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
