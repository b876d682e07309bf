/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of endpoints (net/core/sock.c sk_setsockopt(), sk_getsockopt()), with its checks in its order. */
#include "core/net/endpoint.h"
#include "core/base/reason.h"

#include <errno.h>

static struct unapi_endpoint *endpoint_of(struct pollable *p)
{
	return container_of(p, struct unapi_endpoint, pollable);
}

static int no_option(int fd, int optname)
{
	return unapi_fail(ENOPROTOOPT, "endpoint %d: it has no such option (%d)", fd, optname);
}

static int set(struct unapi_endpoint *e, int optname, int val)
{
	int fd = e->pollable.fd;

	switch (optname) {
	case SO_BUSY_POLL:
		if (val < 0)
			return unapi_fail(EINVAL, "endpoint %d: SO_BUSY_POLL of %d", fd, val);
		WRITE_ONCE(e->busy_poll, (uint32_t)val);
		return 0;
	case SO_PREFER_BUSY_POLL:
		if (val && !user_net_admin())
			return unapi_fail(EPERM, "endpoint %d: SO_PREFER_BUSY_POLL needs CAP_NET_ADMIN", fd);
		WRITE_ONCE(e->prefer, val != 0);
		return 0;
	case SO_BUSY_POLL_BUDGET:
		if (val > READ_ONCE(e->budget) && !user_net_admin())
			return unapi_fail(
				EPERM, "endpoint %d: to raise SO_BUSY_POLL_BUDGET needs CAP_NET_ADMIN", fd);
		if (val < 0 || val > UINT16_MAX)
			return unapi_fail(EINVAL, "endpoint %d: SO_BUSY_POLL_BUDGET of %d", fd, val);
		WRITE_ONCE(e->budget, (uint16_t)val);
		return 0;
	}
	return no_option(fd, optname);
}

static int get(const struct unapi_endpoint *e, int optname, int *val)
{
	unsigned int id;

	switch (optname) {
	case SO_BUSY_POLL:
		*val = (int)READ_ONCE(e->busy_poll);
		return 0;
	case SO_PREFER_BUSY_POLL:
		*val = READ_ONCE(e->prefer);
		return 0;
	case SO_INCOMING_NAPI_ID:
		id = READ_ONCE(e->pollable.napi_id);
		*val = id >= NAPI_ID_MIN ? (int)id : 0;
		return 0;
	}
	return no_option(e->pollable.fd, optname);
}

static int set_checked(struct unapi_endpoint *e, int level, int optname, const void *optval, socklen_t optlen)
{
	int val;

	if (level != SOL_SOCKET)
		return no_option(e->pollable.fd, optname);
	if (optlen < sizeof(val) || optlen > INT32_MAX)
		return unapi_fail(EINVAL, "endpoint %d: an option's length of %u", e->pollable.fd, optlen);
	if (user_read(&val, optval, sizeof(val)))
		return unapi_fail(EFAULT, "endpoint %d: an option cannot be read at %p", e->pollable.fd,
				  optval);
	return set(e, optname, val);
}

static int get_checked(const struct unapi_endpoint *e, int level, int optname, void *optval,
		       socklen_t *optlen)
{
	socklen_t len;
	int val, rc;

	if (level != SOL_SOCKET)
		return no_option(e->pollable.fd, optname);
	if (user_read(&len, optlen, sizeof(len)))
		return unapi_fail(EFAULT, "endpoint %d: an option's length cannot be read at %p",
				  e->pollable.fd, (void *)optlen);
	if (len > INT32_MAX)
		return unapi_fail(EINVAL, "endpoint %d: an option's length of %u", e->pollable.fd, len);
	rc = get(e, optname, &val);
	if (rc)
		return rc;
	if (len > sizeof(val))
		len = sizeof(val);
	if (user_write(optval, &val, len) || user_write(optlen, &len, sizeof(len)))
		return unapi_fail(EFAULT, "endpoint %d: an option cannot be written at %p", e->pollable.fd,
				  optval);
	return 0;
}

static int answer(int rc)
{
	if (!rc)
		return 0;
	errno = -rc;
	return -1;
}

int unapi_setsockopt(int fd, int level, int optname, const void *optval, socklen_t optlen)
{
	struct pollable *p = pollable_lock(fd);
	int rc;

	if (!p)
		return setsockopt(fd, level, optname, optval, optlen);
	rc = set_checked(endpoint_of(p), level, optname, optval, optlen);
	pollable_unlock();
	return answer(rc);
}

int unapi_getsockopt(int fd, int level, int optname, void *optval, socklen_t *optlen)
{
	struct pollable *p = pollable_lock(fd);
	int rc;

	if (!p)
		return getsockopt(fd, level, optname, optval, optlen);
	rc = get_checked(endpoint_of(p), level, optname, optval, optlen);
	pollable_unlock();
	return answer(rc);
}
