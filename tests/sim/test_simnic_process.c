/* SPDX-License-Identifier: BSD-3-Clause */
/* The simulated NIC's life as a process: how it starts, what signals do, how it ends. */
#include "core/base/clock.h"
#include "core/base/compiler.h"
#include "core/base/reason.h"
#include "core/vfio/vfio.h"
#include "drivers/igb/igb_regs.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define TIME_LIMIT (10 * NSEC_PER_SEC)

static const char *program;
static char stats[64];

static uint32_t rd(struct vfio_device *v, uint32_t reg)
{
	return vfio_read32(v, &v->regions[VFIO_PCI_BAR0_REGION_INDEX], reg);
}

static void wr(struct vfio_device *v, uint32_t reg, uint32_t val)
{
	vfio_write32(v, &v->regions[VFIO_PCI_BAR0_REGION_INDEX], reg, val);
}

static struct vfio_device *open_sim(const char *options)
{
	struct vfio_device *v;
	char spec[256];

	unlink(stats);
	snprintf(spec, sizeof(spec), "sim:igb,stats=%s,stats-ms=5%s", stats, options);
	if (vfio_open(spec, &v)) {
		print_error("%s\n", unapi_reason());
		fail();
	}
	return v;
}

/* The stats file once @key is at least @least. */
static json_t *figures_at(const char *path, const char *key, json_int_t least)
{
	uint64_t until = unapi_clock_ns() + TIME_LIMIT;

	for (;;) {
		json_t *o = json_load_file(path, 0, NULL);

		if (o) {
			json_t *val = json_object_get(o, key);

			if (json_is_true(val) || (json_is_integer(val) && json_integer_value(val) >= least))
				return o;
			json_decref(o);
		}
		assert_true(unapi_clock_ns() < until);
		usleep(1000);
	}
}

static json_int_t figure(json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static pid_t sim_pid(void)
{
	json_t *o = figures_at(stats, "pid", 1);
	pid_t pid = (pid_t)figure(o, "pid");

	json_decref(o);
	return pid;
}

static bool alive(pid_t pid)
{
	char path[64], text[256] = "", *state;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	state = fgets(text, sizeof(text), f) ? strrchr(text, ')') : NULL;
	fclose(f);
	return state && state[2] != 'Z';
}

static void wait_dead(pid_t pid)
{
	uint64_t until = unapi_clock_ns() + TIME_LIMIT;

	while (alive(pid)) {
		assert_true(unapi_clock_ns() < until);
		usleep(1000);
	}
}

static void closing_ends_it(void **state)
{
	struct vfio_device *v = open_sim("");
	pid_t pid = sim_pid();
	json_t *o;

	assert_true(alive(pid));
	vfio_close(v);
	wait_dead(pid);
	o = json_load_file(stats, 0, NULL);
	assert_true(json_is_true(json_object_get(o, "final")));
	json_decref(o);
}

static void it_dies_with_its_application(void **state)
{
	int ready[2];
	char c;
	pid_t app, pid;

	assert_int_equal(pipe(ready), 0);
	app = fork();
	if (!app) {
		open_sim("");
		pid = sim_pid();
		if (write(ready[1], &pid, sizeof(pid)) != (ssize_t)sizeof(pid))
			_exit(1);
		pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &pid, sizeof(pid)), sizeof(pid));
	assert_true(alive(pid));
	kill(app, SIGKILL);
	assert_int_equal(waitpid(app, NULL, 0), app);
	assert_int_equal(read(ready[0], &c, 1), 0);
	close(ready[0]);
	wait_dead(pid);
}

/* How often the process has been put on a CPU. */
static unsigned long wakeups(pid_t pid)
{
	unsigned long total = 0, n;
	char path[64], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "voluntary_ctxt_switches: %lu", &n) == 1)
			total += n;
	}
	fclose(f);
	return total;
}

static void idle_costs_nothing(void **state)
{
	struct vfio_device *v = open_sim(",stats-ms=0,link-delay=0");
	uint64_t until = unapi_clock_ns() + TIME_LIMIT;
	pid_t pid = sim_pid();
	unsigned long before;

	assert_int_equal(vfio_set_bus_master(v, true), 0);
	wr(v, E1000_CTRL, E1000_CTRL_SLU);
	while (!(rd(v, E1000_STATUS) & E1000_STATUS_LU))
		assert_true(unapi_clock_ns() < until);
	usleep(20000); /* its last reply is behind it: there is no event to wait for that would not itself be
			  one */
	before = wakeups(pid);
	usleep(300000);
	assert_int_equal(wakeups(pid), before);
	vfio_close(v);
}

static void signals_end_phases(void **state)
{
	struct vfio_device *v = open_sim(",wire=gen");
	pid_t pid = sim_pid();
	char path[80];
	json_t *o;

	for (int n = 1; n <= 2; n++) {
		snprintf(path, sizeof(path), "%s.%d", stats, n);
		unlink(path);
		kill(pid, SIGUSR1);
		o = figures_at(path, "phase", n);
		assert_int_equal(figure(o, "phase"), n);
		json_decref(o);
		unlink(path);
	}
	kill(pid, SIGUSR2);
	o = figures_at(stats, "drained", 0);
	assert_int_equal(figure(o, "phase"), 3);
	json_decref(o);
	vfio_close(v);
}

static void surprise_removal(void **state)
{
	struct vfio_device *v = open_sim("");
	uint64_t until = unapi_clock_ns() + TIME_LIMIT;
	uint32_t id = 0;

	assert_int_not_equal(rd(v, E1000_STATUS), UINT32_MAX);
	kill(sim_pid(), SIGHUP);
	while (rd(v, E1000_STATUS) != UINT32_MAX)
		assert_true(unapi_clock_ns() < until);
	wr(v, E1000_CTRL, 0);
	assert_int_equal(vfio_config_read(v, 0, &id, 4), 0);
	assert_int_equal(id, UINT32_MAX);
	vfio_close(v);
}

static void device_request(void **state)
{
	struct vfio_device *v = open_sim("");
	int fd = eventfd(0, EFD_CLOEXEC);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(v->ops->set_irqs(v, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, &fd), 0);
	kill(sim_pid(), SIGPWR);
	assert_int_equal(poll(&p, 1, TIME_LIMIT / NSEC_PER_MSEC), 1);
	close(fd);
	vfio_close(v);
}

static void wait_link(struct vfio_device *v, bool up)
{
	uint64_t until = unapi_clock_ns() + TIME_LIMIT;

	while (!(rd(v, E1000_STATUS) & E1000_STATUS_LU) == up)
		assert_true(unapi_clock_ns() < until);
}

/* A port whose peer goes away notices, and finds the next one. */
static void a_pair_is_joined_anew(void **state)
{
	struct vfio_device *a, *b;
	char wire[64];

	snprintf(wire, sizeof(wire), ",wire=pair:anew-%d", (int)getpid());
	a = open_sim(wire);
	wr(a, E1000_CTRL, E1000_CTRL_SLU);
	for (int i = 0; i < 5; i++) {
		b = open_sim(wire);
		wr(b, E1000_CTRL, E1000_CTRL_SLU);
		wait_link(a, true);
		wait_link(b, true);
		vfio_close(i % 2 ? a : b); /* either may be the one that stays */
		a = i % 2 ? b : a;
		wait_link(a, false);
	}
	vfio_close(a);
}

/* Start the program itself; its exit code, and the first line that it says. */
static int run_program(char *const argv[], char *said, size_t room)
{
	int out[2], status;
	pid_t pid;
	ssize_t n;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (!pid) {
		dup2(out[1], 2);
		execv(program, argv);
		_exit(127);
	}
	close(out[1]);
	n = read(out[0], said, room - 1);
	said[n > 0 ? n : 0] = 0;
	close(out[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void bad_options_are_told(void **state)
{
	static const struct {
		const char *option, *says;
		int code;
	} bad[] = {
		{"--nonsense", "nonsense", 2},
		{"--queues=99", "queues=99", 2},
		{"--model=e1000", "model=e1000", 2},
		{"loose", "loose", 2},
		{"--wire=string", "wire=string", 1},
		{"--wire=pcap:/no/such/file", "No such file", 1},
		{"--wire=gen:size=1", "size=1", 1},
		{"--wire=pair:", "name", 1},
		{"--wire=tap:averylonginterfacename", "interface name", 1},
	};
	char said[512], path[] = "--socket=/tmp/simnic-proc-never";

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		char *argv[] = {(char *)(uintptr_t)program, path, (char *)(uintptr_t)bad[i].option, NULL};

		assert_int_equal(run_program(argv, said, sizeof(said)), bad[i].code);
		assert_non_null(strstr(said, bad[i].says));
		assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1); /* one line */
	}
}

static void a_server_serves_again(void **state)
{
	char path[64], option[80], spec[80];
	uint64_t until = unapi_clock_ns() + TIME_LIMIT;
	struct vfio_device *v;
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "/tmp/simnic-proc-%d.sock", (int)getpid());
	snprintf(option, sizeof(option), "--socket=%s", path);
	snprintf(spec, sizeof(spec), "vfio-user:%s", path);
	pid = fork();
	if (!pid) {
		execl(program, program, option, (char *)NULL);
		_exit(127);
	}
	while (access(path, F_OK))
		assert_true(unapi_clock_ns() < until);
	for (uint32_t n = 0; n < 3; n++) {
		while (vfio_open(spec, &v)) /* bound, but perhaps not listening yet */
			assert_true(unapi_clock_ns() < until);
		if (n)
			assert_int_equal(rd(v, E1000_FCTTV), n - 1); /* as the last client left it */
		wr(v, E1000_FCTTV, n);
		vfio_close(v);
	}
	kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
	assert_int_not_equal(access(path, F_OK), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(closing_ends_it),	 cmocka_unit_test(it_dies_with_its_application),
		cmocka_unit_test(idle_costs_nothing),	 cmocka_unit_test(signals_end_phases),
		cmocka_unit_test(surprise_removal),	 cmocka_unit_test(device_request),
		cmocka_unit_test(a_pair_is_joined_anew), cmocka_unit_test(bad_options_are_told),
		cmocka_unit_test(a_server_serves_again),
	};
	int rc;

	if (argc != 2) {
		fprintf(stderr, "usage: %s UNAPI-SIMNIC\n", argv[0]);
		return 2;
	}
	program = argv[1];
	snprintf(stats, sizeof(stats), "/tmp/simnic-proc-%d.json", (int)getpid());
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(stats);
	return rc;
}
