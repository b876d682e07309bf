/* SPDX-License-Identifier: BSD-3-Clause */
/* QEMU's "-netdev stream" framing: each frame behind its length in four bytes, big-endian. Over a Unix or a
 * TCP socket, which is connected to (and tried again until somebody is there) or listened on. Both directions
 * wait rather than lose.
 */
#include "apps/simnic/igb.h"
#include "apps/simnic/wire.h"
#include "core/base/clock.h"
#include "core/base/reason.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HEAD	 4u
#define IN_ROOM	 (256u * 1024)
#define OUT_ROOM (256u * 1024)
#define RETRY_NS (100 * NSEC_PER_MSEC)

struct stream {
	struct sockaddr_storage addr;
	socklen_t addr_len;
	bool listens;
	int listener; /* kept open, so that a peer may come back */
	uint64_t retry_at;
	uint8_t in[IN_ROOM], out[OUT_ROOM];
	uint32_t in_first, in_end, out_first, out_end;
};

static int parse_address(struct stream *s, const char *arg)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&s->addr;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *res;
	char host[128];
	const char *colon;

	if (!strncmp(arg, "listen:", 7)) {
		s->listens = true;
		arg += 7;
	} else if (!strncmp(arg, "connect:", 8)) {
		arg += 8;
	}
	colon = strrchr(arg, ':');
	if (*arg == '/' || *arg == '.' || !colon) {
		if (!*arg || strlen(arg) >= sizeof(un->sun_path))
			return unapi_fail(EINVAL, "wire=socket: a path of 1 to %zu characters",
					  sizeof(un->sun_path) - 1);
		un->sun_family = AF_UNIX;
		strcpy(un->sun_path, arg);
		s->addr_len = sizeof(*un);
		return 0;
	}
	snprintf(host, sizeof(host), "%.*s", (int)(colon - arg), arg);
	if (getaddrinfo(host, colon + 1, &hints, &res))
		return unapi_fail(EINVAL, "wire=socket:%s: no such address", arg);
	memcpy(&s->addr, res->ai_addr, res->ai_addrlen);
	s->addr_len = res->ai_addrlen;
	freeaddrinfo(res);
	return 0;
}

static int start_listening(struct wire *w)
{
	struct stream *s = w->priv;
	int one = 1;

	s->listener = socket(s->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->listener < 0)
		return unapi_fail(errno, "wire=socket: %s", strerror(errno));
	if (s->addr.ss_family == AF_UNIX)
		unlink(((struct sockaddr_un *)&s->addr)->sun_path);
	else
		setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s->listener, (struct sockaddr *)&s->addr, s->addr_len) || listen(s->listener, 1))
		return unapi_fail(errno, "wire=socket: cannot listen: %s", strerror(errno));
	w->fd = s->listener;
	return 0;
}

static void connected(struct wire *w, int fd)
{
	struct stream *s = w->priv;
	int one = 1;

	if (s->addr.ss_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	w->fd = fd;
	w->new_fd = true;
	w->events = POLLIN;
	w->carrier = true;
	s->in_first = s->in_end = s->out_first = s->out_end = 0;
}

static void try_connect(struct wire *w)
{
	struct stream *s = w->priv;
	int fd;

	if (unapi_clock_ns() < s->retry_at)
		return;
	s->retry_at = unapi_clock_ns() + RETRY_NS;
	/* Blocking: local addresses answer at once, and there is nothing to simulate without a cable. */
	fd = socket(s->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, (struct sockaddr *)&s->addr, s->addr_len))
		close(fd);
	else
		connected(w, fd);
}

static int socket_open(struct wire *w, const char *arg)
{
	struct stream *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return unapi_fail(ENOMEM, "wire=socket: no memory");
	s->listener = -1;
	w->priv = s;
	w->events = POLLIN;
	rc = parse_address(s, arg);
	if (rc)
		return rc;
	if (s->listens)
		return start_listening(w);
	try_connect(w);
	return 0;
}

static void hang_up(struct wire *w)
{
	struct stream *s = w->priv;

	close(w->fd);
	w->fd = s->listener;
	w->new_fd = true;
	w->events = POLLIN;
	w->carrier = false;
}

static void push(struct wire *w)
{
	struct stream *s = w->priv;

	while (s->out_first < s->out_end) {
		ssize_t n = send(w->fd, s->out + s->out_first, s->out_end - s->out_first,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n <= 0)
			break; /* a broken connection shows in poll() */
		s->out_first += (uint32_t)n;
	}
	if (s->out_first == s->out_end) {
		s->out_first = s->out_end = 0;
		w->events &= (short)~POLLOUT;
	} else {
		w->events |= POLLOUT;
	}
}

static int socket_send(struct wire *w, const uint8_t *frame, uint32_t len)
{
	struct stream *s = w->priv;

	if (!w->carrier)
		return 0;
	if (s->out_end + HEAD + len > OUT_ROOM)
		push(w);
	if (s->out_end + HEAD + len > OUT_ROOM) {
		memmove(s->out, s->out + s->out_first, s->out_end - s->out_first);
		s->out_end -= s->out_first;
		s->out_first = 0;
	}
	if (s->out_end + HEAD + len > OUT_ROOM)
		return -EAGAIN;
	put_be32(s->out + s->out_end, len);
	memcpy(s->out + s->out_end + HEAD, frame, len);
	s->out_end += HEAD + len;
	return 0;
}

/* More bytes from the peer; false when there are none now. */
static bool pull(struct wire *w)
{
	struct stream *s = w->priv;
	ssize_t n;

	memmove(s->in, s->in + s->in_first, s->in_end - s->in_first);
	s->in_end -= s->in_first;
	s->in_first = 0;
	n = recv(w->fd, s->in + s->in_end, IN_ROOM - s->in_end, MSG_DONTWAIT);
	if (n > 0) {
		s->in_end += (uint32_t)n;
		return true;
	}
	if (!n || (errno != EAGAIN && errno != EINTR))
		hang_up(w);
	return false;
}

/* One whole frame to the NIC. 1 done, 0 not enough bytes yet, -1 the NIC is busy or the peer talks nonsense.
 */
static int one_frame(struct wire *w)
{
	struct stream *s = w->priv;
	uint8_t *at = s->in + s->in_first, shortest[ETH_MIN_FRAME] = {0};
	uint32_t left = s->in_end - s->in_first, len;

	if (left < HEAD)
		return 0;
	len = (uint32_t)get_be16(at) << 16 | get_be16(at + 2);
	if (len > FRAME_MAX || !len) {
		fprintf(stderr, "simnic: wire=socket: the peer sent a frame of %u bytes; hanging up\n", len);
		hang_up(w);
		return -1;
	}
	if (left < HEAD + len)
		return 0;
	if (len < ETH_MIN_FRAME) { /* QEMU does not pad */
		memcpy(shortest, at + HEAD, len);
		if (igb_rx(w->nic, shortest, ETH_MIN_FRAME) == IGB_RX_BUSY)
			return -1;
	} else if (igb_rx(w->nic, at + HEAD, len) == IGB_RX_BUSY) {
		return -1;
	}
	s->in_first += HEAD + len;
	return 1;
}

static unsigned int socket_poll(struct wire *w, unsigned int budget)
{
	struct stream *s = w->priv;
	unsigned int done = 0;
	int rc = 0;

	if (!w->carrier) {
		int fd = s->listens ? accept4(s->listener, NULL, NULL, SOCK_CLOEXEC) : -1;

		if (fd >= 0)
			connected(w, fd);
		else if (!s->listens)
			try_connect(w);
		return 0;
	}
	push(w);
	while (done < budget && w->carrier) {
		rc = one_frame(w);
		if (rc < 0 || (!rc && !pull(w)))
			break;
		done += rc > 0;
	}
	if (w->carrier) /* held up by the NIC: its next tail write calls us, not the socket */
		w->events = (short)((w->events & ~POLLIN) | (rc < 0 ? 0 : POLLIN));
	return done;
}

static uint64_t socket_next(const struct wire *w)
{
	const struct stream *s = w->priv;

	return w->carrier || s->listens ? UINT64_MAX : s->retry_at;
}

static void socket_close(struct wire *w)
{
	struct stream *s = w->priv;

	if (s && s->listener >= 0) {
		if (s->listener != w->fd)
			close(s->listener);
		if (s->addr.ss_family == AF_UNIX)
			unlink(((struct sockaddr_un *)&s->addr)->sun_path);
	}
	free(s);
}

const struct wire_ops wire_socket = {.name = "socket",
				     .open = socket_open,
				     .send = socket_send,
				     .poll = socket_poll,
				     .flush = push,
				     .next = socket_next,
				     .close = socket_close};
