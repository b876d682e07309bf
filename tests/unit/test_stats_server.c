/* SPDX-License-Identifier: BSD-3-Clause */
/* Reports, and the socket that gives them to other programs: what they hold, and what readers may do. */
#include "napi_fake.h"
#include "core/stats/protocol.h"
#include "core/stats/report.h"
#include <unapi/stats.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

struct rig {
	char dir[32], path[64];
	uint64_t now; /* the virtual clock */
	struct unapi_context *c;
	struct unapi_stats_server *server;
};

static int set_up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	strcpy(r->dir, "/tmp/unapi-test-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/socket", r->dir);
	r->now = 1000000000;
	unapi_clock_set_virtual(&r->now);
	r->c = fake_context(0);
	assert_int_equal(unapi_stats_serve(r->c, r->path, &r->server), 0);
	*state = r;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *r = *state;

	assert_int_equal(unapi_stats_stop(r->server), 0);
	assert_int_equal(access(r->path, F_OK), -1);
	assert_int_equal(unapi_context_destroy(r->c), 0);
	assert_int_equal(rmdir(r->dir), 0);
	unapi_clock_set_virtual(NULL);
	free(r);
	return 0;
}

static int reader(const struct rig *r)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", r->path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void ask(int fd)
{
	struct stats_request q = {.magic = STATS_MAGIC, .protocol = STATS_PROTOCOL};

	assert_int_equal(send(fd, &q, sizeof(q), MSG_NOSIGNAL), sizeof(q));
}

/* -1: nothing is there; 0: the server has hung up. The report's descriptor in @report, -1 none. */
static ssize_t get(int fd, struct stats_answer *a, int *report)
{
	struct iovec iov = {.iov_base = a, .iov_len = sizeof(*a)};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	*report = -1;
	if (c)
		memcpy(report, CMSG_DATA(c), sizeof(*report));
	/* what it had not read when it hung up */
	return n < 0 && errno == ECONNRESET ? 0 : n;
}

static json_t *get_report(int fd)
{
	struct stats_answer a;
	char *text;
	json_t *o;
	int report;

	assert_int_equal(get(fd, &a, &report), sizeof(a));
	assert_int_equal(a.magic, STATS_MAGIC);
	assert_int_equal(a.error, 0);
	assert_true(report >= 0);
	assert_int_equal(fcntl(report, F_GET_SEALS),
			 F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	text = malloc(a.size);
	assert_int_equal(pread(report, text, a.size, 0), a.size);
	o = json_loadb(text, a.size, 0, NULL);
	assert_non_null(o);
	free(text);
	close(report);
	return o;
}

static int hung_up(int fd)
{
	struct stats_answer a;
	int report;

	return get(fd, &a, &report) == 0;
}

static void turns(struct rig *r, unsigned int n)
{
	while (n--)
		assert_int_equal(unapi_context_run(r->c, 0), 0);
}

static void is_served(struct rig *r, int fd)
{
	ask(fd);
	turns(r, 3);
	json_decref(get_report(fd));
}

static json_int_t number(const json_t *o, const char *name)
{
	const json_t *value = json_object_get(o, name);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static void holds_everything(void **state)
{
	struct rig *r = *state;
	json_t *report, *context, *napi, *by;
	struct unapi_napi_stats st;
	struct fake f;
	int fd;

	fake_add(&f, r->c, 'a');
	fake_add_vector(&f);
	unapi_napi_set_defer_hard_irqs(&f.n, 3);
	unapi_napi_set_gro_flush_timeout(&f.n, 20000);
	assert_int_equal(napi_enable(&f.n), 0);
	f.backlog = 65;
	fake_interrupt(&f);
	fake_interrupt(&f);
	unapi_context_run(r->c, 0);
	unapi_napi_get_stats(&f.n, &st);
	assert_int_equal(st.work, 65);

	fd = reader(r);
	ask(fd);
	turns(r, 3);
	report = get_report(fd);
	close(fd);
	assert_int_equal(number(report, "version"), STATS_VERSION);
	assert_int_equal(number(report, "pid"), getpid());
	assert_int_equal(number(report, "time_ns"), r->now);
	assert_int_equal(json_array_size(json_object_get(report, "contexts")), 1);
	context = json_array_get(json_object_get(report, "contexts"), 0);
	assert_string_equal(json_string_value(json_object_get(context, "name")), unapi_context_name(r->c));
	assert_int_equal(number(context, "tid"), gettid());
	assert_true(number(context, "cpu_ns") > 0);
	assert_int_equal(number(context, "processed"), 65);
	assert_int_equal(number(context, "netdev_budget"), 300);
	assert_int_equal(json_array_size(json_object_get(context, "instances")), 1);
	napi = json_array_get(json_object_get(context, "instances"), 0);
	assert_string_equal(json_string_value(json_object_get(napi, "name")), "fake-a");
	/* its settings are not those of the mode that it began in */
	assert_string_equal(json_string_value(json_object_get(napi, "mode")), "custom");
	assert_string_equal(json_string_value(json_object_get(napi, "mode_asked")), "interrupt");
	assert_string_equal(json_string_value(json_object_get(napi, "threaded")), "disabled");
	assert_true(json_is_true(json_object_get(napi, "enabled")));
	assert_int_equal(number(napi, "id"), f.n.napi_id);
	assert_int_equal(number(napi, "defer_hard_irqs"), 3);
	assert_int_equal(number(napi, "gro_flush_timeout"), 20000);
	assert_int_equal(number(napi, "interrupts"), 1);
	assert_int_equal(number(napi, "interrupts_raised"), 2);
	assert_int_equal(number(napi, "polls"), 2);
	assert_int_equal(number(napi, "full_polls"), 1);
	assert_int_equal(number(napi, "empty_polls"), 0);
	assert_int_equal(number(napi, "work"), 65);
	assert_int_equal(number(napi, "completions"), 0);
	assert_int_equal(number(napi, "deferred"), 1);
	assert_int_equal(number(napi, "timer_starts"), 1);
	assert_int_equal(number(napi, "timer_fires"), 0);
	by = json_object_get(napi, "polls_by");
	assert_int_equal(number(by, "interrupt"), 2);
	assert_int_equal(number(by, "timer"), 0);
	assert_int_equal(json_object_size(by), UNAPI_NR_CAUSES);
	assert_int_equal(json_object_size(json_object_get(napi, "cpu_ns_by")), UNAPI_NR_CAUSES);
	json_decref(report);
	fake_del(&f);
}

static void counted_from_a_clear(void **state)
{
	struct rig *r = *state;
	struct fake f;
	json_t *napi;
	char *text;

	fake_add(&f, r->c, 'a');
	fake_add_vector(&f);
	assert_int_equal(napi_enable(&f.n), 0);
	for (int i = 0; i < 3; i++) {
		fake_interrupt(&f);
		unapi_context_run(r->c, 0);
		if (i == 1)
			unapi_napi_clear_stats(&f.n);
	}
	text = unapi_napi_report(&f.n);
	napi = json_loads(text, 0, NULL);
	free(text);
	assert_int_equal(number(napi, "interrupts"), 1);
	assert_int_equal(number(napi, "interrupts_raised"), 1);
	assert_int_equal(unapi_napi_irqs_raised(&f.n), 1);
	json_decref(napi);
	fake_del(&f);
}

/* A report lasts 100 ms, for whoever asks. */
static void made_now_and_then(void **state)
{
	struct rig *r = *state;
	int a = reader(r), b = reader(r);
	json_t *first, *second;

	ask(a);
	turns(r, 3);
	first = get_report(a);
	r->now += 99000000;
	ask(b);
	turns(r, 3);
	second = get_report(b);
	assert_int_equal(number(second, "time_ns"), number(first, "time_ns"));
	json_decref(second);
	r->now += 1000000;
	ask(a);
	turns(r, 3);
	second = get_report(a);
	assert_int_equal(number(second, "time_ns"), number(first, "time_ns") + 100000000);
	json_decref(first);
	json_decref(second);
	close(a);
	close(b);
}

static void bad_requests(void **state)
{
	struct stats_request wrong = {.magic = 0x31323334, .protocol = STATS_PROTOCOL};
	char much[sizeof(struct stats_request) + 1] = {0};
	struct rig *r = *state;
	int good = reader(r), bad;

	is_served(r, good);
	for (int i = 0; i < 4; i++) {
		bad = reader(r);
		turns(r, 2);
		if (i == 0)
			assert_int_equal(send(bad, "x", 1, 0), 1);
		if (i == 1)
			assert_int_equal(send(bad, much, sizeof(much), 0), sizeof(much));
		if (i == 2)
			assert_int_equal(send(bad, &wrong, sizeof(wrong), 0), sizeof(wrong));
		if (i == 3)
			assert_int_equal(send(bad, NULL, 0, 0), 0);
		turns(r, 2);
		assert_true(hung_up(bad));
		close(bad);
		is_served(r, good);
	}
	close(good);
}

static void another_protocol(void **state)
{
	struct stats_request q = {.magic = STATS_MAGIC, .protocol = STATS_PROTOCOL + 1};
	struct rig *r = *state;
	struct stats_answer a;
	int fd = reader(r), report;

	assert_int_equal(send(fd, &q, sizeof(q), 0), sizeof(q));
	turns(r, 3);
	assert_int_equal(get(fd, &a, &report), sizeof(a));
	assert_int_equal(a.protocol, STATS_PROTOCOL);
	assert_int_equal(a.error, EPROTO);
	assert_int_equal(report, -1);
	assert_true(hung_up(fd));
	close(fd);
}

/* One that asks and asks and takes no answer is dropped when its queue is full; no turn ever waits for it. */
static void one_that_does_not_listen(void **state)
{
	struct stats_request q = {.magic = STATS_MAGIC, .protocol = STATS_PROTOCOL};
	struct rig *r = *state;
	int good = reader(r), deaf = reader(r);
	unsigned int asked = 0;

	is_served(r, good);
	while (send(deaf, &q, sizeof(q), MSG_NOSIGNAL) == sizeof(q)) {
		assert_true(++asked < 100000);
		turns(r, 2);
	}
	assert_int_equal(errno, EPIPE);
	is_served(r, good);
	close(deaf);
	close(good);
}

/* Of too many the one that has been quiet the longest goes. */
static void too_many(void **state)
{
	struct rig *r = *state;
	int fds[17];

	for (int i = 0; i < 17; i++) {
		r->now += 1000;
		fds[i] = reader(r);
		turns(r, 2);
		if (i == 1) { /* the first is heard again */
			r->now += 1000;
			ask(fds[0]);
			turns(r, 2);
			json_decref(get_report(fds[0]));
		}
	}
	assert_true(hung_up(fds[1]));
	is_served(r, fds[0]);
	is_served(r, fds[16]);
	for (int i = 0; i < 17; i++)
		close(fds[i]);
	turns(r, 20);
	assert_false(fd_readable(unapi_context_fd(r->c)));
}

/* With no descriptor left a reader is turned away, and the context still comes to rest. */
static void no_descriptors(void **state)
{
	struct rig *r = *state;
	int last = reader(r), fd; /* not accepted yet */
	struct rlimit was, none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	fd = dup(0);
	none = was;
	none.rlim_cur = (rlim_t)fd;
	close(fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	turns(r, 3);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_true(hung_up(last));
	close(last);
	assert_false(fd_readable(unapi_context_fd(r->c)));
	last = reader(r);
	is_served(r, last);
	close(last);
}

static void places(void **state)
{
	struct rig *r = *state;
	struct unapi_stats_server *other;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char path[80], name[200];
	struct stat st;
	int fd;

	assert_int_equal(stat(r->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_string_equal(unapi_stats_path(r->server), r->path);
	assert_int_equal(unapi_context_destroy(r->c), -EBUSY);

	/* one that is alive; a file; one that is dead */
	assert_int_equal(unapi_stats_serve(r->c, r->path, &other), -EADDRINUSE);
	snprintf(path, sizeof(path), "%s/other", r->dir);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_int_equal(unapi_stats_serve(r->c, path, &other), -EADDRINUSE);
	assert_int_equal(unlink(path), 0);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_int_equal(unapi_stats_serve(r->c, path, &other), 0);
	assert_int_equal(unapi_stats_stop(other), 0);
	assert_int_equal(access(path, F_OK), -1);

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(unapi_stats_serve(r->c, name, &other), -ENAMETOOLONG);
	assert_int_equal(unapi_stats_serve(r->c, "/nowhere/at/all", &other), -ENOENT);
	assert_non_null(strstr(unapi_reason(), "/nowhere/at/all"));
}

/* The usual place: made if it is not there, and not trusted if others can write to it. */
static void usual_place(void **state)
{
	struct rig *r = *state;
	struct unapi_stats_server *s;
	char dir[48], path[96];

	snprintf(dir, sizeof(dir), "%s/run", r->dir);
	snprintf(path, sizeof(path), "%s/%d.stats", dir, getpid());
	setenv("UNAPI_RUN_DIR", dir, 1);
	assert_int_equal(unapi_stats_serve(r->c, NULL, &s), 0);
	assert_string_equal(unapi_stats_path(s), path);
	assert_int_equal(unapi_stats_stop(s), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(unapi_stats_serve(r->c, NULL, &s), -EPERM);
	assert_non_null(strstr(unapi_reason(), dir));
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(symlink(r->dir, dir), 0);
	assert_int_equal(unapi_stats_serve(r->c, NULL, &s), -EPERM);
	assert_int_equal(unlink(dir), 0);
	unsetenv("UNAPI_RUN_DIR");
}

/* Served by a thread of its own, while contexts and instances come and go. */
static void while_things_change(void **state)
{
	struct rig *r = *state;
	struct unapi_context *other;
	struct fake f;
	int fd;

	unapi_clock_set_virtual(NULL);
	assert_int_equal(unapi_context_start(r->c, -1), 0);
	fd = reader(r);
	fcntl(fd, F_SETFL, 0);
	for (int i = 0; i < 200; i++) {
		ask(fd);
		other = fake_context(0);
		fake_add(&f, other, 'a');
		fake_add_vector(&f);
		assert_int_equal(napi_enable(&f.n), 0);
		free(unapi_stats_report());
		fake_del(&f);
		assert_int_equal(unapi_context_destroy(other), 0);
		json_decref(get_report(fd));
	}
	close(fd);
}

#define test(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(holds_everything), test(counted_from_a_clear), test(made_now_and_then),
		test(bad_requests),	test(another_protocol),	    test(one_that_does_not_listen),
		test(too_many),		test(no_descriptors),	    test(places),
		test(usual_place),	test(while_things_change),
	};

	return cmocka_run_group_tests_name("stats_server", tests, NULL, NULL);
}
