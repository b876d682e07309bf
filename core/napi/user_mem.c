/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel does at the border to user space, for calls that are to answer as it does: copying from
 * and to pointers that may be wrong, and asking what the caller may do. */
#include "core/napi/eventpoll.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

typedef ssize_t (*vm_fn)(pid_t pid, const struct iovec *local, unsigned long nr_local,
			 const struct iovec *remote, unsigned long nr_remote, unsigned long flags);

/* By way of a pipe, which takes what can be read and gives it where it can be written. 1: there is none. */
static int pipe_copy(void *to, const void *from, size_t len)
{
	int fd[2], rc = -EFAULT;

	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK))
		return 1;
	if (write(fd[1], from, len) == (ssize_t)len && read(fd[0], to, len) == (ssize_t)len)
		rc = 0;
	close(fd[0]);
	close(fd[1]);
	return rc;
}

/* The kernel copies within this process, and says where it cannot. 1: it has no such call, or forbids it, as
 * where processes must not look into others. */
static int vm_copy(vm_fn copy, void *ours, const void *theirs, size_t len)
{
	struct iovec local = {.iov_base = ours, .iov_len = len};
	struct iovec remote = {.iov_base = (void *)(uintptr_t)theirs, .iov_len = len};
	ssize_t n = copy(getpid(), &local, 1, &remote, 1, 0);

	if (n == (ssize_t)len)
		return 0;
	return n >= 0 || errno == EFAULT ? -EFAULT : 1;
}

/* Only without a descriptor to spare a wrong pointer is a signal. */
static int otherwise(int rc, void *to, const void *from, size_t len)
{
	if (rc > 0)
		rc = pipe_copy(to, from, len);
	if (rc > 0)
		memcpy(to, from, len);
	return rc < 0 ? rc : 0;
}

int user_read(void *to, const void *from, size_t len)
{
	return otherwise(vm_copy(process_vm_readv, to, from, len), to, from, len);
}

int user_write(void *to, const void *from, size_t len)
{
	return otherwise(vm_copy(process_vm_writev, (void *)(uintptr_t)from, to, len), to, from, len);
}

bool user_net_admin(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &head, data))
		return false;
	return data[CAP_TO_INDEX(CAP_NET_ADMIN)].effective & CAP_TO_MASK(CAP_NET_ADMIN);
}
