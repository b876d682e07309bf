/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The igb driver over the simulated NIC, through the public interface: what the generator on the wire sends
 * must all come back, in every arrangement of queues and interrupts, and the model must have nothing to
 * complain of: no DMA fault, no misuse of a register.
 */
#include "tests/sim/igb_rig.h"

static void test_identity(void **state)
{
	static const uint8_t mac[6] = {2, 1, 2, 3, 4, 5};
	struct unapi_dev_info info;
	struct rig r;

	open_dev(&r, ",mac=02:01:02:03:04:05,wire=none");
	unapi_dev_get_info(r.dev, &info);
	assert_string_equal(info.driver, "igb");
	assert_int_equal(info.device_id, 0x10c9);
	assert_memory_equal(info.mac, mac, 6);
	assert_int_equal(info.max_rxq, 16);
	assert_int_equal(info.max_txq, 16);
	assert_int_equal(info.max_desc, 4096);
	configure(&r, &(struct unapi_dev_conf){.rxq = 1});
	json_decref(down(&r));
}

static void test_link(void **state)
{
	struct unapi_link link;
	struct rig r;

	up(&r, ",wire=none,link-delay=50", 1);
	ok(unapi_dev_get_link(r.dev, &link));
	assert_false(link.up);
	assert_int_equal(link.speed, 0);
	run_until_event(&r, &r.ups, 1);
	assert_int_equal(r.downs, 0);
	ok(unapi_dev_get_link(r.dev, &link));
	assert_true(link.up && link.full_duplex && link.autoneg);
	assert_int_equal(link.speed, 1000);
	/* Stopped and started again, it is told again. */
	ok(unapi_dev_stop(r.dev));
	ok(unapi_dev_start(r.dev));
	run_until_event(&r, &r.ups, 2);
	json_decref(down(&r));
}

static void test_forward_1(void **state)
{
	forward_count("", 1, 20000, true);
}

static void test_forward_4(void **state)
{
	forward_count("", 4, 20000, true);
}

/* More queues than vectors: nine instances, of which seven serve two queues each. */
static void test_forward_16(void **state)
{
	struct unapi_dev_info info;
	struct rig r;

	open_dev(&r, ",wire=none");
	configure(&r, &(struct unapi_dev_conf){.rxq = 16});
	unapi_dev_get_info(r.dev, &info);
	assert_string_equal(info.irq_mode, "MSI-X");
	assert_int_equal(info.vectors, 10);
	assert_int_equal(info.nr_napi, 9);
	assert_ptr_equal(unapi_dev_rxq_napi(r.dev, 0), unapi_dev_rxq_napi(r.dev, 9));
	assert_ptr_equal(unapi_dev_rxq_napi(r.dev, 3), unapi_dev_txq_napi(r.dev, 3));
	assert_ptr_not_equal(unapi_dev_rxq_napi(r.dev, 7), unapi_dev_rxq_napi(r.dev, 8));
	json_decref(down(&r));
	forward_count(":flows=64", 16, 20000, true);
}

/* Mapped tails instead of messages. */
static void test_forward_mmap(void **state)
{
	forward_count(",doorbell=mmap", 4, 50000, true);
}

static void test_irq_mode(const char *options, const char *mode, unsigned int queues)
{
	struct unapi_dev_info info;
	struct rig r;

	open_dev(&r, options);
	configure(&r, &(struct unapi_dev_conf){.rxq = queues});
	unapi_dev_get_info(r.dev, &info);
	assert_string_equal(info.irq_mode, mode);
	assert_int_equal(info.vectors, 1);
	assert_int_equal(info.nr_napi, 1);
	ok(unapi_dev_start(r.dev));
	run_until_event(&r, &r.ups, 1);
	json_decref(down(&r));
}

static void test_msi(void **state)
{
	test_irq_mode(",msix=0,wire=none", "MSI", 4);
	forward_count(",msix=0", 1, 10000, true);
	forward_count(",msix=0", 4, 10000, true);
}

static void test_intx(void **state)
{
	test_irq_mode(",msix=0,msi=0,wire=none", "INTx", 4);
	forward_count(",msix=0,msi=0", 1, 5000, true);
	forward_count(",msix=0,msi=0", 4, 5000, true);
}

static void self_test(const char *options, bool automask, bool latches)
{
	struct unapi_dev_info info;
	struct rig r;

	up(&r, options, 2);
	unapi_dev_get_info(r.dev, &info);
	assert_int_equal(info.automask, automask);
	assert_int_equal(info.latches, latches);
	/* Its outcome holds for later starts. */
	ok(unapi_dev_stop(r.dev));
	ok(unapi_dev_start(r.dev));
	unapi_dev_get_info(r.dev, &info);
	assert_int_equal(info.automask, automask);
	json_decref(down(&r));
}

static void test_self_test(void **state)
{
	self_test(",wire=none", true, true);
	self_test(",wire=none,automask=0", false, true);
	self_test(",wire=none,latch=0", true, false);
	self_test(",wire=none,automask=0,latch=0", false, false);
}

static void test_forward_without_automask(void **state)
{
	forward_count(",automask=0", 2, 10000, true);
}

static void test_forward_without_latch(void **state)
{
	forward_count(",latch=0", 2, 10000, true);
	forward_count(",latch=0,automask=0,rate=20000", 2, 3000, true);
}

static void test_spurious_interrupts(void **state)
{
	struct unapi_dev_stats st;
	struct rig r;
	json_t *o;

	up(&r, ",spurious-irq=2,wire=gen:count=5000:rate=20000", 1);
	run_until(&r, "drained", 1);
	unapi_dev_get_stats(r.dev, &st);
	assert_int_equal(st.tx_packets, 5000);
	o = down(&r);
	nothing_lost(o, 5000);
	json_decref(o);
}

/* Interrupts that never arrive: the start says so instead of hanging later. */
static void test_no_interrupts(void **state)
{
	struct rig r;

	open_dev(&r, ",lost-irq=1,wire=none");
	configure(&r, &(struct unapi_dev_conf){.rxq = 1});
	assert_int_equal(unapi_dev_start(r.dev), -EIO);
	assert_non_null(strstr(unapi_reason(), "interrupt"));
	json_decref(down(&r));
}

/* A caller polls, then the interrupts again, under traffic. */
static void test_busy(void **state)
{
	struct napi_struct *n[4];
	uint64_t until = unapi_clock_ns() + TIME_LIMIT, next = 1000;
	unsigned int switches = 0;
	struct unapi_dev_stats st = {0};
	bool polling = false;
	struct rig r;
	json_t *o;

	up(&r, ",wire=gen:count=40000", 4);
	ok(unapi_context_set_poller(r.ctx, true));
	for (unsigned int i = 0; i < 4; i++)
		n[i] = unapi_dev_rxq_napi(r.dev, i);
	do {
		assert_true(unapi_clock_ns() < until);
		if (st.tx_packets >= next) {
			next = st.tx_packets + 1000;
			polling = !polling;
			switches++;
			for (unsigned int i = 0; i < 4; i++)
				ok(unapi_napi_set_mode(n[i],
						       polling ? UNAPI_POLL_BUSY : UNAPI_POLL_INTERRUPT));
		}
		run(&r, polling ? 0 : 1);
		for (unsigned int i = 0; i < 4; i++)
			if (unapi_napi_wants_poll(n[i]))
				unapi_napi_poll_begin(n[i]);
		for (unsigned int k = 0; k < 20; k++)
			for (unsigned int i = 0; i < 4; i++)
				if (unapi_napi_mode(n[i]) == UNAPI_POLL_BUSY)
					unapi_napi_poll(n[i], 64);
		unapi_dev_get_stats(r.dev, &st);
	} while (st.tx_packets < 40000);
	assert_true(switches >= 8);
	for (unsigned int i = 0; i < 4; i++)
		ok(unapi_napi_set_mode(n[i], UNAPI_POLL_INTERRUPT));
	for (unsigned int i = 0; i < 4; i++)
		while (unapi_napi_mode(n[i]) == UNAPI_POLL_BUSY)
			unapi_napi_poll(n[i], 64);
	run_until(&r, "drained", 1);
	ok(unapi_context_set_poller(r.ctx, false));
	o = down(&r);
	nothing_lost(o, 40000);
	json_decref(o);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_self_test),
		cmocka_unit_test(test_forward_1),
		cmocka_unit_test(test_forward_4),
		cmocka_unit_test(test_forward_16),
		cmocka_unit_test(test_forward_mmap),
		cmocka_unit_test(test_msi),
		cmocka_unit_test(test_intx),
		cmocka_unit_test(test_forward_without_automask),
		cmocka_unit_test(test_forward_without_latch),
		cmocka_unit_test(test_spurious_interrupts),
		cmocka_unit_test(test_no_interrupts),
		cmocka_unit_test(test_busy),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	unlink(stats);
	return rc;
}
