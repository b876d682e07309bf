/* SPDX-License-Identifier: BSD-3-Clause */
/* The connection: bytes to messages, descriptors to the message they came with, replies. */
#include "apps/simnic/server.h"
#include "apps/simnic/commands.h"
#include "core/base/reason.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define REPLY_WAIT_MS 1000 /* a client that does not read its replies for so long is dropped */

int server_init(struct server *s, struct igb *dev, int shared_fd)
{
	*s = (struct server){.dev = dev, .shared_fd = shared_fd, .sock = -1};
	s->in = malloc(VFU_MAX_MSG);
	return s->in ? 0 : unapi_fail(ENOMEM, "no memory for messages");
}

static void close_fds(struct server *s)
{
	for (unsigned int i = 0; i < s->nr_fds; i++)
		close(s->fds[i]);
	s->nr_fds = 0;
}

void server_drop(struct server *s)
{
	if (s->sock < 0)
		return;
	close(s->sock);
	s->sock = -1;
	close_fds(s);
	igb_disconnect(s->dev);
}

void server_fini(struct server *s)
{
	server_drop(s);
	free(s->in);
}

void server_attach(struct server *s, int sock)
{
	fcntl(sock, F_SETFL, fcntl(sock, F_GETFL) | O_NONBLOCK);
	s->sock = sock;
	s->greeted = false;
	s->in_len = 0;
	s->dev->connected = true;
}

/* ---- replies */

/* Header and payload, with a descriptor if @fd is one, in one piece: some clients read a header in one go
 * only. */
static int send_reply(struct server *s, struct vfu_header h, const void *payload, uint32_t len, int fd)
{
	uint8_t control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
	struct iovec iov[2] = {{&h, sizeof(h)}, {(void *)(uintptr_t)payload, len}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = len ? 2 : 1};
	struct pollfd p = {.fd = s->sock, .events = POLLOUT};
	size_t left = h.size;

	if (fd >= 0) {
		struct cmsghdr *c;

		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	while (left) {
		ssize_t n = sendmsg(s->sock, &m, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n < 0) {
			if (errno == EAGAIN && poll(&p, 1, REPLY_WAIT_MS) <= 0)
				return -ETIMEDOUT;
			continue;
		}
		left -= (size_t)n;
		m.msg_control = NULL;
		m.msg_controllen = 0;
		for (unsigned int i = 0; i < 2; i++) { /* skip what has gone */
			size_t skip = (size_t)n < iov[i].iov_len ? (size_t)n : iov[i].iov_len;

			iov[i].iov_base = (uint8_t *)iov[i].iov_base + skip;
			iov[i].iov_len -= skip;
			n -= (ssize_t)skip;
		}
	}
	return 0;
}

static int reply(struct server *s, const struct vfu_header *to, const struct command_reply *r)
{
	struct vfu_header h = {to->id, to->command, (uint32_t)sizeof(h) + r->len, VFU_TYPE_REPLY, 0};

	return send_reply(s, h, r->data, r->len, r->fd);
}

static int reply_error(struct server *s, const struct vfu_header *to, int error)
{
	struct vfu_header h = {to->id, to->command, sizeof(h), VFU_TYPE_REPLY | VFU_ERROR, (uint32_t)error};

	return send_reply(s, h, NULL, 0, -1);
}

/* ---- messages */

/* One whole message. -errno: the connection cannot go on. */
static int handle(struct server *s, const struct vfu_header *h, const uint8_t *payload)
{
	struct command_reply r = {.fd = -1};
	uint32_t len = h->size - (uint32_t)sizeof(*h);
	int rc;

	if ((h->flags & VFU_TYPE_MASK) != VFU_TYPE_COMMAND)
		return unapi_fail(EPROTO, "a reply to nothing");
	if (!s->greeted && h->command != VFU_VERSION)
		return unapi_fail(EPROTO, "command %u before VERSION", h->command);
	/* What was stored in shared pages before this message was sent comes first, as it does on PCI. */
	if (s->dev->seen)
		igb_scan(s->dev);
	s->messages++;
	rc = command_run(s, h->command, payload, len, &r);
	/* Descriptors that no command took. */
	close_fds(s);
	if (h->flags & VFU_NO_REPLY)
		return 0;
	if (rc < 0) {
		rc = reply_error(s, h, -rc);
		/* Without a version agreed on there is nothing to go on with. */
		return rc ? rc : s->greeted ? 0 : -EPROTO;
	}
	return reply(s, h, &r);
}

/* Where the message that begins last in the buffer begins; UINT32_MAX if the buffer ends with a whole
 * message. */
static uint32_t incomplete_at(const struct server *s)
{
	uint32_t at = 0;

	while (s->in_len - at >= sizeof(struct vfu_header)) {
		struct vfu_header h;

		memcpy(&h, s->in + at, sizeof(h));
		if (h.size < sizeof(h) || h.size > s->in_len - at)
			return at;
		at += h.size;
	}
	return at < s->in_len ? at : UINT32_MAX;
}

/* How much to read: everything, but only the rest of a message that has begun, so that descriptors never
 * belong to two. */
static uint32_t read_room(const struct server *s)
{
	struct vfu_header h;

	if (!s->in_len)
		return VFU_MAX_MSG;
	if (s->in_len < sizeof(h))
		return (uint32_t)sizeof(h) - s->in_len;
	memcpy(&h, s->in, sizeof(h));
	return h.size - s->in_len;
}

static int take_fds(struct server *s, struct msghdr *m, bool mid_message)
{
	int rc = m->msg_flags & MSG_CTRUNC ? -EPROTO : 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		unsigned int n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		for (unsigned int i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (mid_message || s->nr_fds == VFU_MAX_FDS) {
				close(fd);
				rc = -EPROTO;
			} else {
				s->fds[s->nr_fds++] = fd;
			}
		}
	}
	return rc ? unapi_fail(EPROTO, "descriptors where none belong") : 0;
}

static int receive(struct server *s)
{
	uint8_t control[CMSG_SPACE(VFU_MAX_FDS * sizeof(int))] __attribute__((aligned(8)));
	struct iovec iov = {s->in + s->in_len, read_room(s)};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	bool mid_message = s->in_len;
	ssize_t n = recvmsg(s->sock, &m, MSG_CMSG_CLOEXEC);
	int rc;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	rc = take_fds(s, &m, mid_message);
	if (rc)
		return rc;
	if (!n)
		return -ECONNRESET;
	s->in_len += (uint32_t)n;
	return 1;
}

/* Handle every whole message in the buffer; what has only begun moves to its front. */
static int handle_all(struct server *s)
{
	uint32_t at = 0, partial = incomplete_at(s);
	int fds[VFU_MAX_FDS], handled = 0, rc;
	unsigned int nr_fds = s->nr_fds;

	/* The descriptors came with the last message that began: keep them away from those before it. */
	memcpy(fds, s->fds, sizeof(fds));
	while (s->in_len - at >= sizeof(struct vfu_header)) {
		struct vfu_header h;
		bool last;

		memcpy(&h, s->in + at, sizeof(h));
		if (h.size < sizeof(h) || h.size > VFU_MAX_MSG)
			return unapi_fail(EPROTO, "a message of %u bytes", h.size);
		if (h.size > s->in_len - at)
			break;
		last = partial == UINT32_MAX && at + h.size == s->in_len;
		s->nr_fds = last ? nr_fds : 0;
		if (last)
			nr_fds = 0;
		rc = handle(s, &h, s->in + at + sizeof(h));
		if (rc) {
			if (!last) {
				memcpy(s->fds, fds, sizeof(fds));
				s->nr_fds = nr_fds;
			}
			return rc;
		}
		at += h.size;
		handled++;
	}
	memmove(s->in, s->in + at, s->in_len - at);
	s->in_len -= at;
	s->nr_fds = nr_fds;
	memcpy(s->fds, fds, sizeof(fds));
	return handled;
}

int server_input(struct server *s)
{
	int rc = receive(s);

	if (rc > 0)
		rc = handle_all(s);
	if (rc < 0) {
		if (rc != -ECONNRESET)
			fprintf(stderr, "simnic: connection dropped: %s\n",
				rc == -EPROTO ? unapi_reason() : strerror(-rc));
		server_drop(s);
	}
	return rc;
}
