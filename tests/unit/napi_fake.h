/* SPDX-License-Identifier: BSD-3-Clause */
/* A device of nothing but counters behind a NAPI instance, for the scheduler's tests. */
#ifndef UNAPI_TEST_NAPI_FAKE_H
#define UNAPI_TEST_NAPI_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/napi/internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* What fakes write down as they are polled: "e64 c64 a64 ". Only for tests of one thread. */
struct fake_log {
	char text[4096];
};

struct fake {
	struct napi_struct n;
	int backlog;   /* packets that wait in the device */
	char letter;   /* its name in @log */
	bool unmasked; /* the last completion returned true */
	int polls;     /* calls of the poll method */
	int vector;    /* an eventfd, -1 none */
	struct fake_log *log;
	/* called in the poll method before it completes, and after; tests change them while other threads
	 * poll */
	void (*before_complete)(struct fake *f);
	void (*after_complete)(struct fake *f);
};

static inline int fake_poll(struct napi_struct *n, int budget)
{
	struct fake *f = container_of(n, struct fake, n);
	int work = f->backlog < budget ? f->backlog : budget;
	void (*hook)(struct fake * f);

	f->polls++;
	f->backlog -= work;
	if (f->log)
		snprintf(f->log->text + strlen(f->log->text), sizeof(f->log->text) - strlen(f->log->text),
			 "%c%d ", f->letter, work);
	if (work == budget)
		return work;
	hook = READ_ONCE(f->before_complete);
	if (hook)
		hook(f);
	WRITE_ONCE(f->unmasked, napi_complete_done(n, work));
	hook = READ_ONCE(f->after_complete);
	if (hook)
		hook(f);
	return work;
}

static inline void fake_add(struct fake *f, struct unapi_context *c, char letter)
{
	char name[8] = {'f', 'a', 'k', 'e', '-', letter};

	memset(f, 0, sizeof(*f));
	f->letter = letter;
	f->vector = -1;
	assert_int_equal(unapi_napi_add(&f->n, c, name, fake_poll, NAPI_POLL_WEIGHT), 0);
}

static inline void fake_add_vector(struct fake *f)
{
	f->vector = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_true(f->vector >= 0);
	assert_int_equal(unapi_napi_set_irq(&f->n, f->vector, NULL), 0);
}

static inline void fake_interrupt(struct fake *f)
{
	uint64_t one = 1;

	assert_int_equal(write(f->vector, &one, sizeof(one)), sizeof(one));
}

static inline void fake_del(struct fake *f)
{
	if (!(napi_state_read(&f->n.state) & NAPIF_NPSVC))
		assert_int_equal(napi_disable(&f->n), 0);
	assert_int_equal(unapi_napi_del(&f->n), 0);
	if (f->vector >= 0)
		close(f->vector);
}

static inline struct unapi_context *fake_context(unsigned int budget)
{
	struct unapi_context_conf conf = {.netdev_budget = budget};
	struct unapi_context *c;

	assert_int_equal(unapi_context_create(&conf, &c), 0);
	return c;
}

static inline bool fd_readable(int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int ep = epoll_create1(EPOLL_CLOEXEC), n;

	assert_int_equal(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), 0);
	n = epoll_wait(ep, &ev, 1, 0);
	close(ep);
	return n == 1;
}

#endif
