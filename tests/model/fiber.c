/* SPDX-License-Identifier: BSD-3-Clause */
/* Fibers: a stack each, switched by hand, saved and put back by copying. */
#include "tests/model/model.h"

#include <string.h>

static _Alignas(64) uint8_t stacks[MAX_FIBERS][STACK_SIZE];
enum { LOCAL_SIZE = 64 };
static const char *names[MAX_FIBERS];
static void *search_sp;
int me = -1;

/* Save the callee's registers and the stack in *@from, go on where @to was saved. A fiber begins with its
 * function in r12 and the argument in r13. */
void fiber_switch(void **from, void *to);
void fiber_begin(void);
void fiber_end(void);
__asm__(".text\n"
	".type fiber_switch, @function\n"
	"fiber_switch:\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	ret\n"
	".size fiber_switch, . - fiber_switch\n"
	".type fiber_begin, @function\n"
	"fiber_begin:\n"
	"	movq %r13, %rdi\n"
	"	callq *%r12\n"
	"	callq fiber_end\n"
	"	ud2\n"
	".size fiber_begin, . - fiber_begin\n");

void fiber_end(void)
{
	memory_settle();
	w.fiber[me].op = (struct op){.kind = OP_DONE};
	fiber_yield();
}

int fiber_spawn(const char *name, void (*fn)(void *arg), void *arg)
{
	int i = 0;
	uint64_t *sp;

	while (w.fiber[i].used)
		if (++i == MAX_FIBERS) {
			model_fail("more than %d fibers", MAX_FIBERS);
			return -1;
		}
	names[i] = name;
	memset(stacks[i], 0, STACK_SIZE);
	os_thread_begins(i);
	/* aligned as before a call */
	sp = (uint64_t *)(void *)(stacks[i] + STACK_SIZE - LOCAL_SIZE) - 9;
	sp[2] = (uintptr_t)arg;
	sp[3] = (uintptr_t)fn;
	sp[6] = (uintptr_t)fiber_begin;
	w.fiber[i] = (struct fiber){.used = true, .op = {.kind = OP_START}, .sp = sp};
	if (me >= 0)
		w.fiber[i].view = w.fiber[me].view;
	return i;
}

void fibers_reset(void)
{
	memset(w.fiber, 0, sizeof(w.fiber));
	me = -1;
}

/* What lies below is dead, and must not make equal states look different. */
static void clean_below(int i)
{
	uint8_t *sp = w.fiber[i].sp;
	size_t room = (size_t)(sp - stacks[i]);

	room = room < 1536 ? room : 1536;
	memset(sp - room, 0, room);
}

void fiber_resume(int i)
{
	me = i;
	fiber_switch(&search_sp, w.fiber[i].sp);
	me = -1;
	clean_below(i);
}

void fiber_yield(void)
{
	fiber_switch(&w.fiber[me].sp, search_sp);
}

const char *fiber_name(int i)
{
	return i < 0 ? "time" : names[i];
}

void fiber_rename(int i, const char *name)
{
	names[i] = name;
}

bool fiber_owns(const void *addr)
{
	return (const uint8_t *)addr >= stacks[0] && (const uint8_t *)addr < stacks[0] + sizeof(stacks);
}

void *fiber_local(int i)
{
	return stacks[i] + STACK_SIZE - LOCAL_SIZE;
}

static size_t live(int i)
{
	return (size_t)(stacks[i] + STACK_SIZE - (uint8_t *)w.fiber[i].sp);
}

uint64_t fiber_hash(int i, uint64_t h)
{
	return w.fiber[i].op.kind == OP_DONE ? h : mix_words(h, w.fiber[i].sp, live(i));
}

size_t fiber_save(int i, uint8_t *to)
{
	memcpy(to, w.fiber[i].sp, live(i));
	return live(i);
}

size_t fiber_restore(int i, const uint8_t *from)
{
	memcpy(w.fiber[i].sp, from, live(i));
	return live(i);
}
