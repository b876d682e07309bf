/* SPDX-License-Identifier: BSD-3-Clause */
/* net_rx_action: who is polled when, and when a run ends. */
#include "tests/unit/napi_fake.h"

#define SIX 6

struct six {
	struct unapi_context *c;
	struct fake f[SIX];
	struct fake_log log;
};

static void six_open(struct six *s, unsigned int budget)
{
	int i;

	memset(s, 0, sizeof(*s));
	s->c = fake_context(budget);
	for (i = 0; i < SIX; i++) {
		fake_add(&s->f[i], s->c, (char)('a' + i));
		s->f[i].log = &s->log;
		assert_int_equal(napi_enable(&s->f[i].n), 0);
	}
}

static void six_close(struct six *s)
{
	int i;

	for (i = 0; i < SIX; i++)
		fake_del(&s->f[i]);
	assert_int_equal(unapi_context_destroy(s->c), 0);
}

/* One net_rx_action() as the runner of the context; what it polled. */
static const char *one_run(struct unapi_context *c, struct fake_log *log)
{
	log->text[0] = 0;
	assert_int_equal(context_enter(c, false), 0);
	net_rx_action(c);
	context_leave(c);
	return log->text;
}

static uint64_t squeezes(struct unapi_context *c)
{
	struct unapi_context_stats st;

	unapi_context_get_stats(c, &st);
	return st.time_squeeze;
}

/* Six instances of 200 packets, budget 300: the order that was seen on Linux 7.2. */
static void order_after_squeeze(void **state)
{
	struct six s;
	const char *c;

	six_open(&s, 300);
	for (c = "ecafdb"; *c; c++) {
		s.f[*c - 'a'].backlog = 200;
		assert_true(napi_schedule(&s.f[*c - 'a'].n));
	}
	assert_string_equal(one_run(s.c, &s.log), "e64 c64 a64 f64 d64 ");
	assert_string_equal(one_run(s.c, &s.log), "b64 e64 c64 a64 f64 ");
	assert_string_equal(one_run(s.c, &s.log), "d64 b64 e64 c64 a64 ");
	assert_string_equal(one_run(s.c, &s.log), "f64 d64 b64 e8 c8 a8 ");
	assert_int_equal(squeezes(s.c), 3);
	assert_string_equal(one_run(s.c, &s.log), "f8 d8 b8 ");
	assert_string_equal(one_run(s.c, &s.log), "");
	assert_int_equal(squeezes(s.c), 3);
	six_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_after_squeeze),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
