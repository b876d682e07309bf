/* SPDX-License-Identifier: BSD-3-Clause */
/* unapi-napi-top: rates out of two reports, how they are shown, and processes that answer badly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/stats/protocol.h"
#include "napi_top.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Reports of one context, at @s seconds, with single quotes for double ones. */
static json_t *report(unsigned int s, const char *context, const char *instances)
{
	char text[4096];
	json_t *o;

	snprintf(text, sizeof(text),
		 "{'version':1,'program':'prog','pid':77,'time_ns':%u000000000,'contexts':[{'name':'one','"
		 "tid':5,%s,"
		 "'instances':[%s]}]}",
		 s, context, instances);
	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	o = json_loads(text, 0, NULL);
	assert_non_null(o);
	return o;
}

static void is_about(double got, double wanted)
{
	assert_true(got > wanted - 0.001 && got < wanted + 0.001);
}

#define NAPI(name, id, irqs, polls, empty, work, cpu)                                                        \
	"{'name':'" name "','id':" #id                                                                       \
	",'enabled':true,'mode':'interrupt','mode_asked':'interrupt','threaded':"                            \
	"'disabled','interrupts':" #irqs ",'polls':" #polls ",'empty_polls':" #empty ",'work':" #work        \
	",'timer_fires':" #irqs ",'cpu_ns_by':{'interrupt':" #cpu ",'timer':0,'watchdog':0,'application':0," \
	"'thread':0,'mode_switch':0}}"

static void rates(void **state)
{
	json_t *a = report(10, "'cpu_ns':1000000000,'waits':7,'wakeups':0,'time_squeeze':0",
			   NAPI("x-0", 8193, 100, 1000, 500, 10000, 500000000));
	json_t *b = report(12, "'cpu_ns':2000000000,'waits':27,'wakeups':4,'time_squeeze':2",
			   NAPI("x-0", 8193, 300, 2000, 700, 26000, 1100000000));
	struct top t;

	assert_int_equal(top_between(&t, a, b, SORT_CPU), 0);
	is_about(t.seconds, 2);
	assert_int_equal(t.nr_contexts, 1);
	is_about(t.contexts[0].cpu, 50);
	is_about(t.contexts[0].cpu_by[BY_INTERRUPT], 30);
	is_about(t.contexts[0].other, 20);
	is_about(t.contexts[0].waits, 10);
	is_about(t.contexts[0].wakeups, 2);
	is_about(t.contexts[0].squeezes, 1);
	is_about(t.contexts[0].packets, 8000);
	assert_int_equal(t.contexts[0].nr_napis, 1);
	is_about(t.contexts[0].napis[0].interrupts, 100);
	is_about(t.contexts[0].napis[0].polls, 500);
	is_about(t.contexts[0].napis[0].empty, 20);
	is_about(t.contexts[0].napis[0].packets, 8000);
	is_about(t.contexts[0].napis[0].per_poll, 20);
	is_about(t.contexts[0].napis[0].timers, 100);
	is_about(t.contexts[0].napis[0].cpu, 30);
	top_free(&t);

	/* the thread got the CPU for a third of the time that its polls took */
	json_object_set_new(json_array_get(json_object_get(b, "contexts"), 0), "cpu_ns",
			    json_integer(1200000000));
	assert_int_equal(top_between(&t, a, b, SORT_CPU), 0);
	is_about(t.contexts[0].cpu, 10);
	is_about(t.contexts[0].cpu_by[BY_INTERRUPT], 10);
	is_about(t.contexts[0].napis[0].cpu, 10);
	is_about(t.contexts[0].napis[0].cpu_by[BY_INTERRUPT], 10);
	is_about(t.contexts[0].other, 0);
	top_free(&t);

	/* the same report twice has no rates, nor has one of before */
	assert_int_equal(top_between(&t, b, b, SORT_CPU), -1);
	json_decref(a);
	json_decref(b);
}

/* Counters that were cleared, instances that are new, devices of one name in another order, a poll that began
 * between two counters' reading. */
static void changes(void **state)
{
	json_t *a = report(1, "'cpu_ns':5",
			   NAPI("x-0", 9, 100, 100, 0, 100, 0) "," NAPI("x-0", 8, 50, 50, 0, 50, 0));
	json_t *b = report(2, "'cpu_ns':5",
			   NAPI("x-0", 8, 51, 53, 0, 54, 0) "," NAPI("x-0", 9, 7, 7, 8, 7,
								     0) "," NAPI("new", 10, 3, 3, 0, 3, 0));
	const struct napi_rates *n;
	struct top t;

	assert_int_equal(top_between(&t, a, b, SORT_NAME), 0);
	assert_int_equal(t.contexts[0].nr_napis, 3);
	n = &t.contexts[0].napis[0];
	assert_string_equal(json_string_value(json_object_get(n->now, "name")), "new");
	is_about(n->packets, 3);
	for (unsigned int i = 1; i < 3; i++) {
		n = &t.contexts[0].napis[i];
		if (json_integer_value(json_object_get(n->now, "id")) == 8) {
			is_about(n->interrupts, 1);
			is_about(n->packets, 4);
		} else {
			is_about(n->interrupts, 7);
			is_about(n->empty, 100);
		}
	}
	top_free(&t);
	json_decref(a);
	json_decref(b);
}

static void sorted(void **state)
{
	static const struct {
		enum sort_key key;
		const char *order;
	} wanted[] = {{SORT_CPU, "bac"},
		      {SORT_PACKETS, "cab"},
		      {SORT_INTERRUPTS, "acb"},
		      {SORT_POLLS, "cba"},
		      {SORT_NAME, "abc"}};
	json_t *a = report(1, "'cpu_ns':5", "");
	json_t *b = report(
		2, "'cpu_ns':5",
		NAPI("c", 1, 2, 9, 0, 9, 1) "," NAPI("a", 2, 3, 1, 0, 8, 2) "," NAPI("b", 3, 1, 2, 0, 7, 3));
	struct top t;

	for (unsigned int i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		assert_int_equal(top_between(&t, a, b, wanted[i].key), 0);
		for (unsigned int n = 0; n < 3; n++)
			assert_int_equal(
				json_string_value(json_object_get(t.contexts[0].napis[n].now, "name"))[0],
				wanted[i].order[n]);
		top_free(&t);
	}
	json_decref(a);
	json_decref(b);
}

static char *shown(const struct top *t, unsigned int columns, unsigned int lines, bool as_json)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (as_json)
		show_json(f, t);
	else
		show_table(f, t, columns, lines);
	fclose(f);
	return text;
}

static void table_and_json(void **state)
{
	json_t *a = report(1, "'cpu_ns':5", ""), *o, *napi;
	json_t *b = report(3, "'cpu_ns':5",
			   NAPI("evil\\u001b[2J-a-device-of-a-very-long-name-0", 8193, 2, 9, 0, 90,
				1) "," NAPI("a", 2, 3, 1, 0, 8, 2));
	struct top t;
	char *text;

	assert_int_equal(top_between(&t, a, b, SORT_PACKETS), 0);
	text = shown(&t, 0, 0, false);
	assert_non_null(strstr(text, "prog (77): 2.00 s"));
	assert_non_null(strstr(text, "very-long-name-0 8193"));
	assert_null(strchr(text, '\033'));
	free(text);
	text = shown(&t, 20, 2, false);
	assert_true(strlen(text) <= 2 * 21);
	assert_int_equal(text[strlen(text) - 1], '\n');
	free(text);

	text = shown(&t, 0, 0, true);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	o = json_loads(text, 0, NULL);
	free(text);
	assert_int_equal(json_integer_value(json_object_get(o, "pid")), 77);
	is_about(json_number_value(json_object_get(o, "interval_s")), 2);
	napi = json_array_get(json_object_get(json_array_get(json_object_get(o, "contexts"), 0), "instances"),
			      0);
	is_about(json_number_value(json_object_get(napi, "packets_per_s")), 45);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(napi, "total"), "work")), 90);
	json_decref(o);
	top_free(&t);
	json_decref(a);
	json_decref(b);
}

/* A process that answers what the test wants. */
struct liar {
	char dir[32], path[64];
	int listener;
	pthread_t thread;
	struct stats_answer answer;
	size_t answer_size;
	const char *report; /* NULL: no descriptor */
	int seals;
};

static void *lie(void *arg)
{
	struct liar *l = arg;
	struct iovec iov = {.iov_base = &l->answer, .iov_len = l->answer_size};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)),
			      .cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS}};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int fd = accept(l->listener, NULL, NULL), mem = -1;
	char request[64];

	if (recv(fd, request, sizeof(request), 0) > 0 && l->answer_size) {
		if (l->report) {
			mem = memfd_create("lie", MFD_CLOEXEC | MFD_ALLOW_SEALING);
			if (write(mem, l->report, strlen(l->report)) < 0)
				abort();
			fcntl(mem, F_ADD_SEALS, l->seals);
			memcpy(CMSG_DATA(&control.head), &mem, sizeof(mem));
			msg.msg_control = &control;
			msg.msg_controllen = sizeof(control.room);
		}
		sendmsg(fd, &msg, MSG_NOSIGNAL);
	}
	close(fd);
	if (mem >= 0)
		close(mem);
	return NULL;
}

#define ALL_SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)

/* What is said of a process that answers so; "" if nothing is wrong. */
static const char *said_of(struct liar *l)
{
	static char why[512];
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct source s;
	json_t *o;

	strcpy(l->dir, "/tmp/unapi-test-XXXXXX");
	assert_non_null(mkdtemp(l->dir));
	snprintf(l->path, sizeof(l->path), "%s/s", l->dir);
	memcpy(addr.sun_path, l->path, sizeof(l->path));
	l->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(l->listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(l->listener, 1), 0);
	assert_int_equal(pthread_create(&l->thread, NULL, lie, l), 0);
	assert_int_equal(source_open(&s, l->path, 0, why, sizeof(why)), 0);
	assert_int_equal(s.pid, getpid());
	o = source_report(&s, why, sizeof(why));
	if (o)
		why[0] = '\0';
	else
		assert_true(strlen(why) > 0 && !strchr(why, '\n'));
	json_decref(o);
	source_close(&s);
	pthread_join(l->thread, NULL);
	close(l->listener);

	/* and of one that is gone */
	assert_int_equal(source_open(&s, l->path, 0, (char[512]){0}, 512), -1);
	assert_int_equal(unlink(l->path), 0);
	assert_int_equal(rmdir(l->dir), 0);
	return why;
}

static void told(const char *report_text, uint32_t magic, uint32_t protocol, int error, size_t size,
		 int seals, const char *about)
{
	struct liar l = {.answer = {.magic = magic,
				    .protocol = protocol,
				    .error = error,
				    .size = report_text ? (uint32_t)strlen(report_text) : 0},
			 .answer_size = size,
			 .report = report_text,
			 .seals = seals};
	const char *why = said_of(&l);

	if (about[0] ? !strstr(why, about) : why[0])
		fail_msg("\"%s\" is said, not something about \"%s\"", why, about);
}

static void liars(void **state)
{
	const char *good = "{\"version\":1,\"contexts\":[]}", *newer = "{\"version\":2,\"contexts\":[]}";
	const size_t whole = sizeof(struct stats_answer);

	told(good, STATS_MAGIC, STATS_PROTOCOL, 0, whole, ALL_SEALS, "");
	told(good, STATS_MAGIC, STATS_PROTOCOL, 0, 0, ALL_SEALS, "has ended");
	told(good, 1, STATS_PROTOCOL, 0, whole, ALL_SEALS, "not unapi's");
	told(good, STATS_MAGIC, STATS_PROTOCOL, 0, whole - 1, ALL_SEALS, "not unapi's");
	told(NULL, STATS_MAGIC, STATS_PROTOCOL + 1, EPROTO, whole, 0,
	     "another unapi release (protocol 2, not 1)");
	told(newer, STATS_MAGIC, STATS_PROTOCOL, 0, whole, ALL_SEALS,
	     "another unapi release (report version 2, not 1)");
	told(NULL, STATS_MAGIC, STATS_PROTOCOL, ENOMEM, whole, 0, "makes no report: Cannot allocate memory");
	told(NULL, STATS_MAGIC, STATS_PROTOCOL, 0, whole, 0, "cannot be read");
	told("{\"version\":1", STATS_MAGIC, STATS_PROTOCOL, 0, whole, ALL_SEALS, "cannot be read");
	told("[]", STATS_MAGIC, STATS_PROTOCOL, 0, whole, ALL_SEALS, "cannot be read");
	/* it could change or shrink while it is read */
	told(good, STATS_MAGIC, STATS_PROTOCOL, 0, whole, F_SEAL_WRITE, "cannot be read");
}

static void nowhere(void **state)
{
	char dir[] = "/tmp/unapi-test-XXXXXX", stale[64], why[512];
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct source s;
	int fd;

	assert_non_null(mkdtemp(dir));
	setenv("UNAPI_RUN_DIR", dir, 1);
	assert_int_equal(source_open(&s, NULL, 0, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "no process serves statistics in"));
	assert_int_equal(source_open(&s, NULL, getpid(), why, sizeof(why)), -1);
	assert_non_null(strstr(why, "serves no statistics"));
	assert_int_equal(source_open(&s, "/nowhere/x", 0, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "/nowhere/x is not there"));

	/* What a process that was killed has left is said, and taken away: no process has such an id. */
	snprintf(stale, sizeof(stale), "%s/4194305.stats", dir);
	memcpy(addr.sun_path, stale, sizeof(stale));
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_int_equal(source_open(&s, NULL, 0, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "has ended"));
	assert_int_equal(access(stale, F_OK), -1);
	unsetenv("UNAPI_RUN_DIR");
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates), cmocka_unit_test(changes),	   cmocka_unit_test(sorted),
		cmocka_unit_test(liars), cmocka_unit_test(table_and_json), cmocka_unit_test(nowhere),
	};

	return cmocka_run_group_tests_name("napi_top", tests, NULL, NULL);
}
