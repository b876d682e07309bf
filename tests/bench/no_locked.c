/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pure busy poll executes no locked instruction, neither with the lock prefix nor as an exchange with memory,
 * which locks by itself (Intel SDM volume 2, LOCK and XCHG). Not read from a disassembly but seen: a child
 * forwards packets through the igb driver's rings (replay.h), with one thread and with two that do so, and
 * its parent looks at each instruction before it is executed.
 */
#include "tests/bench/replay.h"
#include "core/base/compiler.h"
#include "core/base/reason.h"
#include <unapi/napi.h>

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 16
#define BURST  32
#define BREAK  0xcc /* int3 */

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "no_locked: %s: %s\n", what, unapi_reason());
	exit(1);
}

/* What the parent counts begins and ends here. */
static inline void mark(void)
{
	__asm__ volatile("int3" ::: "memory");
}

static struct replay *make(void)
{
	struct replay *r = calloc(1, sizeof(*r));

	if (!r)
		die("memory");
	r->conf = (struct replay_conf){
		.driver = &replay_igb, .burst = BURST, .budget = BURST, .ring = 512, .frags = 1};
	snprintf(r->conf.isa, sizeof(r->conf.isa), "%s", __builtin_cpu_supports("avx2") ? "avx2" : "scalar");
	if (r->conf.driver->open(r))
		die("the driver's rings");
	replay_steady(r, 200);
	return r;
}

static int stop;

static void *forwards_too(void *arg)
{
	struct replay *r = make();

	__atomic_store_n((bool *)arg, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
		replay_steady(r, 10);
	r->conf.driver->close(r);
	return NULL;
}

static void child(void)
{
	struct replay *r = make();
	bool going = false;
	pthread_t other;
	static struct napi_struct n;

	mark();
	replay_steady(r, ROUNDS);
	mark();
	if (pthread_create(&other, NULL, forwards_too, &going))
		die("a thread");
	while (!__atomic_load_n(&going, __ATOMIC_ACQUIRE))
		usleep(1000);
	mark();
	replay_steady(r, ROUNDS);
	mark();
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	pthread_join(other, NULL);
	if (r->starved || r->forwarded != (2 * ROUNDS + 200ull) * BURST)
		die("packets are missing");
	r->conf.driver->close(r);
	/* and that such instructions are seen: taking ownership is one */
	mark();
	napi_schedule_prep(&n);
	mark();
	exit(0);
}

static bool is_prefix(uint8_t b)
{
	return b == 0x66 || b == 0x67 || b == 0x2e || b == 0x36 || b == 0x3e || b == 0x26 || b == 0x64 ||
	       b == 0x65 || b == 0xf2 || b == 0xf3 || (b & 0xf0) == 0x40; /* the last: REX */
}

static bool is_locked(const uint8_t *code)
{
	while (is_prefix(*code))
		code++;
	if (*code == 0xf0)
		return true;
	return (*code == 0x86 || *code == 0x87) && code[1] >> 6 != 3;
}

static void next_mark(pid_t pid)
{
	int status;

	ptrace(PTRACE_CONT, pid, NULL, NULL);
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) {
		fprintf(stderr, "no_locked: the child ends before it is done\n");
		exit(1);
	}
}

/* Step until the next mark. Returns the locked instructions. */
static unsigned long watch(pid_t pid, unsigned long *all)
{
	unsigned long locked = 0;
	uint8_t code[16];
	int status;

	for (*all = 0;; ++*all) {
		long at = ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rip), NULL);
		long low = ptrace(PTRACE_PEEKTEXT, pid, at, NULL);
		long high = ptrace(PTRACE_PEEKTEXT, pid, at + 8, NULL);

		memcpy(code, &low, 8);
		memcpy(code + 8, &high, 8);
		if (code[0] == BREAK)
			return locked;
		if (is_locked(code) && locked++ < 5)
			printf("  locked, at %#lx\n", (unsigned long)at);
		ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
		if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) {
			fprintf(stderr, "no_locked: the child ends while it is watched\n");
			exit(1);
		}
	}
}

int main(void)
{
	unsigned long all, locked, bad = 0;
	pid_t pid = fork();

	if (pid < 0)
		return 1;
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		child();
	}
	for (int threads = 1; threads <= 2; threads++) {
		next_mark(pid);
		locked = watch(pid, &all);
		printf("%d thread%s: %lu instructions for %d packets, the device's included, %lu locked\n",
		       threads, threads > 1 ? "s" : "", all, ROUNDS * BURST, locked);
		bad += locked;
		if (all < ROUNDS * BURST) {
			fprintf(stderr, "no_locked: that cannot be all\n");
			bad++;
		}
		next_mark(pid); /* the one at which it stands */
	}
	next_mark(pid);
	locked = watch(pid, &all);
	printf("napi_schedule_prep(): %lu instructions, %lu locked\n", all, locked);
	if (locked != 1)
		bad++;
	next_mark(pid);
	kill(pid, SIGKILL);
	return bad != 0;
}
