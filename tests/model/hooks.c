/* SPDX-License-Identifier: BSD-3-Clause */
/* What -fsanitize=thread has the compiler call (LLVM compiler-rt, tsan_interface.h and
 * tsan_interface_atomic.h). */
#include "tests/model/model.h"

#include <string.h>

/* Not declared in any header: stubs.S calls them. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#define ALIAS(name, of) void model_##name(void *p) __attribute__((alias("model_" #of)));

void __tsan_init(void) {}
void __tsan_func_entry(void *pc) {}
void __tsan_func_exit(void) {}
void __tsan_atomic_signal_fence(int order) {}

#define PLAIN(size)                                             \
	void model___tsan_read##size(void *p)                   \
	{                                                       \
		memory_plain(p, size, false);                   \
	}                                                       \
	void model___tsan_write##size(void *p)                  \
	{                                                       \
		memory_plain(p, size, true);                    \
	}                                                       \
	void model___tsan_read_write##size(void *p)             \
	{                                                       \
		memory_plain(p, size, false);                   \
		memory_plain(p, size, true);                    \
	}                                                       \
	ALIAS(__tsan_unaligned_read##size, __tsan_read##size)   \
	ALIAS(__tsan_unaligned_write##size, __tsan_write##size) \
	ALIAS(__tsan_unaligned_read_write##size, __tsan_read_write##size)

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)

static void range(char *p, unsigned long size, bool write)
{
	for (; size >= 8; size -= 8, p += 8)
		memory_plain(p, 8, write);
	for (; size; size--, p++)
		memory_plain(p, 1, write);
}

void model___tsan_read_range(void *p, unsigned long size)
{
	range(p, size, false);
}

void model___tsan_write_range(void *p, unsigned long size)
{
	range(p, size, true);
}

void model___tsan_read16(void *p)
{
	range(p, 16, false);
}

void model___tsan_write16(void *p)
{
	range(p, 16, true);
}

void model___tsan_read_write16(void *p)
{
	range(p, 16, false);
	range(p, 16, true);
}

ALIAS(__tsan_unaligned_read16, __tsan_read16)
ALIAS(__tsan_unaligned_write16, __tsan_write16)
ALIAS(__tsan_unaligned_read_write16, __tsan_read_write16)

/* clang's */
void *model___tsan_memset(void *p, int c, size_t size)
{
	range(p, size, true);
	return memset(p, c, size);
}

void *model___tsan_memcpy(void *to, const void *from, size_t size)
{
	range((char *)(uintptr_t)from, size, false);
	range(to, size, true);
	return memcpy(to, from, size);
}

void *model___tsan_memmove(void *to, const void *from, size_t size)
{
	range((char *)(uintptr_t)from, size, false);
	range(to, size, true);
	return memmove(to, from, size);
}

/* Is it the model's? Then @op is done when this returns, and has its result. */
static bool atomic(volatile void *p, unsigned int size, struct op op, uint64_t *result)
{
	int a = me < 0 ? -1 : memory_atom((const void *)p, size);
	struct fiber *f;

	if (a < 0)
		return false;
	f = &w.fiber[me];
	op.obj = (uint8_t)a;
	op.size = (uint8_t)size;
	f->op = op;
	if (memory_shared(a, op.kind != OP_LOAD) || os_outcomes(me) > 1)
		fiber_yield();
	else
		os_perform(me, 0);
	*result = f->result;
	return true;
}

static bool is_store(enum op_kind k)
{
	return k != OP_LOAD;
}

/* Memory that is not the model's, or set-up: loads and stores as they are. What is ignored keeps its value,
 * so that it makes no difference. */
static uint64_t direct(volatile void *p, unsigned int size, struct op op)
{
	uint64_t v = 0;

	memcpy(&v, (const void *)p, size);
	if (me < 0 && is_store(op.kind)) {
		uint64_t old = v;

		switch (op.kind == OP_STORE ? RMW_SET : op.rmw) {
		case RMW_ADD:
			v += op.operand;
			break;
		case RMW_SUB:
			v -= op.operand;
			break;
		case RMW_AND:
			v &= op.operand;
			break;
		case RMW_OR:
			v |= op.operand;
			break;
		default:
			v = op.operand;
		}
		memcpy((void *)(uintptr_t)p, &v, size);
		v = old;
	}
	return v;
}

static uint64_t run(volatile void *p, unsigned int size, struct op op)
{
	uint64_t result;

	return atomic(p, size, op, &result) ? result : direct(p, size, op);
}

static bool cas(volatile void *p, unsigned int size, void *expected, struct op op)
{
	uint64_t old = 0, seen;
	bool done;

	memcpy(&old, expected, size);
	op.kind = OP_CAS;
	op.expected = old;
	if (atomic(p, size, op, &seen)) {
		done = w.fiber[me].op.operand; /* memory_perform() */
	} else {
		seen = direct(p, size, (struct op){.kind = OP_LOAD});
		done = seen == old;
		if (done)
			direct(p, size, (struct op){.kind = OP_STORE, .operand = op.operand});
	}
	if (!done)
		memcpy(expected, &seen, size);
	return done;
}

/* Where the code was that called the stub (stubs.S). */
#define HERE .pc = ((void **)__builtin_frame_address(0))[3]

#define ATOMIC(bits, type)                                                                                 \
	type model___tsan_atomic##bits##_load(const volatile type *p, int order)                           \
	{                                                                                                  \
		return (type)run((volatile type *)(uintptr_t)p, sizeof(type),                              \
				 (struct op){.kind = OP_LOAD, .order = (uint8_t)order, HERE});             \
	}                                                                                                  \
	void model___tsan_atomic##bits##_store(volatile type *p, type v, int order)                        \
	{                                                                                                  \
		run(p, sizeof(type),                                                                       \
		    (struct op){.kind = OP_STORE, .order = (uint8_t)order, .operand = v, HERE});           \
	}                                                                                                  \
	type model___tsan_atomic##bits##_exchange(volatile type *p, type v, int order)                     \
	{                                                                                                  \
		return (type)run(p, sizeof(type),                                                          \
				 (struct op){.kind = OP_RMW,                                               \
					     .rmw = RMW_SET,                                               \
					     .order = (uint8_t)order,                                      \
					     .operand = v,                                                 \
					     HERE});                                                       \
	}                                                                                                  \
	type model___tsan_atomic##bits##_fetch_add(volatile type *p, type v, int order)                    \
	{                                                                                                  \
		return (type)run(p, sizeof(type),                                                          \
				 (struct op){.kind = OP_RMW,                                               \
					     .rmw = RMW_ADD,                                               \
					     .order = (uint8_t)order,                                      \
					     .operand = v,                                                 \
					     HERE});                                                       \
	}                                                                                                  \
	type model___tsan_atomic##bits##_fetch_sub(volatile type *p, type v, int order)                    \
	{                                                                                                  \
		return (type)run(p, sizeof(type),                                                          \
				 (struct op){.kind = OP_RMW,                                               \
					     .rmw = RMW_SUB,                                               \
					     .order = (uint8_t)order,                                      \
					     .operand = v,                                                 \
					     HERE});                                                       \
	}                                                                                                  \
	type model___tsan_atomic##bits##_fetch_and(volatile type *p, type v, int order)                    \
	{                                                                                                  \
		return (type)run(p, sizeof(type),                                                          \
				 (struct op){.kind = OP_RMW,                                               \
					     .rmw = RMW_AND,                                               \
					     .order = (uint8_t)order,                                      \
					     .operand = v,                                                 \
					     HERE});                                                       \
	}                                                                                                  \
	type model___tsan_atomic##bits##_fetch_or(volatile type *p, type v, int order)                     \
	{                                                                                                  \
		return (type)run(p, sizeof(type),                                                          \
				 (struct op){.kind = OP_RMW,                                               \
					     .rmw = RMW_OR,                                                \
					     .order = (uint8_t)order,                                      \
					     .operand = v,                                                 \
					     HERE});                                                       \
	}                                                                                                  \
	bool model___tsan_atomic##bits##_compare_exchange_strong(volatile type *p, type *expected, type v, \
								 int order, int fail_order)                \
	{                                                                                                  \
		return cas(p, sizeof(type), expected,                                                      \
			   (struct op){.order = (uint8_t)order,                                            \
				       .fail_order = (uint8_t)fail_order,                                  \
				       .operand = v,                                                       \
				       HERE});                                                             \
	}                                                                                                  \
	bool model___tsan_atomic##bits##_compare_exchange_weak(volatile type *p, type *expected, type v,   \
							       int order, int fail_order)                  \
	{                                                                                                  \
		return cas(p, sizeof(type), expected,                                                      \
			   (struct op){.order = (uint8_t)order,                                            \
				       .fail_order = (uint8_t)fail_order,                                  \
				       .operand = v,                                                       \
				       .weak = true,                                                       \
				       HERE});                                                             \
	}                                                                                                  \
	/* clang does not tell which are weak */                                                           \
	type model___tsan_atomic##bits##_compare_exchange_val(volatile type *p, type expected, type v,     \
							      int order, int fail_order)                   \
	{                                                                                                  \
		cas(p, sizeof(type), &expected,                                                            \
		    (struct op){.order = (uint8_t)order,                                                   \
				.fail_order = (uint8_t)fail_order,                                         \
				.operand = v,                                                              \
				HERE});                                                                    \
		return expected;                                                                           \
	}

ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)
