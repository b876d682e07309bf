/* SPDX-License-Identifier: BSD-3-Clause */
/* vfio-user on the wire: framing, descriptors, time limits, and what to do with a server that lies or dies.
 */
#include "core/base/clock.h"
#include "core/base/reason.h"
#include "core/vfio/user.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * The server is of no more use. Another descriptor that never becomes readable takes the socket's place: that
 * drops the socket from every epoll it is in, so that its end of file does not spin somebody's event loop.
 * Under the lock.
 */
static void declare_dead(struct user_device *u)
{
	int quiet;

	if (u->dead)
		return;
	u->dead = true;
	__atomic_store_n(&u->v.gone, true, __ATOMIC_RELEASE);
	shutdown(u->fd, SHUT_RDWR);
	quiet = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (quiet >= 0) {
		dup2(quiet, u->fd);
		close(quiet);
	}
}

/* Whoever declared it dead under the lock tells the owner of the device outside of it, once. */
static void tell_death(struct user_device *u)
{
	bool tell;

	pthread_mutex_lock(&u->lock);
	tell = u->dead && !u->dead_told;
	u->dead_told |= tell;
	pthread_mutex_unlock(&u->lock);
	if (tell && u->v.event_fn)
		u->v.event_fn(u->v.event_arg, &u->v, VFIO_EVENT_GONE);
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
static int recv_exact(struct user_device *u, void *buf, size_t len, struct user_reply *reply,
		      uint64_t deadline)
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
		ssize_t n = recvmsg(u->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

		if (n > 0) {
			take_fds(&msg, reply);
			buf = (char *)buf + n;
			len -= (size_t)n;
			continue;
		}
		if (n == 0)
			return -ENODEV;
		if (errno == EAGAIN) {
			struct pollfd p = {.fd = u->fd, .events = POLLIN};
			uint64_t now = unapi_clock_ns();

			if (now >= deadline)
				return -ETIMEDOUT;
			poll(&p, 1, (int)((deadline - now) / NSEC_PER_MSEC) + 1);
		} else if (errno != EINTR) {
			return errno == ECONNRESET ? -ENODEV : -errno;
		}
	}
	return 0;
}

static int skip(struct user_device *u, size_t len, uint64_t deadline)
{
	char junk[1024];
	int rc = 0;

	while (len && !rc) {
		size_t n = len < sizeof(junk) ? len : sizeof(junk);

		rc = recv_exact(u, junk, n, NULL, deadline);
		len -= n;
	}
	return rc;
}

/* We map all memory by descriptor, so a server has nothing to ask of us: read the command and refuse it. */
static int refuse_command(struct user_device *u, const struct vfio_user_hdr *cmd, uint64_t deadline)
{
	struct vfio_user_hdr hdr = {.id = cmd->id,
				    .command = cmd->command,
				    .size = sizeof(hdr),
				    .flags = VFIO_USER_REPLY | VFIO_USER_ERROR,
				    .error = ENOTSUP};
	struct iovec iov = {&hdr, sizeof(hdr)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int rc = skip(u, cmd->size - sizeof(*cmd), deadline);

	if (rc || (cmd->flags & VFIO_USER_NO_REPLY))
		return rc;
	return send_all(u, &msg);
}

/* A header whose size can be believed. */
static int recv_header(struct user_device *u, struct vfio_user_hdr *hdr, struct user_reply *reply,
		       uint64_t deadline)
{
	int rc = recv_exact(u, hdr, sizeof(*hdr), reply, deadline);

	if (rc)
		return rc;
	if (hdr->size < sizeof(*hdr) || hdr->size > VFIO_USER_MAX_MSG)
		return -EPROTO;
	return 0;
}

static int recv_reply(struct user_device *u, const struct user_request *req, uint16_t id,
		      struct user_reply *reply, int *server_error)
{
	uint64_t deadline = unapi_clock_ns() + VFIO_USER_TIMEOUT_MS * NSEC_PER_MSEC;
	struct vfio_user_hdr hdr;
	int rc;

	for (;;) {
		rc = recv_header(u, &hdr, reply, deadline);
		if (rc)
			return rc;
		if ((hdr.flags & VFIO_USER_TYPE_MASK) != VFIO_USER_COMMAND)
			break;
		rc = refuse_command(u, &hdr, deadline);
		if (rc)
			return rc;
	}
	if ((hdr.flags & VFIO_USER_TYPE_MASK) != VFIO_USER_REPLY || hdr.id != id ||
	    hdr.command != req->command)
		return -EPROTO;
	if (hdr.flags & VFIO_USER_ERROR) {
		*server_error = hdr.error && hdr.error < 4096 ? -(int)hdr.error : -EPROTO;
		return skip(u, hdr.size - sizeof(hdr), deadline);
	}
	reply->len = hdr.size - sizeof(hdr);
	if (reply->len > reply->max)
		return -EPROTO;
	return recv_exact(u, reply->buf, reply->len, reply, deadline);
}

static int why_dead(struct user_device *u, const char *what, int rc)
{
	switch (rc) {
	case -EPROTO:
		return unapi_fail(EPROTO, "%s: the vfio-user server's answer to %s breaks the protocol",
				  u->v.name, what);
	case -ETIMEDOUT:
	case -EAGAIN:
		return unapi_fail(ETIMEDOUT, "%s: the vfio-user server did not answer %s within %d s",
				  u->v.name, what, VFIO_USER_TIMEOUT_MS / 1000);
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
	if (!rc && !req->no_reply)
		rc = recv_reply(u, req, id, reply, &server_error);
	if (rc)
		declare_dead(u);
	pthread_mutex_unlock(&u->lock);

	if (rc) {
		close_fds(reply);
		rc = why_dead(u, what, rc);
		tell_death(u);
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

void user_socket_ready(struct user_device *u)
{
	uint64_t deadline = unapi_clock_ns() + VFIO_USER_TIMEOUT_MS * NSEC_PER_MSEC;
	struct vfio_user_hdr hdr;
	char byte;
	ssize_t n;
	int rc;

	/* With the lock held no request is under way: what can be read now is nobody's reply. */
	pthread_mutex_lock(&u->lock);
	while (!u->dead) {
		n = recv(u->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		rc = n <= 0 ? -ENODEV : recv_header(u, &hdr, NULL, deadline);
		if (!rc)
			rc = (hdr.flags & VFIO_USER_TYPE_MASK) == VFIO_USER_COMMAND
				     ? refuse_command(u, &hdr, deadline)
				     : -EPROTO;
		if (rc)
			declare_dead(u);
	}
	pthread_mutex_unlock(&u->lock);
	tell_death(u);
}
