/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the explored code calls. Each calls the function of the same name with model_ in front, and then
 * overwrites what that left below the stack pointer, which would make equal states look different.
 */
	.text
clean:
	pxor	%xmm0, %xmm0
	.set	at, -16
	.rept	56
	movups	%xmm0, at(%rsp)
	.set	at, at - 16
	.endr
	ret

	.macro	stub name
	.globl	\name
	.type	\name, @function
\name:
	subq	$8, %rsp
	call	model_\name
	addq	$8, %rsp
	jmp	clean
	.size	\name, . - \name
	.endm

	.macro	plain size
	stub	__tsan_read\size
	stub	__tsan_write\size
	stub	__tsan_unaligned_read\size
	stub	__tsan_unaligned_write\size
	stub	__tsan_read_write\size
	stub	__tsan_unaligned_read_write\size
	.endm

	plain	1
	plain	2
	plain	4
	plain	8
	plain	16
	stub	__tsan_read_range
	stub	__tsan_write_range
	stub	__tsan_memset
	stub	__tsan_memcpy
	stub	__tsan_memmove

	.macro	atomic bits
	stub	__tsan_atomic\bits\()_load
	stub	__tsan_atomic\bits\()_store
	stub	__tsan_atomic\bits\()_exchange
	stub	__tsan_atomic\bits\()_fetch_add
	stub	__tsan_atomic\bits\()_fetch_sub
	stub	__tsan_atomic\bits\()_fetch_and
	stub	__tsan_atomic\bits\()_fetch_or
	stub	__tsan_atomic\bits\()_compare_exchange_strong
	stub	__tsan_atomic\bits\()_compare_exchange_weak
	stub	__tsan_atomic\bits\()_compare_exchange_val
	.endm

	atomic	8
	atomic	16
	atomic	32
	atomic	64

	stub	os_mutex_lock
	stub	os_mutex_unlock
	stub	os_pthread_create
	stub	os_pthread_join
	stub	os_membarrier
	stub	os_timerfd_settime
	stub	os_epoll_ctl
	stub	os_epoll_wait
	stub	os_watch
	stub	os_write
	stub	os_read
	stub	os_poll
	stub	unapi_clock_ns
	stub	unapi_clock_sleep
	stub	device_raise
	stub	device_unmask
	stub	note_poll
	stub	note_disabled
	stub	note_timer

	.section .note.GNU-stack, "", @progbits
