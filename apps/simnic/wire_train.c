/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Exact trains: frames that become visible to the driver at one instant, played on command.
 *
 * wire=train:PATH listens on a Unix SOCK_SEQPACKET socket. A message is a command, answered by one message:
 *
 *	play eth|tcp GAP_NS K [K...]	K frames at once, GAP_NS later the next K, and so on. The answer comes
 *					when all were delivered: "played INTENDED ACTUAL [INTENDED
 *ACTUAL...]", CLOCK_MONOTONIC in ns, a pair for each delivery. state				"state ready=1
 *size=512 free=511 masked=0 latched=0 fired=7": whether the receiver is on and has a link, its ring, and its
 *interrupt vector
 *
 * or by "error" and the reason. Frames go to the ring ahead of their instant, while its first descriptor is
 * not marked done; at the instant that is stored and the interrupt's cause raised, which takes no longer for
 * many frames than for one.
 */
#include "apps/simnic/igb.h"
#include "apps/simnic/train_frame.h"
#include "apps/simnic/wire.h"
#include "core/base/clock.h"
#include "core/base/reason.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_PARTS 256u
#define LEAD_NS	  (100 * NSEC_PER_USEC) /* from when the first frames are in the ring to their instant */
#define SPIN_NS	  (100 * NSEC_PER_USEC) /* by which a sleep may end late, and more */
#define PATIENCE  NSEC_PER_SEC		/* for descriptors */

struct delivery {
	uint32_t frames;
	uint64_t due, done;
};

struct train {
	struct sockaddr_un addr;
	int listener;
	bool connected;
	uint32_t sent[2]; /* frames so far, of each kind */
	/* what is being played: deliveries @at up to @parts */
	enum train_kind kind;
	unsigned int at, parts;
	uint64_t gap, due;
	bool staged;	  /* the next delivery's frames are in the ring */
	uint64_t give_up; /* when, if there is no room for them; 0: not waiting */
	struct delivery part[MAX_PARTS];
	char message[32 * 1024];
};

static int train_open(struct wire *w, const char *arg)
{
	struct train *t = calloc(1, sizeof(*t));

	if (!t)
		return unapi_fail(ENOMEM, "wire=train: no memory");
	t->listener = -1;
	w->priv = t;
	w->carrier = true;
	w->events = POLLIN;
	if (!*arg || strlen(arg) >= sizeof(t->addr.sun_path))
		return unapi_fail(EINVAL, "wire=train: a path of 1 to %zu characters",
				  sizeof(t->addr.sun_path) - 1);
	t->addr.sun_family = AF_UNIX;
	strcpy(t->addr.sun_path, arg);
	t->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	unlink(arg);
	if (t->listener < 0 || bind(t->listener, (struct sockaddr *)&t->addr, sizeof(t->addr)) ||
	    listen(t->listener, 1))
		return unapi_fail(errno, "wire=train:%s: %s", arg, strerror(errno));
	w->fd = t->listener;
	return 0;
}

static void train_close(struct wire *w)
{
	struct train *t = w->priv;

	if (t && t->listener >= 0) {
		if (t->listener != w->fd)
			close(t->listener);
		unlink(t->addr.sun_path);
	}
	free(t);
}

static void hang_up(struct wire *w)
{
	struct train *t = w->priv;

	close(w->fd);
	w->fd = t->listener;
	w->new_fd = true;
	t->connected = false;
}

static void answer(struct wire *w, const char *text)
{
	/* Who sends a command reads its answer, so there is room; or it has gone. */
	if (send(w->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		hang_up(w);
}

static void __attribute__((format(printf, 2, 3))) refuse(struct wire *w, const char *fmt, ...)
{
	char text[256] = "error ";
	struct train *t = w->priv;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + 6, sizeof(text) - 6, fmt, ap);
	va_end(ap);
	t->at = t->parts = 0;
	answer(w, text);
}

/* ---- playing */

static uint32_t frame(struct wire *w, uint8_t *f)
{
	struct train *t = w->priv;
	uint8_t mac[6];

	memcpy(mac, &w->nic->reg[E1000_RAL(0) / 4], 4);
	memcpy(mac + 4, &w->nic->reg[E1000_RAH(0) / 4], 2);
	return train_frame(f, t->kind, mac, t->sent[t->kind]);
}

/* Put the next delivery's frames into the ring, unseen. Returns how many; 0: there is no room yet, or the
 * train was refused. */
static unsigned int stage(struct wire *w)
{
	struct train *t = w->priv;
	uint32_t frames = t->part[t->at].frames, len, queue, i;
	uint8_t f[TRAIN_FRAME_MAX];
	uint64_t now = unapi_clock_ns();

	len = frame(w, f);
	queue = igb_rx_queue_of(w->nic, f, len);
	if (igb_rx_free(w->nic, queue) < frames) {
		if (!t->give_up)
			t->give_up = (now > t->due ? now : t->due) + PATIENCE;
		else if (now >= t->give_up)
			refuse(w, "no room for %u frames: receive queue %u has %u descriptors free", frames,
			       queue, igb_rx_free(w->nic, queue));
		return 0;
	}
	t->give_up = 0;
	igb_rx_hold(w->nic);
	for (i = 0; i < frames; i++) {
		len = frame(w, f);
		if (igb_rx(w->nic, f, len) != IGB_RX_TAKEN)
			break;
		t->sent[t->kind]++;
	}
	if (i < frames) {
		igb_rx_release(w->nic);
		refuse(w, "the device does not take frame %u of %u: it is not receiving", i + 1, frames);
		return 0;
	}
	t->staged = true;
	if (!t->due)
		t->due = unapi_clock_ns() + LEAD_NS;
	return frames;
}

static void tell_played(struct wire *w)
{
	struct train *t = w->priv;
	size_t n = (size_t)sprintf(t->message, "played");

	for (unsigned int i = 0; i < t->parts; i++)
		n += (size_t)sprintf(t->message + n, " %" PRIu64 " %" PRIu64, t->part[i].due,
				     t->part[i].done);
	t->at = t->parts = 0;
	answer(w, t->message);
}

static unsigned int advance(struct wire *w)
{
	struct train *t = w->priv;
	unsigned int frames = 0;
	bool seen;

	if (!t->staged)
		frames = stage(w);
	w->urgent = t->staged && unapi_clock_ns() + SPIN_NS >= t->due;
	if (!t->staged || unapi_clock_ns() < t->due)
		return frames;
	seen = igb_rx_release(w->nic);
	t->part[t->at].due = t->due;
	t->part[t->at].done = unapi_clock_ns();
	w->urgent = t->staged = false;
	t->due += t->gap;
	if (!seen)
		refuse(w, "the device was stopped before delivery %u of %u", t->at + 1, t->parts);
	else if (++t->at == t->parts)
		tell_played(w);
	return frames + 1;
}

/* ---- commands */

/* A number and the blanks before it; false if there is none. */
static bool number(const char **text, uint64_t max, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(*text, &end, 10);
	if (end == *text || errno || *out > max || strchr(*text, '-') || (*end && *end != ' '))
		return false;
	*text = end;
	return true;
}

static void play(struct wire *w, const char *text)
{
	struct train *t = w->priv;
	uint8_t f[TRAIN_FRAME_MAX];
	uint32_t len, queue, size;
	uint64_t k;

	if (!strncmp(text, "eth ", 4)) {
		t->kind = TRAIN_ETH;
	} else if (!strncmp(text, "tcp ", 4)) {
		t->kind = TRAIN_TCP;
	} else {
		refuse(w, "play: eth or tcp");
		return;
	}
	text += 4;
	if (!number(&text, INT64_MAX, &t->gap)) {
		refuse(w, "play: a gap in ns comes second");
		return;
	}
	if (!igb_rx_enabled(w->nic)) {
		refuse(w, "the receiver is off, or has no link");
		return;
	}
	len = frame(w, f);
	queue = igb_rx_queue_of(w->nic, f, len);
	size = w->nic->rx[queue].ring.count;
	if (!w->nic->rx[queue].ring.enabled || w->nic->rx[queue].ring.hung) {
		refuse(w, "receive queue %u is off", queue);
		return;
	}
	for (t->parts = 0; *text; t->parts++) {
		if (t->parts == MAX_PARTS || !number(&text, UINT32_MAX, &k) || !k) {
			refuse(w, "play: 1 to %u numbers of frames, each above 0", MAX_PARTS);
			return;
		}
		if (k >= size) {
			refuse(w,
			       "%" PRIu64
			       " frames do not fit receive queue %u: of %u descriptors it may own %u",
			       k, queue, size, size - 1);
			return;
		}
		t->part[t->parts].frames = (uint32_t)k;
	}
	if (!t->parts)
		refuse(w, "play: how many frames?");
	t->at = 0;
	t->due = t->give_up = 0;
	t->staged = false;
}

static void tell_state(struct wire *w)
{
	struct igb *d = w->nic;
	uint8_t f[TRAIN_FRAME_MAX];
	struct irq_queue_state q;
	uint32_t len, queue;
	char text[192];

	len = frame(w, f);
	queue = igb_rx_queue_of(d, f, len);
	q = irq_queue_state(&d->irq, queue);
	snprintf(text, sizeof(text), "state ready=%d size=%u free=%u masked=%d latched=%d fired=%" PRIu64,
		 igb_rx_enabled(d), d->rx[queue].ring.count, igb_rx_free(d, queue), q.masked, q.latched,
		 q.fired);
	answer(w, text);
}

static void take_command(struct wire *w)
{
	struct train *t = w->priv;
	ssize_t n = recv(w->fd, t->message, sizeof(t->message) - 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hang_up(w);
		return;
	}
	t->message[n] = '\0';
	if (!strncmp(t->message, "play ", 5))
		play(w, t->message + 5);
	else if (!strcmp(t->message, "state"))
		tell_state(w);
	else
		refuse(w, "%.64s: play or state", t->message);
}

static int train_send(struct wire *w, const uint8_t *f, uint32_t len)
{
	return 0; /* nobody listens */
}

static unsigned int train_poll(struct wire *w, unsigned int budget)
{
	struct train *t = w->priv;
	int fd;

	if (!t->connected) {
		fd = accept4(t->listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			return 0;
		w->fd = fd;
		w->new_fd = t->connected = true;
	}
	if (!t->parts)
		take_command(w);
	return t->parts ? advance(w) : 0;
}

static uint64_t train_next(const struct wire *w)
{
	const struct train *t = w->priv;

	if (!t->parts)
		return UINT64_MAX;
	if (!t->staged)
		return t->give_up; /* a tail that makes room wakes the loop */
	return t->due > SPIN_NS ? t->due - SPIN_NS : 0;
}

const struct wire_ops wire_train = {.name = "train",
				    .open = train_open,
				    .send = train_send,
				    .poll = train_poll,
				    .next = train_next,
				    .close = train_close};
