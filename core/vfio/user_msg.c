/* SPDX-License-Identifier: BSD-3-Clause */
/* vfio-user on the wire: framing, descriptors, time limits, and what to do with a server that lies or dies.
 */
#include "core/base/clock.h"
#include "core/base/reason.h"
#include "core/vfio/device.h"
#include "core/vfio/user.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

unsigned int vfio_user_timeout_ms = 5000;

/* The server is of no more use. Its watcher fires because of the shutdown, and whoever listens there hears of
 * it even if nobody else does. Under the lock. */
static void declare_dead(struct user_device *u)
{
	if (u->dead)
		return;
	u->dead = true;
	vfio_set_gone(&u->v);
	shutdown(u->fd, SHUT_RDWR);
}

/*
 * How a wait for the server ends: the reason of an end that is neither death nor silence. Nothing that comes
 * from the server is repeated in a reason as text.
 */
struct exchange {
	struct user_device *u;
	uint64_t deadline;
	const char *flaw;
};

static int flawed(struct exchange *x, const char *flaw)
{
	x->flaw = flaw;
	return -EPROTO;
}

static int send_all(struct user_device *u, struct msghdr *msg)
{
	while (msg->msg_iovlen) {
		ssize_t n = sendmsg(u->fd, msg, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		msg->msg_control = NULL; /* descriptors go with the first byte */
		msg->msg_controllen = 0;
		while (msg->msg_iovlen && (size_t)n >= msg->msg_iov->iov_len) {
			n -= (ssize_t)msg->msg_iov->iov_len;
			msg->msg_iov++;
			msg->msg_iovlen--;
		}
		if (msg->msg_iovlen) {
			msg->msg_iov->iov_base = (char *)msg->msg_iov->iov_base + n;
			msg->msg_iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

static int send_request(struct user_device *u, const struct user_request *req, uint16_t id)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(VFIO_USER_MAX_FDS * sizeof(int))];
	} control = {0};
	struct vfio_user_hdr hdr = {.id = id, .command = req->command, .size = sizeof(hdr)};
	struct iovec iov[4] = {{&hdr, sizeof(hdr)}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 1 + req->nr_iov};

	hdr.flags = VFIO_USER_COMMAND | (req->no_reply ? VFIO_USER_NO_REPLY : 0);
	for (unsigned int i = 0; i < req->nr_iov; i++) {
		iov[i + 1] = req->iov[i];
		hdr.size += (uint32_t)req->iov[i].iov_len;
	}
	if (req->nr_fds) {
		struct cmsghdr *c = &control.align;

		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(req->nr_fds * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(req->nr_fds * sizeof(int));
		memcpy(CMSG_DATA(c), req->fds, req->nr_fds * sizeof(int));
	}
	return send_all(u, &msg);
}

static void take_fds(struct msghdr *msg, struct user_reply *reply)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (reply && reply->nr_fds < reply->max_fds)
				reply->fds[reply->nr_fds++] = fd;
			else
				close(fd);
		}
	}
}

/* Exactly @len bytes before @deadline; descriptors that come along go to @reply. -ENODEV: end of file. */
static int recv_exact(struct exchange *x, void *buf, size_t len, struct user_reply *reply)
{
	while (len) {
		union {
			struct cmsghdr align;
			char buf[CMSG_SPACE(VFIO_USER_MAX_FDS * sizeof(int))];
		} control;
		struct iovec iov = {buf, len};
		struct msghdr msg = {.msg_iov = &iov,
				     .msg_iovlen = 1,
				     .msg_control = control.buf,
				     .msg_controllen = sizeof(control.buf)};
		ssize_t n = recvmsg(x->u->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

		if (n > 0) {
			take_fds(&msg, reply);
			buf = (char *)buf + n;
			len -= (size_t)n;
			continue;
		}
		if (n == 0)
			return -ENODEV;
		if (errno == EAGAIN) {
			struct pollfd p = {.fd = x->u->fd, .events = POLLIN};
			uint64_t now = unapi_clock_ns();

			if (now >= x->deadline)
				return -ETIMEDOUT;
			poll(&p, 1, (int)((x->deadline - now) / NSEC_PER_MSEC) + 1);
		} else if (errno != EINTR) {
			return errno == ECONNRESET ? -ENODEV : -errno;
		}
	}
	return 0;
}

static int skip(struct exchange *x, size_t len)
{
	char junk[1024];
	int rc = 0;

	while (len && !rc) {
		size_t n = len < sizeof(junk) ? len : sizeof(junk);

		rc = recv_exact(x, junk, n, NULL);
		len -= n;
	}
	return rc;
}

/* We map all memory by descriptor, so a server has nothing to ask of us: read the command and refuse it. */
static int refuse_command(struct exchange *x, const struct vfio_user_hdr *cmd)
{
	struct vfio_user_hdr hdr = {.id = cmd->id,
				    .command = cmd->command,
				    .size = sizeof(hdr),
				    .flags = VFIO_USER_REPLY | VFIO_USER_ERROR,
				    .error = ENOTSUP};
	struct iovec iov = {&hdr, sizeof(hdr)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int rc = skip(x, cmd->size - sizeof(*cmd));

	if (rc || (cmd->flags & VFIO_USER_NO_REPLY))
		return rc;
	return send_all(x->u, &msg);
}

/* A header whose size can be believed. */
static int recv_header(struct exchange *x, struct vfio_user_hdr *hdr, struct user_reply *reply)
{
	int rc = recv_exact(x, hdr, sizeof(*hdr), reply);

	if (rc)
		return rc;
	if (hdr->size < sizeof(*hdr) || hdr->size > VFIO_USER_MAX_MSG)
		return flawed(x, "a message of impossible size");
	return 0;
}

static int recv_reply(struct exchange *x, const struct user_request *req, uint16_t id,
		      struct user_reply *reply, int *server_error)
{
	struct vfio_user_hdr hdr;
	int rc;

	for (;;) {
		rc = recv_header(x, &hdr, reply);
		if (rc)
			return rc;
		if ((hdr.flags & VFIO_USER_TYPE_MASK) != VFIO_USER_COMMAND)
			break;
		rc = refuse_command(x, &hdr);
		if (rc)
			return rc;
	}
	if ((hdr.flags & VFIO_USER_TYPE_MASK) != VFIO_USER_REPLY)
		return flawed(x, "a message that is neither command nor reply");
	if (hdr.id != id || hdr.command != req->command)
		return flawed(x, "a reply to something else");
	if (hdr.flags & VFIO_USER_ERROR) {
		*server_error = hdr.error && hdr.error < 4096 ? -(int)hdr.error : -EPROTO;
		return skip(x, hdr.size - sizeof(hdr));
	}
	reply->len = hdr.size - sizeof(hdr);
	if (reply->len > reply->max)
		return flawed(x, "a longer reply than asked for");
	return recv_exact(x, reply->buf, reply->len, reply);
}

static int why_dead(struct user_device *u, const char *what, int rc, const char *flaw)
{
	switch (rc) {
	case -EPROTO:
		return unapi_fail(EPROTO, "%s: the vfio-user server breaks the protocol: %s, at %s",
				  u->v.name, flaw, what);
	case -ETIMEDOUT:
	case -EAGAIN:
		return unapi_fail(ETIMEDOUT,
				  "%s: the vfio-user server did not answer %s within %u ms (is it serving "
				  "another client?)",
				  u->v.name, what, vfio_user_timeout_ms);
	default:
		return unapi_fail(ENODEV, "%s: the vfio-user server is gone (at %s: %s)", u->v.name, what,
				  rc == -ENODEV ? "it closed the connection" : strerror(-rc));
	}
}

static void close_fds(struct user_reply *reply)
{
	while (reply->nr_fds)
		close(reply->fds[--reply->nr_fds]);
}

int user_call(struct user_device *u, const char *what, const struct user_request *req,
	      struct user_reply *reply)
{
	struct exchange x = {.u = u};
	struct user_reply none = {0};
	int rc, server_error = 0;
	uint16_t id;

	if (!reply)
		reply = &none;
	reply->len = 0;
	reply->nr_fds = 0;
	pthread_mutex_lock(&u->lock);
	if (u->dead) {
		pthread_mutex_unlock(&u->lock);
		return unapi_fail(ENODEV, "%s: the vfio-user server is gone", u->v.name);
	}
	id = u->next_id++;
	rc = send_request(u, req, id);
	if (!rc && !req->no_reply) {
		x.deadline = unapi_clock_ns() + vfio_user_timeout_ms * NSEC_PER_MSEC;
		rc = recv_reply(&x, req, id, reply, &server_error);
	}
	if (rc)
		declare_dead(u);
	pthread_mutex_unlock(&u->lock);

	if (rc) {
		close_fds(reply);
		rc = why_dead(u, what, rc, x.flaw);
		vfio_mark_gone(&u->v);
		return rc;
	}
	if (server_error) {
		close_fds(reply);
		return unapi_fail(-server_error, "%s: the vfio-user server refused %s: %s", u->v.name, what,
				  strerror(-server_error));
	}
	return 0;
}

int user_simple(struct user_device *u, const char *what, uint16_t command, const void *out, size_t out_len,
		void *in, size_t in_len)
{
	struct iovec iov = {(void *)(uintptr_t)out, out_len};
	struct user_request req = {.command = command, .iov = &iov, .nr_iov = out_len ? 1 : 0};
	/* An echo of the request is a fair answer where nothing was asked for. */
	char echo[64];
	struct user_reply reply = {.buf = in_len ? in : echo, .max = in_len ? in_len : sizeof(echo)};
	int rc = user_call(u, what, &req, &reply);

	if (rc)
		return rc;
	if (reply.len < in_len)
		return unapi_fail(EPROTO, "%s: the vfio-user server's answer to %s is %zu bytes, not %zu",
				  u->v.name, what, reply.len, in_len);
	return 0;
}

void user_hung_up(struct user_device *u)
{
	pthread_mutex_lock(&u->lock);
	declare_dead(u);
	pthread_mutex_unlock(&u->lock);
	vfio_mark_gone(&u->v);
}
