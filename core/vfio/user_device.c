/* SPDX-License-Identifier: BSD-3-Clause */
/* The vfio-user carrier: taking over a device that a server offers on a Unix socket. */
#include "core/base/reason.h"
#include "core/vfio/device.h"
#include "core/vfio/user.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* A server that takes nothing must not hold a sender, or who connects, for ever. */
static void limit_sending(int fd)
{
	struct timeval limit = {.tv_sec = vfio_user_timeout_ms / 1000,
				.tv_usec = vfio_user_timeout_ms % 1000 * 1000};

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

int user_connect(const char *path, int *fd)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int s, err;

	if (!*path || strlen(path) >= sizeof(sa.sun_path))
		return unapi_fail(EINVAL, "vfio-user:%s: a socket's path has 1 to %zu characters", path,
				  sizeof(sa.sun_path) - 1);
	strcpy(sa.sun_path, path);
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return unapi_fail(errno, "vfio-user:%s: no socket: %s", path, strerror(errno));
	limit_sending(s);
	if (connect(s, (struct sockaddr *)&sa, sizeof(sa)) == 0) {
		*fd = s;
		return 0;
	}
	err = errno;
	close(s);
	if (err == ENOENT || err == ECONNREFUSED)
		return unapi_fail(ENODEV, "vfio-user:%s: %s: is the device server running?", path,
				  err == ENOENT ? "there is no such socket" : "nobody listens there");
	if (err == EAGAIN)
		return unapi_fail(EBUSY, "vfio-user:%s: the server accepts no connection: is it busy?", path);
	return unapi_fail(err, "vfio-user:%s: connecting: %s", path, strerror(err));
}

static int watch_socket(struct user_device *u)
{
	struct epoll_event sock = {.events = EPOLLRDHUP, .data.fd = u->fd};
	struct epoll_event log = {.events = EPOLLIN, .data.fd = u->child.log};

	u->watch_fd = epoll_create1(EPOLL_CLOEXEC);
	if (u->watch_fd < 0 || epoll_ctl(u->watch_fd, EPOLL_CTL_ADD, u->fd, &sock) < 0 ||
	    (u->child.log >= 0 && epoll_ctl(u->watch_fd, EPOLL_CTL_ADD, u->child.log, &log) < 0))
		return unapi_fail(errno, "%s: watching the server: %s", u->v.name, strerror(errno));
	u->v.slow_fds[u->v.nr_slow_fds++] = u->watch_fd;
	return 0;
}

static int take_over(struct user_device *u)
{
	int rc = user_get_info(u);

	if (!rc)
		rc = user_assign_bars(u);
	if (!rc)
		rc = vfio_device_identify(&u->v);
	if (!rc)
		rc = vfio_watch_events(&u->v);
	if (!rc)
		rc = watch_socket(u);
	return rc ? rc : dma_space_register(&u->space);
}

static int give_up(struct user_device *u, int rc)
{
	vfio_unwatch_events(&u->v);
	vfio_unmap_regions(&u->v);
	if (u->watch_fd >= 0)
		close(u->watch_fd);
	close(u->fd);
	if (u->v.gone)
		rc = user_child_blame(&u->child, u->v.name, rc);
	user_reap_sim(&u->child);
	pthread_mutex_destroy(&u->lock);
	free(u);
	return rc;
}

int vfio_user_attach(int fd, const char *name, const struct user_child *child, struct vfio_device **out)
{
	struct user_child nobody = {-1, -1};
	struct user_device *u = calloc(1, sizeof(*u));
	int rc;

	*out = NULL;
	if (!child)
		child = &nobody;
	if (!u) {
		close(fd);
		nobody = *child;
		user_reap_sim(&nobody);
		return unapi_fail(ENOMEM, "%s: no memory", name);
	}
	u->fd = fd;
	u->child = *child;
	u->watch_fd = -1;
	pthread_mutex_init(&u->lock, NULL);
	INIT_LIST_HEAD(&u->space.link);
	vfio_device_init(&u->v, name, &user_ops, &u->space);
	u->max_fds = 1;
	u->max_xfer = VFIO_USER_MAX_XFER;
	snprintf(u->space.name, sizeof(u->space.name), "%s", u->v.name);
	u->space.ops = &user_dma_ops;
	limit_sending(fd);

	rc = take_over(u);
	if (rc)
		return give_up(u, rc);
	*out = &u->v;
	return 0;
}
