/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupt affinity, on a /proc of the test's own: the right line of /proc/interrupts, what is written
 * where, and each refusal in words. */
#include "fake_kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NIC "0000:07:00.0"

ssize_t __real_write(int fd, const void *buf, size_t n);
ssize_t __wrap_write(int fd, const void *buf, size_t n);
static int write_errno; /* of the next write */
static size_t write_short;

ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
	if (write_errno) {
		errno = write_errno;
		write_errno = 0;
		return -1;
	}
	if (write_short) {
		n -= write_short;
		write_short = 0;
	}
	return __real_write(fd, buf, n);
}

/* CPU 2 is off line, and CPU20 is not it; other functions', other vectors' and other drivers' lines look much
 * the same. */
static const char interrupts[] =
	"           CPU0       CPU1       CPU3       CPU20      \n"
	"  0:         36          0          0  IR-IO-APIC    2-edge      timer\n"
	" 16:          0          7          0  IR-IO-APIC   16-fasteoi   ehci_hcd:usb1, "
	"vfio-intx(0000:07:00.0), "
	"snd_hda_intel:card0\n"
	" 24:          0          0          0  IR-PCI-MSIX-0000:07:00.1    0-edge      "
	"vfio-msix[0](0000:07:00.1)\n"
	" 25:       1000          0          0  IR-PCI-MSIX-0000:07:00.0    0-edge      "
	"vfio-msix[0](0000:07:00.0)\n"
	"126:          0 4294967295          0  IR-PCI-MSIX-0000:07:00.0    1-edge      "
	"vfio-msix[1](0000:07:00.0)\n"
	"127:          0          0          0  IR-PCI-MSIX-0000:07:00.0   11-edge      "
	"vfio-msix[11](0000:07:00.0)\n"
	"128:          0          0          0  PCI-MSI 49152-edge      vfio-msi[0](0000:07:00.0)\n"
	"129:          0          0          0  not-vfio-msix[2](0000:07:00.0)\n"
	"130:          0          0          0  vfio-msix[2](0000:07:00.0)-not\n"
	"NMI:          0          0          0  vfio-msix[3](0000:07:00.0)\n"
	"ERR:          0\n"
	"MIS:          0\n";

static struct vfio_device *v;

static int setup(void **state)
{
	fake_kernel_init(state);
	fake_file("proc/interrupts", interrupts);
	for (const char *const *irq = (const char *const[]){"16", "126", "128", NULL}; *irq; irq++) {
		char path[64];

		snprintf(path, sizeof(path), "proc/irq/%s/smp_affinity_list", *irq);
		fake_file(path, "0-1,3\n");
		snprintf(path, sizeof(path), "proc/irq/%s/effective_affinity_list", *irq);
		fake_file(path, "1\n");
	}
	assert_int_equal(vfio_open(NIC, &v), 0);
	write_errno = 0;
	write_short = 0;
	return 0;
}

static int teardown(void **state)
{
	vfio_close(v);
	return fake_kernel_exit(state);
}

/* What the file has now. */
static const char *list_of(int irq, const char *which)
{
	static char text[64];

	assert_int_equal(vfio_irq_get_affinity(v, irq, which, text, sizeof(text)), 0);
	return text;
}

static void finds_the_line(void **state)
{
	assert_int_equal(vfio_irq_enable(v, VFIO_IRQ_MSIX, 4), 4);
	assert_int_equal(vfio_linux_irq(v, 0), 25);
	assert_int_equal(vfio_linux_irq(v, 1), 126);
	assert_int_equal(vfio_linux_irq(v, 2), -ENOENT); /* two names have it within */
	assert_non_null(strstr(unapi_reason(), "vfio-msix[2](0000:07:00.0)"));
	assert_int_equal(vfio_linux_irq(v, 3), -ENOENT); /* a line without a number */
	assert_int_equal(vfio_linux_irq(v, 4), -EINVAL);
	assert_non_null(strstr(unapi_reason(), "vector 4"));
	vfio_irq_disable(v);
	assert_int_equal(vfio_linux_irq(v, 0), -EINVAL);
	assert_int_equal(vfio_irq_enable(v, VFIO_IRQ_MSI, 1), 1);
	assert_int_equal(vfio_linux_irq(v, 0), 128);
	vfio_irq_disable(v);
	assert_int_equal(vfio_irq_enable(v, VFIO_IRQ_INTX, 1), 1);
	assert_int_equal(vfio_linux_irq(v, 0), 16);
}

static void sets_and_tells(void **state)
{
	static const unsigned int cpus[] = {3, 0};

	assert_int_equal(vfio_irq_enable(v, VFIO_IRQ_MSIX, 2), 2);
	assert_string_equal(list_of(126, "smp"), "0-1,3");
	assert_string_equal(list_of(126, "effective"), "1");
	fake_file("proc/irq/126/smp_affinity_list",
		  ""); /* a file of the kernel's is replaced by each write */
	assert_int_equal(vfio_irq_set_affinity(v, 1, cpus, 2), 0);
	assert_string_equal(list_of(126, "smp"), "3,0");
	assert_string_equal(list_of(16, "smp"), "0-1,3");
}

static void refuses_cpus(void **state)
{
	static const unsigned int off[] = {0, 2}, beyond[] = {1024}, huge[] = {UINT32_MAX};

	assert_int_equal(vfio_irq_enable(v, VFIO_IRQ_MSIX, 2), 2);
	assert_int_equal(vfio_irq_set_affinity(v, 1, NULL, 0), -EINVAL);
	assert_int_equal(vfio_irq_set_affinity(v, 1, off, 2), -EINVAL);
	assert_non_null(strstr(unapi_reason(), "CPU 2 is not online"));
	assert_int_equal(vfio_irq_set_affinity(v, 1, beyond, 1), -EINVAL);
	assert_int_equal(vfio_irq_set_affinity(v, 1, huge, 1), -EINVAL);
	assert_string_equal(list_of(126, "smp"), "0-1,3");
}

static void tells_why_not(void **state)
{
	static const unsigned int cpus[] = {1};
	static const struct {
		int err;
		const char *word;
	} answers[] = {{EPERM, "kernel places"},
		       {EIO, "kernel places"},
		       {ENOSPC, "no interrupt vector"},
		       {EINVAL, "126"}};
	char path[128];

	assert_int_equal(vfio_irq_enable(v, VFIO_IRQ_MSIX, 2), 2);
	for (unsigned int i = 0; i < ARRAY_SIZE(answers); i++) {
		write_errno = answers[i].err;
		assert_int_equal(vfio_irq_set_affinity(v, 1, cpus, 1), -answers[i].err);
		assert_non_null(strstr(unapi_reason(), answers[i].word));
		assert_non_null(strstr(unapi_reason(), NIC));
	}
	write_short = 1;
	assert_int_equal(vfio_irq_set_affinity(v, 1, cpus, 1), -EIO);

	/* An ordinary user, to whom the tree is open but for the file. */
	assert_int_equal(chmod(fake_kernel.root, 0755), 0);
	snprintf(path, sizeof(path), "%s/proc/irq/126/smp_affinity_list", fake_kernel.root);
	assert_int_equal(chmod(path, 0444), 0);
	if (!geteuid())
		assert_int_equal(seteuid(65534), 0);
	assert_int_equal(vfio_irq_set_affinity(v, 1, cpus, 1), -EACCES);
	if (!getuid())
		assert_int_equal(seteuid(0), 0);
	assert_non_null(strstr(unapi_reason(), "root may"));

	assert_int_equal(unlink(path), 0);
	assert_int_equal(vfio_irq_set_affinity(v, 1, cpus, 1), -ENOENT);
	fake_file("proc/interrupts", "");
	assert_int_equal(vfio_irq_set_affinity(v, 1, cpus, 1), -ENOENT);
	snprintf(path, sizeof(path), "%s/proc/interrupts", fake_kernel.root);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(vfio_irq_set_affinity(v, 1, cpus, 1), -ENOENT);
	assert_non_null(strstr(unapi_reason(), path));
}

/* A server's vectors are eventfds, and no interrupts. */
static void not_behind_a_server(void **state)
{
	static const struct vfio_device_ops server = {.carrier = "vfio-user"};
	struct vfio_device s = {.ops = &server,
				.name = "sim:igb",
				.carrier = "vfio-user",
				.irq_mode = VFIO_IRQ_MSIX,
				.nr_vectors = 2};
	static const unsigned int cpus[] = {1};

	assert_int_equal(vfio_linux_irq(&s, 1), -EOPNOTSUPP);
	assert_int_equal(vfio_irq_set_affinity(&s, 1, cpus, 1), -EOPNOTSUPP);
	assert_non_null(strstr(unapi_reason(), "sim:igb: its vectors are no interrupts of this machine"));
}

/* A machine of many CPUs: lines of several thousand characters. */
static void many_cpus(void **state)
{
	static const unsigned int last[] = {1023};
	char *text = malloc(64 << 10), *at = text;

	assert_non_null(text);
	for (unsigned int i = 0; i < 1024; i++)
		at += sprintf(at, " CPU%u", i);
	for (unsigned int line = 0; line < 2; line++) {
		at += sprintf(at, "\n %u:", 125 + line);
		for (unsigned int i = 0; i < 1024; i++)
			at += sprintf(at, "          %u", i % 10);
		at += sprintf(at, " IR-PCI-MSIX vfio-msix[%u](" NIC ")", line);
	}
	fake_file("proc/interrupts", text); /* the last line without an end */
	free(text);
	assert_int_equal(vfio_irq_enable(v, VFIO_IRQ_MSIX, 2), 2);
	assert_int_equal(vfio_linux_irq(v, 1), 126);
	fake_file("proc/irq/126/smp_affinity_list", "");
	assert_int_equal(vfio_irq_set_affinity(v, 1, last, 1), 0);
	assert_string_equal(list_of(126, "smp"), "1023");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(finds_the_line, setup, teardown),
		cmocka_unit_test_setup_teardown(sets_and_tells, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_cpus, setup, teardown),
		cmocka_unit_test_setup_teardown(tells_why_not, setup, teardown),
		cmocka_unit_test_setup_teardown(not_behind_a_server, setup, teardown),
		cmocka_unit_test_setup_teardown(many_cpus, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
