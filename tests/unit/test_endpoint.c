/* SPDX-License-Identifier: BSD-3-Clause */
/* Receive endpoints on a driver without a device: what is in them, when their descriptor is readable, their
 * options, and their place in event polls. */
#include "endpoint_rig.h"

#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static void readable_while_there_is_something(void **state)
{
	struct rig *r = rig_open(0);

	assert_false(readable(r));
	take(r, 10, 0, 0);
	deliver(r, 5);
	assert_true(readable(r));
	take(r, 0, 0, 0);
	take(r, 2, 2, 0);
	assert_true(readable(r)); /* level */
	deliver(r, 1);
	take(r, 4, 4, 2);
	take(r, 4, 0, 0);
	assert_false(readable(r));
	deliver(r, 1);
	assert_true(readable(r));
	take(r, 4, 1, 6);
	assert_false(readable(r)); /* less than was asked for: known to be empty */
	assert_int_equal(xstat(r, "rx_q0_endpoint_drops"), 0);
	rig_close(r);
}

/* While it is readable nobody writes; one wake-up for each time that the reader went to sleep. */
static void one_write(void **state)
{
	struct rig *r = rig_open(0);
	uint64_t count;
	int i;

	for (i = 0; i < 10; i++)
		deliver(r, 3);
	assert_int_equal(read(r->fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 1);
	take(r, 64, 30, 0);
	rig_close(r);
}

static void full(void **state)
{
	struct rig *r = rig_open(5); /* rounded up to 8 */
	struct unapi_rxq_stats st;
	unsigned int i;

	deliver(r, 6);
	deliver(r, 6);
	assert_int_equal(xstat(r, "rx_q0_endpoint_drops"), 4);
	take(r, 3, 3, 0);
	deliver(r, 20); /* three go in */
	assert_int_equal(unapi_dev_get_rxq_stats(r->dev, 0, &st), 0);
	assert_int_equal(st.endpoint_drops, 4 + 17);
	assert_int_equal(st.packets, 32);
	take(r, 5, 5, 3);
	take(r, 5, 3, 12);
	/* round and round */
	for (i = 0; i < 100; i++) {
		deliver(r, 7);
		take(r, 8, 7, 32 + i * 7);
	}
	unapi_dev_clear_stats(r->dev);
	assert_int_equal(xstat(r, "rx_q0_endpoint_drops"), 0);
	rig_close(r);
}

/* The filler's side alone, with packets of several records. */
static void whole_packets_only(void **state)
{
	struct rig *r = rig_open(8);
	struct rx_queue *q = r->e->rxq;
	struct unapi_pkt pkts[16];
	struct page_pool *pool;
	unsigned int i;

	assert_int_equal(unapi_page_pool_create(64, -1, &pool), 0);
	assert_int_equal(unapi_pkt_alloc_bulk(pool, pkts, 12), 12);
	for (i = 0; i < 12; i++) {
		pkts[i].vlan = (uint16_t)i;
		pkts[i].flags = i % 3 == 2 ? 0 : UNAPI_PKT_MORE;
	}
	q->rx_fn(q->rx_arg, pkts, NULL, 12); /* two of four fit */
	assert_int_equal(xstat(r, "rx_q0_endpoint_drops"), 2);
	assert_true(readable(r));
	assert_int_equal(unapi_endpoint_recv(r->e, pkts, 2, MSG_DONTWAIT), -EMSGSIZE);
	take(r, 5, 3, 0);
	assert_true(readable(r));
	take(r, 3, 3, 3);
	take(r, 3, 0, 0);
	assert_false(readable(r));
	assert_int_equal(unapi_page_pool_destroy(pool), 0);
	rig_close(r);
}

/* What the device says of a record stays with it, round the ring, with drops and without being asked for. */
static void metadata(void **state)
{
	struct unapi_rx_meta meta[16] = {{0}}, got[16];
	struct unapi_pkt pkts[16];
	struct page_pool *pool;
	struct rig *r = &rig;
	struct rx_queue *q;
	unsigned int round, i;
	int n;

	open_dev(r);
	assert_int_equal(unapi_endpoint_create(r->dev, 0, 8, &r->e), 0);
	assert_int_equal(unapi_endpoint_recv_meta(r->e, pkts, got, 1, MSG_DONTWAIT), -EOPNOTSUPP);
	assert_int_equal(unapi_endpoint_destroy(r->e), 0);
	assert_int_equal(unapi_dev_configure(
				 r->dev,
				 &(struct unapi_dev_conf){
					 .rxq = 1, .txq = 1, .ctx = &r->ctx, .nr_ctx = 1, .rx_meta = true}),
			 0);
	assert_int_equal(unapi_endpoint_create(r->dev, 0, 8, &r->e), 0);
	assert_int_equal(unapi_page_pool_create(64, -1, &pool), 0);
	q = r->e->rxq;
	for (round = 0; round < 5; round++) {
		assert_int_equal(unapi_pkt_alloc_bulk(pool, pkts, 10), 10);
		for (i = 0; i < 10; i++) {
			pkts[i].vlan = (uint16_t)(round * 10 + i);
			pkts[i].flags = 0;
			meta[i].rss_hash = 1000 + round * 10 + i;
			meta[i].pkt_info = (uint16_t)~i;
		}
		q->rx_fn(q->rx_arg, pkts, meta, 10); /* two do not fit */
		take(r, 3, 3, round * 10);
		memset(got, 0, sizeof(got));
		n = unapi_endpoint_recv_meta(r->e, pkts, got, 16, MSG_DONTWAIT);
		assert_int_equal(n, 5);
		for (i = 0; i < 5; i++) {
			assert_int_equal(got[i].rss_hash, 1000 + pkts[i].vlan);
			assert_int_equal(got[i].pkt_info, (uint16_t) ~(3 + i));
		}
		assert_int_equal(got[5].rss_hash, 0);
		unapi_pkt_free_bulk(pkts, 5);
	}
	assert_int_equal(unapi_endpoint_recv_meta(r->e, pkts, got, 16, MSG_DONTWAIT), 0);
	assert_int_equal(unapi_page_pool_destroy(pool), 0);
	assert_int_equal(unapi_dev_start(r->dev), 0);
	rig_close(r);
}

static void wrong_use(void **state)
{
	struct rig *r = &rig;
	struct unapi_endpoint *e;
	struct unapi_pkt p;

	open_dev(r);
	assert_int_equal(unapi_endpoint_create(r->dev, 2, 0, &e), -EINVAL);
	assert_int_equal(unapi_endpoint_create(r->dev, 0, (1u << 20) + 1, &e), -EINVAL);
	assert_int_equal(unapi_endpoint_create(r->dev, 0, 1, &r->e), 0);
	assert_int_equal(unapi_endpoint_create(r->dev, 0, 1, &e), -EBUSY);
	assert_int_equal(unapi_dev_set_rx(r->dev, 0, NULL, NULL), -EBUSY);
	assert_int_equal(unapi_endpoint_recv(r->e, &p, 1, MSG_PEEK), -EINVAL);
	assert_int_equal(unapi_dev_start(r->dev), 0);
	assert_int_equal(unapi_endpoint_create(r->dev, 1, 0, &e), -EBUSY);
	assert_int_equal(unapi_endpoint_destroy(r->e), -EBUSY);
	deliver(r, 1);
	take(r, 1, 1, 0); /* it has gone on */
	assert_int_equal(unapi_endpoint_destroy(NULL), 0);
	rig_close(r);
}

/* The queue goes away: what is there can be had still, and who waits is woken. */
static void queue_goes_away(void **state)
{
	struct rig *r = rig_open(0);
	struct unapi_pkt p;

	deliver(r, 2);
	assert_int_equal(unapi_dev_stop(r->dev), 0);
	configure(r);
	take(r, 1, 1, 0);
	assert_true(readable(r));
	assert_int_equal(unapi_endpoint_recv(r->e, &p, 1, 0), 1);
	unapi_pkt_free_bulk(&p, 1);
	assert_int_equal(unapi_endpoint_recv(r->e, &p, 1, MSG_DONTWAIT), -ENODEV);
	assert_int_equal(unapi_endpoint_recv(r->e, &p, 1, 0), -ENODEV);
	assert_false(readable(r));
	/* the new queue may have one */
	assert_int_equal(unapi_endpoint_destroy(r->e), 0);
	assert_int_equal(unapi_endpoint_create(r->dev, 0, 0, &r->e), 0);
	r->fd = unapi_endpoint_fd(r->e);
	assert_int_equal(unapi_dev_start(r->dev), 0);
	deliver(r, 1);
	take(r, 10, 1, 2);
	rig_close(r);
}

/* What is left goes back to its pool. */
static void destroyed_full(void **state)
{
	struct rig *r = rig_open(512);
	int i;

	for (i = 0; i < 4; i++)
		deliver(r, 60);
	assert_int_equal(inflight(r), 240);
	rig_close(r);
}

static int option(struct rig *r, int name)
{
	int val = -1;
	socklen_t len = sizeof(val);

	assert_int_equal(unapi_getsockopt(r->fd, SOL_SOCKET, name, &val, &len), 0);
	assert_int_equal(len, sizeof(val));
	return val;
}

static int set(struct rig *r, int name, int val)
{
	return unapi_setsockopt(r->fd, SOL_SOCKET, name, &val, sizeof(val)) ? errno : 0;
}

static void net_admin(bool on)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	if (on)
		data[0].effective |= data[0].permitted & CAP_TO_MASK(CAP_NET_ADMIN);
	else
		data[0].effective &= ~CAP_TO_MASK(CAP_NET_ADMIN);
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
}

/* The answers of Linux 7.2.12. */
static void options(void **state)
{
	struct rig *r;
	socklen_t len = 4;
	int val;

	assert_int_equal(unapi_set_busy_read(1u << 31), -EINVAL);
	assert_int_equal(unapi_set_busy_read(33), 0);
	r = rig_open(0);
	assert_int_equal(option(r, SO_BUSY_POLL), 33);
	assert_int_equal(unapi_set_busy_read(0), 0);
	assert_int_equal(unapi_busy_read(), 0);

	assert_int_equal(option(r, SO_INCOMING_NAPI_ID), 0);
	deliver(r, 1);
	assert_int_equal(option(r, SO_INCOMING_NAPI_ID), r->n->napi_id);
	assert_int_equal(set(r, SO_INCOMING_NAPI_ID, 1), ENOPROTOOPT);

	net_admin(false);
	assert_int_equal(set(r, SO_BUSY_POLL, INT32_MAX), 0);
	assert_int_equal(option(r, SO_BUSY_POLL), INT32_MAX);
	assert_int_equal(set(r, SO_BUSY_POLL, -1), EINVAL);
	assert_int_equal(set(r, SO_BUSY_POLL, 0), 0);
	assert_int_equal(set(r, SO_PREFER_BUSY_POLL, 1), EPERM);
	assert_int_equal(set(r, SO_PREFER_BUSY_POLL, 0), 0);
	assert_int_equal(set(r, SO_BUSY_POLL_BUDGET, 1), EPERM);
	assert_int_equal(set(r, SO_BUSY_POLL_BUDGET, 65536), EPERM);
	assert_int_equal(set(r, SO_BUSY_POLL_BUDGET, -1), EINVAL);
	net_admin(true);
	if (user_net_admin()) {
		assert_int_equal(set(r, SO_PREFER_BUSY_POLL, 7), 0);
		assert_int_equal(option(r, SO_PREFER_BUSY_POLL), 1);
		assert_int_equal(set(r, SO_BUSY_POLL_BUDGET, 65536), EINVAL);
		assert_int_equal(set(r, SO_BUSY_POLL_BUDGET, 65535), 0);
		net_admin(false);
		assert_int_equal(set(r, SO_BUSY_POLL_BUDGET, 100), 0); /* lower */
		assert_int_equal(set(r, SO_BUSY_POLL_BUDGET, 101), EPERM);
		net_admin(true);
	}
	assert_int_equal(unapi_getsockopt(r->fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, &val, &len), -1);
	assert_int_equal(errno, ENOPROTOOPT);
	assert_int_equal(set(r, SO_RCVBUF, 1), ENOPROTOOPT);
	rig_close(r);
}

static void options_with_bad_pointers(void **state)
{
	struct rig *r = rig_open(0);
	void *ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int val = 0, udp;
	socklen_t len = 4;

	assert_int_equal(unapi_setsockopt(r->fd, SOL_SOCKET, SO_BUSY_POLL, &val, 1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(unapi_setsockopt(r->fd, SOL_SOCKET, SO_BUSY_POLL, NULL, 4), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(unapi_setsockopt(r->fd, IPPROTO_TCP, SO_BUSY_POLL, &val, 4), -1);
	assert_int_equal(errno, ENOPROTOOPT);
	assert_int_equal(unapi_getsockopt(r->fd, IPPROTO_TCP, SO_BUSY_POLL, &val, &len), -1);
	assert_int_equal(errno, ENOPROTOOPT);
	assert_int_equal(unapi_getsockopt(r->fd, SOL_SOCKET, SO_BUSY_POLL, &val, NULL), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(unapi_getsockopt(r->fd, SOL_SOCKET, SO_BUSY_POLL, ro, &len), -1);
	assert_int_equal(errno, EFAULT);
	len = (socklen_t)-1;
	assert_int_equal(unapi_getsockopt(r->fd, SOL_SOCKET, SO_BUSY_POLL, &val, &len), -1);
	assert_int_equal(errno, EINVAL);
	val = -1;
	len = 2; /* as much as there is room for */
	assert_int_equal(unapi_getsockopt(r->fd, SOL_SOCKET, SO_BUSY_POLL, &val, &len), 0);
	assert_int_equal(val, (int)0xffff0000);
	assert_int_equal(len, 2);
	munmap(ro, 4096);

	/* other descriptors are the kernel's */
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	val = 4096;
	assert_int_equal(unapi_setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &val, sizeof(val)), 0);
	len = sizeof(val);
	assert_int_equal(unapi_getsockopt(udp, SOL_SOCKET, SO_RCVBUF, &val, &len), 0);
	assert_true(val >= 4096);
	close(udp);
	assert_int_equal(unapi_setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &val, sizeof(val)), -1);
	assert_int_equal(errno, EBADF);
	rig_close(r);
}

static struct unapi_napi_stats stats(struct rig *r)
{
	struct unapi_napi_stats st;

	unapi_napi_get_stats(r->n, &st);
	return st;
}

/* SO_BUSY_POLL: a receiver that need not wait polls once, and nobody writes the descriptor meanwhile. */
static void busy_poll_once(void **state)
{
	struct rig *r = rig_open(0);
	uint64_t polls, count;

	assert_int_equal(set(r, SO_BUSY_POLL, 50), 0);
	take(r, 8, 0, 0); /* nobody to poll yet */
	assert_int_equal(stats(r).polls, 0);
	deliver(r, 1);
	take(r, 8, 1, 0);
	polls = stats(r).polls;
	arrive(r, 3);
	take(r, 8, 3, 1);
	assert_int_equal(stats(r).polls - polls, 2); /* the loop's, and its stop's */
	assert_int_equal(read(r->fd, &count, sizeof(count)), -1);
	/* more than it was asked for: now it is readable */
	arrive(r, 5);
	take(r, 2, 2, 4);
	assert_true(readable(r));
	take(r, 8, 3, 6);
	/* packets that are there are taken without a poll */
	deliver(r, 2);
	polls = stats(r).polls;
	take(r, 2, 2, 9);
	assert_int_equal(stats(r).polls, polls);
	rig_close(r);
}

static struct rig *poll_rig;
static unsigned int poll_rounds;

static void time_passes(struct net_device *dev)
{
	now += 10 * 1024;
	if (++poll_rounds < 4)
		((struct fake_nic *)netdev_priv(dev))->in_poll = time_passes;
	else
		fake_nic_deliver(poll_rig->dev, 0, 2);
}

/* One that may wait polls for the time, or until there is something. */
static void busy_poll_for_a_time(void **state)
{
	struct rig *r = rig_open(0);
	struct unapi_pkt pkts[8];
	uint64_t polls;

	poll_rig = r;
	poll_rounds = 0;
	assert_int_equal(set(r, SO_BUSY_POLL, 1000), 0);
	deliver(r, 1);
	take(r, 8, 1, 0);
	polls = stats(r).polls;
	((struct fake_nic *)netdev_priv(r->dev))->in_poll = time_passes;
	assert_int_equal(unapi_endpoint_recv(r->e, pkts, 8, 0), 2);
	unapi_pkt_free_bulk(pkts, 2);
	assert_in_range(stats(r).polls - polls, 4, 6);
	assert_int_equal(poll_rounds, 4);
	run(r);
	rig_close(r);
}

/* An event poll polls the instance that filled the endpoint. */
static void in_an_event_poll(void **state)
{
	struct rig *r = rig_open(0);
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = r->e};
	struct epoll_params params = {.prefer_busy_poll = 1};
	int epfd = unapi_epoll_create1(EPOLL_CLOEXEC);
	uint64_t before;

	assert_int_equal(unapi_epoll_ctl(epfd, EPOLL_CTL_ADD, r->fd, &ev), 0);
	assert_int_equal(unapi_epoll_ioctl(epfd, EPIOCSPARAMS, &params), 0);
	fake_nic_deliver(r->dev, 0, 2);
	assert_int_equal(unapi_epoll_wait(epfd, &ev, 1, -1), 1);
	assert_ptr_equal(ev.data.ptr, r->e);
	take(r, 8, 2, 0);
	before = stats(r).polls_by[UNAPI_CAUSE_APP];
	arrive(r, 20);
	assert_int_equal(unapi_epoll_wait(epfd, &ev, 1, -1), 1);
	assert_true(stats(r).polls_by[UNAPI_CAUSE_APP] > before);
	while (unapi_epoll_wait(epfd, &ev, 1, 0))
		take(r, 64, (int)(r->e->tail - r->e->head), r->e->head);
	assert_int_equal(r->e->head, 22);
	/* closed while it is in the set, and its device with it */
	assert_int_equal(unapi_dev_stop(r->dev), 0);
	assert_int_equal(unapi_endpoint_destroy(r->e), 0);
	r->e = NULL;
	assert_int_equal(unapi_epoll_wait(epfd, &ev, 1, 1), 0);
	assert_int_equal(unapi_epoll_close(epfd), 0);
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readable_while_there_is_something),
		cmocka_unit_test(one_write),
		cmocka_unit_test(full),
		cmocka_unit_test(whole_packets_only),
		cmocka_unit_test(metadata),
		cmocka_unit_test(wrong_use),
		cmocka_unit_test(queue_goes_away),
		cmocka_unit_test(destroyed_full),
		cmocka_unit_test(options),
		cmocka_unit_test(options_with_bad_pointers),
		cmocka_unit_test(busy_poll_once),
		cmocka_unit_test(busy_poll_for_a_time),
		cmocka_unit_test(in_an_event_poll),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
