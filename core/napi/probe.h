/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Static probes (USDT) for bpftrace, perf and the like, named as the kernel's tracepoints where it has one:
 * family and name, and its arguments first. doc/napi.md lists them.
 *
 * Each is one nop in the code, and a note in the file that says where it is and which registers and memory
 * have its arguments (the format is SystemTap's: sourceware.org/systemtap/wiki/UserSpaceProbeImplementation).
 * So an argument must be at hand: what would have to be computed costs time while nobody looks. The notes
 * are written here because the compiler has to be told that they are no code ("asm inline"): otherwise it
 * takes functions with a probe for too large to be inlined.
 */
#ifndef UNAPI_CORE_NAPI_PROBE_H
#define UNAPI_CORE_NAPI_PROBE_H

#include <unapi/napi.h>

/* Of an argument: its size, negative if it is signed (the note's %n takes the sign back off), and where it
 * is: a constant, in memory, in a register. */
#define PROBE_IS_POINTER(x) (__builtin_classify_type(x) == 5)
#define PROBE_INTEGER(x)    __typeof__(__builtin_choose_expr(PROBE_IS_POINTER(x), 0u, (x)))
#define PROBE_IS_SIGNED(x)  ((PROBE_INTEGER(x)) - 1 < (PROBE_INTEGER(x))1)
#define PROBE_ARG(i, x)	    [s##i] "n"((PROBE_IS_SIGNED(x) ? 1 : -1) * (int)sizeof(x)), [a##i] "nor"(x)

/* The base is where a tool learns whether prelink has moved the code since the note was written. */
#define PROBE_AT(family, name, text, ...)                                                \
	__asm__ __inline __volatile__(                                                   \
		"990:	nop\n"                                                             \
		"	.pushsection .note.stapsdt,\"?\",\"note\"\n"                           \
		"	.balign 4\n"                                                           \
		"	.4byte 992f-991f, 994f-993f, 3\n"                                      \
		"991:	.asciz \"stapsdt\"\n"                                              \
		"992:	.balign 4\n"                                                       \
		"993:	.8byte 990b, _.stapsdt.base, 0\n"                                  \
		"	.asciz \"" #family "\"\n"                                        \
		"	.asciz \"" #name "\"\n"                                          \
		"	.asciz \"" text "\"\n"                                           \
		"994:	.balign 4\n"                                                       \
		"	.popsection\n"                                                         \
		"	.ifndef _.stapsdt.base\n"                                              \
		"	.pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n" \
		"	.weak _.stapsdt.base\n"                                                \
		"	.hidden _.stapsdt.base\n"                                              \
		"_.stapsdt.base:	.space 1\n"                                             \
		"	.size _.stapsdt.base, 1\n"                                             \
		"	.popsection\n"                                                         \
		"	.endif" ::__VA_ARGS__)

#define PROBE1(f, n, a)	   PROBE_AT(f, n, "%n[s1]@%[a1]", PROBE_ARG(1, a))
#define PROBE2(f, n, a, b) PROBE_AT(f, n, "%n[s1]@%[a1] %n[s2]@%[a2]", PROBE_ARG(1, a), PROBE_ARG(2, b))
#define PROBE3(f, n, a, b, c)                                                                      \
	PROBE_AT(f, n, "%n[s1]@%[a1] %n[s2]@%[a2] %n[s3]@%[a3]", PROBE_ARG(1, a), PROBE_ARG(2, b), \
		 PROBE_ARG(3, c))
#define PROBE4(f, n, a, b, c, d)                                                               \
	PROBE_AT(f, n, "%n[s1]@%[a1] %n[s2]@%[a2] %n[s3]@%[a3] %n[s4]@%[a4]", PROBE_ARG(1, a), \
		 PROBE_ARG(2, b), PROBE_ARG(3, c), PROBE_ARG(4, d))
#define PROBE5(f, n, a, b, c, d, e)                                                                         \
	PROBE_AT(f, n, "%n[s1]@%[a1] %n[s2]@%[a2] %n[s3]@%[a3] %n[s4]@%[a4] %n[s5]@%[a5]", PROBE_ARG(1, a), \
		 PROBE_ARG(2, b), PROBE_ARG(3, c), PROBE_ARG(4, d), PROBE_ARG(5, e))

#define PROBE_NET_RX_SOFTIRQ 3 /* the kernel's number of it (include/linux/interrupt.h) */

/* It may change while a probe of a thread that is no owner looks at it. A sanitizer takes that for a load of
 * the program's, which without a tracer there is not. */
#ifdef __SANITIZE_THREAD__
#define PROBE_ID(n) __atomic_load_n(&(n)->napi_id, __ATOMIC_RELAXED)
#else
#define PROBE_ID(n) (n)->napi_id
#endif

/* include/trace/events/napi.h: a poll method has returned. */
#define probe_napi_poll(n, work, budget) \
	PROBE5(napi, napi_poll, n, work, budget, (n)->probe_name, PROBE_ID(n))

/* include/trace/events/irq.h. An instance's vector has no number here but that of its descriptor. */
#define probe_irq_entry(n)	    PROBE3(irq, irq_handler_entry, (n)->irq_fd, (n)->probe_name, PROBE_ID(n))
#define probe_irq_exit(n)	    PROBE3(irq, irq_handler_exit, (n)->irq_fd, (n)->probe_name, PROBE_ID(n))
#define probe_softirq_entry(c)	    PROBE2(irq, softirq_entry, PROBE_NET_RX_SOFTIRQ, c)
#define probe_softirq_exit(c, work) PROBE3(irq, softirq_exit, PROBE_NET_RX_SOFTIRQ, c, work)

/* include/trace/events/timer.h */
#define probe_timer_start(t)	    PROBE3(timer, hrtimer_start, t, (t)->fn, (t)->expires)
#define probe_timer_expire(t, now)  PROBE3(timer, hrtimer_expire_entry, t, now, (t)->fn)
#define probe_timer_exit(t)	    PROBE1(timer, hrtimer_expire_exit, t)
#define probe_timer_cancel(t)	    PROBE1(timer, hrtimer_cancel, t)

/* What the kernel has no tracepoint for. */
#define probe_schedule(n)	    PROBE4(unapi, napi_schedule, n, (n)->cause, (n)->probe_name, PROBE_ID(n))
#define probe_complete(n, unmask)   PROBE4(unapi, napi_complete, n, unmask, (n)->probe_name, PROBE_ID(n))
#define probe_takeover(n)	    PROBE4(unapi, napi_takeover, n, (n)->poller_tid, (n)->probe_name, PROBE_ID(n))
#define probe_handover(n)	    PROBE4(unapi, napi_handover, n, (n)->poller_tid, (n)->probe_name, PROBE_ID(n))
#define probe_mode(n, mode)	    PROBE4(unapi, napi_mode, n, mode, (n)->probe_name, PROBE_ID(n))
#define probe_threaded(n)	    PROBE4(unapi, napi_threaded, n, (n)->threaded, (n)->probe_name, PROBE_ID(n))
#define probe_enable(n, on)	    PROBE4(unapi, napi_enable, n, on, (n)->probe_name, PROBE_ID(n))

#endif
