/* SPDX-License-Identifier: BSD-3-Clause */
/* Two ports back to back: an abstract Unix socket that the first one binds and the second one connects to.
 * Whoever loses its peer has no link until another comes. Frames go in batches, and wait at the sender when
 * the receiver has no room.
 */
#include "apps/simnic/igb.h"
#include "apps/simnic/wire.h"
#include "core/base/reason.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BATCH	    64
#define SOCKET_ROOM (1 << 20)

struct batch {
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	uint8_t (*buf)[FRAME_MAX];
	unsigned int first, count; /* those still to be handled */
};

struct pair {
	char name[64];
	bool listening;
	struct batch out, in;
};

static int batch_init(struct batch *b)
{
	b->buf = malloc(sizeof(*b->buf) * BATCH);
	if (!b->buf)
		return unapi_fail(ENOMEM, "wire=pair: no memory");
	for (unsigned int i = 0; i < BATCH; i++) {
		b->iov[i] = (struct iovec){b->buf[i], FRAME_MAX};
		b->msg[i].msg_hdr = (struct msghdr){.msg_iov = &b->iov[i], .msg_iovlen = 1};
	}
	return 0;
}

/* Connect if somebody listens, else be the one who does. */
static int join(struct wire *w)
{
	struct pair *p = w->priv;
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int room = SOCKET_ROOM, fd, n;
	socklen_t len;

	n = snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "unapi-simnic-pair-%s", p->name);
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return unapi_fail(errno, "wire=pair: socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	w->fd = fd;
	w->new_fd = true;
	w->events = POLLIN;
	p->listening = false;
	w->carrier = true;
	if (!connect(fd, (struct sockaddr *)&a, len))
		return 0;
	w->carrier = false;
	p->listening = true;
	if (!bind(fd, (struct sockaddr *)&a, len) && !listen(fd, 1))
		return 0;
	close(fd);
	w->fd = -1;
	return unapi_fail(errno, "wire=pair:%s: %s (two ports have this name already?)", p->name,
			  strerror(errno));
}

static int pair_open(struct wire *w, const char *arg)
{
	struct pair *p = calloc(1, sizeof(*p));

	if (!p)
		return unapi_fail(ENOMEM, "wire=pair: no memory");
	w->priv = p;
	if (!*arg || strlen(arg) >= sizeof(p->name))
		return unapi_fail(EINVAL, "wire=pair:NAME: a name of 1 to %zu characters",
				  sizeof(p->name) - 1);
	strcpy(p->name, arg);
	if (batch_init(&p->out) || batch_init(&p->in))
		return -ENOMEM;
	return join(w);
}

static void pair_close(struct wire *w)
{
	struct pair *p = w->priv;

	if (p) {
		free(p->out.buf);
		free(p->in.buf);
	}
	free(p);
}

static void lost_peer(struct wire *w)
{
	struct pair *p = w->priv;

	close(w->fd);
	w->fd = -1;
	w->carrier = false;
	p->out.count = p->in.count = 0;
	if (join(w))
		fprintf(stderr, "simnic: %s\n", unapi_reason());
}

static void accept_peer(struct wire *w)
{
	struct pair *p = w->priv;
	int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), room = SOCKET_ROOM;

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	close(w->fd); /* nobody else is expected: a third port of this name makes a pair with a fourth */
	w->fd = fd;
	w->new_fd = true;
	p->listening = false;
	w->carrier = true;
}

static void push(struct wire *w)
{
	struct batch *b = &((struct pair *)w->priv)->out;

	while (b->count) {
		int n = sendmmsg(w->fd, b->msg + b->first, b->count, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			break; /* no room, or a peer that is gone: poll() will find out which */
		b->first += (unsigned int)n;
		b->count -= (unsigned int)n;
	}
	if (!b->count) {
		b->first = 0;
		w->events &= (short)~POLLOUT;
	} else {
		w->events |= POLLOUT;
	}
}

static int pair_send(struct wire *w, const uint8_t *frame, uint32_t len)
{
	struct pair *p = w->priv;
	struct batch *b = &p->out;

	if (!w->carrier)
		return 0;
	if (b->first + b->count == BATCH)
		push(w);
	if (b->first + b->count == BATCH)
		return -EAGAIN;
	memcpy(b->buf[b->first + b->count], frame, len);
	b->iov[b->first + b->count].iov_len = len;
	b->count++;
	return 0;
}

static bool pull(struct wire *w)
{
	struct batch *b = &((struct pair *)w->priv)->in;
	int n;

	for (unsigned int i = 0; i < BATCH; i++)
		b->iov[i].iov_len = FRAME_MAX;
	n = recvmmsg(w->fd, b->msg, BATCH, MSG_DONTWAIT, NULL);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0 || !b->msg[0].msg_len) {
		lost_peer(w);
		return false;
	}
	b->first = 0;
	b->count = (unsigned int)n;
	return true;
}

static unsigned int pair_poll(struct wire *w, unsigned int budget)
{
	struct pair *p = w->priv;
	struct batch *b = &p->in;
	unsigned int done = 0;

	if (p->listening) {
		accept_peer(w);
		return 0;
	}
	if (w->fd < 0)
		return 0;
	push(w);
	while (done < budget) {
		if (!b->count && !pull(w))
			break;
		/* A message of length 0 is how the end of the connection looks in the middle of a batch. */
		if (b->msg[b->first].msg_len &&
		    igb_rx(w->nic, b->buf[b->first], b->msg[b->first].msg_len) == IGB_RX_BUSY)
			break;
		b->first++;
		b->count--;
		done++;
	}
	/* Held up by the NIC: its next tail write calls us, not the socket. */
	w->events = (short)((w->events & ~POLLIN) | (b->count ? 0 : POLLIN));
	return done;
}

const struct wire_ops wire_pair = {.name = "pair",
				   .open = pair_open,
				   .send = pair_send,
				   .poll = pair_poll,
				   .flush = push,
				   .close = pair_close};
