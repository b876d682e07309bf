/* SPDX-License-Identifier: BSD-3-Clause */
/* What event polls answer to parameters, to wrong pointers and descriptors, and for descriptors of others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/compiler.h"
#include "core/napi/eventpoll.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int event_poll;

static int refused(int rc)
{
	assert_int_equal(rc, -1);
	return errno;
}

/* Without CAP_NET_ADMIN in effect on this thread; gives back what there was. */
static struct __user_cap_data_struct cap_drop(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3], before;

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	before = data[0];
	data[0].effective &= ~CAP_TO_MASK(CAP_NET_ADMIN);
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
	return before;
}

static void cap_restore(struct __user_cap_data_struct before)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	data[0] = before;
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
}

static void assert_params(uint32_t usecs, uint16_t budget, uint8_t prefer)
{
	struct epoll_params p;

	memset(&p, 0xff, sizeof(p));
	assert_int_equal(unapi_epoll_ioctl(event_poll, EPIOCGPARAMS, &p), 0);
	assert_int_equal(p.busy_poll_usecs, usecs);
	assert_int_equal(p.busy_poll_budget, budget);
	assert_int_equal(p.prefer_busy_poll, prefer);
	assert_int_equal(p.__pad, 0);
}

/* The answers of Linux 7.2.12. */
static void parameters(void **state)
{
	static const struct {
		struct epoll_params p;
		int err;
	} cases[] = {
		{{2147483647, 64, 1, 0}, 0},
		{{0, 0, 0, 0}, 0},
		{{5, 6, 1, 0}, 0},
		{{2147483648, 0, 0, 0}, EINVAL},
		{{4294967295, 0, 0, 0}, EINVAL},
		{{1, 1, 2, 0}, EINVAL},
		{{1, 1, 255, 0}, EINVAL},
		{{1, 1, 1, 1}, EINVAL},
		{{1, 65, 1, 0}, EPERM},
		{{1, 65535, 1, 0}, EPERM},
		{{1, 65, 2, 0}, EINVAL},
		{{2147483648, 65, 0, 0}, EINVAL},
		{{1, 65, 1, 1}, EINVAL},
	};
	struct __user_cap_data_struct caps;
	struct epoll_params now = {0}, got = {0}, high = {7, 65535, 1, 0};
	unsigned int i;
	int cmd;

	event_poll = unapi_epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(EPIOCSPARAMS, 0x40088a01);
	assert_int_equal(EPIOCGPARAMS, 0x80088a02);
	assert_params(0, 0, 0);
	caps = cap_drop();
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct epoll_params p = cases[i].p;

		if (cases[i].err) {
			assert_int_equal(refused(unapi_epoll_ioctl(event_poll, EPIOCSPARAMS, &p)),
					 cases[i].err);
		} else {
			assert_int_equal(unapi_epoll_ioctl(event_poll, EPIOCSPARAMS, &p), 0);
			now = p;
		}
		assert_params(now.busy_poll_usecs, now.busy_poll_budget, now.prefer_busy_poll);
	}
	assert_non_null(strstr(unapi_reason(), "__pad"));
	/* a command kept in an int, as some C libraries declare it */
	cmd = (int)EPIOCGPARAMS;
	assert_int_equal(unapi_epoll_ioctl(event_poll, (unsigned long)cmd, &got), 0);
	assert_int_equal(got.busy_poll_usecs, 5);
	cap_restore(caps);
	if (user_net_admin()) {
		assert_int_equal(unapi_epoll_ioctl(event_poll, EPIOCSPARAMS, &high), 0);
		assert_params(7, 65535, 1);
	}
	assert_int_equal(unapi_epoll_close(event_poll), 0);
}

static void bad_pointers_and_descriptors(void **state)
{
	struct epoll_params p = {1, 2, 0, 0};
	char *ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *none = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int udp = socket(AF_INET, SOCK_DGRAM, 0), on = 1;

	event_poll = unapi_epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(unapi_epoll_ioctl(event_poll, EPIOCSPARAMS, &p), 0);
	munmap(none + 4096, 4096);
	assert_int_equal(refused(unapi_epoll_ioctl(event_poll, EPIOCSPARAMS, NULL)), EFAULT);
	assert_int_equal(refused(unapi_epoll_ioctl(event_poll, EPIOCGPARAMS, NULL)), EFAULT);
	assert_int_equal(refused(unapi_epoll_ioctl(event_poll, EPIOCSPARAMS, none + 4096)), EFAULT);
	assert_int_equal(refused(unapi_epoll_ioctl(event_poll, EPIOCSPARAMS, none + 4092)), EFAULT);
	assert_int_equal(refused(unapi_epoll_ioctl(event_poll, EPIOCGPARAMS, ro)), EFAULT);
	assert_int_equal(unapi_epoll_ioctl(event_poll, EPIOCSPARAMS, ro), 0); /* eight zeroes */
	assert_params(0, 0, 0);

	assert_int_equal(refused(unapi_epoll_ioctl(event_poll, _IO(EPOLL_IOC_TYPE, 3), &p)), EINVAL);
	assert_int_equal(refused(unapi_epoll_ioctl(event_poll, _IOW(EPOLL_IOC_TYPE, 1, int), &p)), EINVAL);
	assert_int_equal(unapi_epoll_ioctl(event_poll, FIONBIO, &on), 0);
	assert_true(fcntl(event_poll, F_GETFL) & O_NONBLOCK);
	assert_int_equal(refused(unapi_epoll_ioctl(udp, EPIOCSPARAMS, &p)), ENOTTY);
	assert_int_equal(unapi_epoll_ioctl(udp, FIONBIO, &on), 0);
	close(udp);
	assert_int_equal(refused(unapi_epoll_ioctl(udp, EPIOCSPARAMS, &p)), EBADF);
	assert_int_equal(refused(unapi_epoll_ioctl(-1, EPIOCSPARAMS, &p)), EBADF);
	assert_int_equal(unapi_epoll_close(event_poll), 0);
	assert_int_equal(refused(unapi_epoll_ioctl(event_poll, EPIOCSPARAMS, &p)), EBADF);
	assert_int_equal(refused(unapi_epoll_close(event_poll)), EBADF);

	/* closed by close(2), and the number given to somebody else */
	event_poll = unapi_epoll_create1(EPOLL_CLOEXEC);
	close(event_poll);
	assert_int_equal(refused(unapi_epoll_ioctl(event_poll, EPIOCGPARAMS, &p)), EBADF);
	event_poll = unapi_epoll_create1(EPOLL_CLOEXEC);
	close(event_poll);
	assert_int_equal(socket(AF_INET, SOCK_DGRAM, 0), event_poll);
	assert_int_equal(refused(unapi_epoll_ioctl(event_poll, EPIOCGPARAMS, &p)), ENOTTY);
	assert_int_equal(unapi_epoll_close(event_poll), 0);
	assert_int_equal(refused(unapi_epoll_close(event_poll)), EBADF);
	munmap(ro, 4096);
	munmap(none, 4096);
}

/* Two system calls answer @err to this process from now on. */
static bool forbid(unsigned int one, unsigned int other, unsigned int err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, one, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, other, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = ARRAY_SIZE(code), .filter = code};

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

static int in_a_sandbox(char *half)
{
	struct epoll_params p = {1, 2, 1, 0}, got = {0};
	int epfd = unapi_epoll_create1(0);

	if (!forbid(SYS_process_vm_readv, SYS_process_vm_writev, EPERM) ||
	    process_vm_readv(getpid(), NULL, 0, NULL, 0, 0) >= 0 || errno != EPERM)
		return 1;
	if (unapi_epoll_ioctl(epfd, EPIOCSPARAMS, &p) || unapi_epoll_ioctl(epfd, EPIOCGPARAMS, &got) ||
	    memcmp(&p, &got, sizeof(p)))
		return 2;
	if (!unapi_epoll_ioctl(epfd, EPIOCSPARAMS, half) || errno != EFAULT)
		return 3;
	if (!unapi_epoll_ioctl(epfd, EPIOCGPARAMS, half) || errno != EFAULT)
		return 4;
	if (!unapi_epoll_ioctl(epfd, EPIOCGPARAMS, NULL) || errno != EFAULT)
		return 5;
	return 0;
}

/* Nor is a wrong pointer a signal where a sandbox forbids the calls that tell. */
static void bad_pointers_in_a_sandbox(void **state)
{
	char *mem = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid;

	munmap(mem + 4096, 4096);
	pid = fork();
	if (!pid)
		_exit(in_a_sandbox(mem + 4092));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	munmap(mem, 4096);
}

static int on_an_old_kernel(void)
{
	struct epoll_event ev = {.events = EPOLLIN}, got;
	int ours = unapi_epoll_create1(0), theirs = epoll_create1(0), fd = eventfd(1, EFD_NONBLOCK);
	struct timespec wait = {.tv_nsec = 1500000};

	if (!forbid(SYS_epoll_pwait2, SYS_epoll_pwait2, ENOSYS) ||
	    epoll_pwait2(theirs, &got, 1, &wait, NULL) >= 0 || errno != ENOSYS)
		return 1;
	if (unapi_epoll_wait(ours, &got, 1, 1) || unapi_epoll_pwait2(ours, &got, 1, &wait, NULL) ||
	    unapi_epoll_wait(theirs, &got, 1, 1))
		return 2;
	if (unapi_epoll_ctl(ours, EPOLL_CTL_ADD, fd, &ev) || unapi_epoll_ctl(theirs, EPOLL_CTL_ADD, fd, &ev))
		return 3;
	if (unapi_epoll_wait(ours, &got, 1, -1) != 1 || unapi_epoll_wait(ours, &got, 1, 1000) != 1 ||
	    unapi_epoll_pwait2(ours, &got, 1, &wait, NULL) != 1 || unapi_epoll_wait(theirs, &got, 1, -1) != 1)
		return 4;
	return 0;
}

/* Waits are had without epoll_pwait2(), in milliseconds. */
static void without_pwait2(void **state)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(on_an_old_kernel());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* What is no event poll is the kernel's affair. */
static void others_are_passed_on(void **state)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 5}, got[2];
	struct timespec none = {0}, bad = {0, 1000000000};
	int epfd = epoll_create1(0), fd = eventfd(1, 0);

	assert_int_equal(unapi_epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev), 0);
	assert_int_equal(refused(unapi_epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev)), EEXIST);
	assert_int_equal(unapi_epoll_wait(epfd, got, 2, 0), 1);
	assert_int_equal(got[0].data.u64, 5);
	assert_int_equal(unapi_epoll_pwait2(epfd, got, 2, &none, NULL), 1);
	assert_int_equal(unapi_epoll_close(epfd), 0);
	assert_int_equal(refused(unapi_epoll_wait(epfd, got, 2, 0)), EBADF);

	epfd = unapi_epoll_create1(0);
	assert_int_equal(refused(unapi_epoll_create1(1)), EINVAL);
	assert_int_equal(refused(unapi_epoll_wait(epfd, got, 0, 0)), EINVAL);
	assert_int_equal(refused(unapi_epoll_pwait2(epfd, got, 1, &bad, NULL)), EINVAL);
	assert_int_equal(refused(unapi_epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL)), ENOENT);
	assert_int_equal(refused(unapi_epoll_ctl(epfd, EPOLL_CTL_ADD, fd, NULL)), EFAULT);
	close(fd);
	assert_int_equal(refused(unapi_epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev)), EBADF);
	assert_int_equal(unapi_epoll_close(epfd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters),
		cmocka_unit_test(bad_pointers_and_descriptors),
		cmocka_unit_test(bad_pointers_in_a_sandbox),
		cmocka_unit_test(without_pwait2),
		cmocka_unit_test(others_are_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
