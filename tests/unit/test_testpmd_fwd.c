/* SPDX-License-Identifier: BSD-3-Clause */
/* testpmd's engines that look into packets. The transmit queue is this file's: it keeps what was sent. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <unapi/netdev.h>
#include <unapi/page_pool.h>

#include "ether.h"
#include "fwd.h"
#include "stream.h"

#define BUFFERS	 16
#define BUF_SIZE 2048

static uint8_t memory[BUFFERS][BUF_SIZE];
static struct unapi_pkt sent[BUFFERS], freed[BUFFERS];
static unsigned int nr_sent, nr_freed, room;

struct unapi_pool_view unapi_pool_views[UNAPI_MAX_POOLS] = {
	{.base = memory[0], .stride = BUF_SIZE, .size = BUF_SIZE},
};

unsigned int unapi_tx_burst(struct unapi_txq *txq, struct unapi_pkt *pkts, unsigned int n)
{
	unsigned int take = 0;

	/* as a queue without TSO: nothing from a super-packet on */
	while (take < n && take < room && !(pkts[take].flags & UNAPI_PKT_GRO))
		take++;
	memcpy(sent + nr_sent, pkts, take * sizeof(*pkts));
	nr_sent += take;
	room -= take;
	return take;
}

void unapi_pkt_free_bulk(const struct unapi_pkt *pkts, unsigned int n)
{
	memcpy(freed + nr_freed, pkts, n * sizeof(*pkts));
	nr_freed += n;
}

static struct stream stream;
static struct unapi_pkt pkts[BUFFERS];

static const uint8_t own[6] = {2, 0, 0, 0, 0, 0xaa}, peer[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t host[6] = {0x52, 0x54, 0, 1, 2, 3}, broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static int fresh(void **state)
{
	memset(memory, 0, sizeof(memory));
	memset(&stream, 0, sizeof(stream));
	memset(pkts, 0, sizeof(pkts));
	memcpy(stream.src, own, 6);
	memcpy(stream.dst, peer, 6);
	nr_sent = nr_freed = 0;
	room = BUFFERS;
	return 0;
}

/* Packet @i, at an odd place in its buffer: nothing may rely on alignment. */
static uint8_t *frame(unsigned int i, const uint8_t *dst, uint16_t type, unsigned int len)
{
	struct ether_head *eth;

	pkts[i] = (struct unapi_pkt){.buf = i, .off = 65, .len = len};
	eth = unapi_pkt_data(&pkts[i]);
	memcpy(eth->dst, dst, 6);
	memcpy(eth->src, host, 6);
	eth->type = htons(type);
	return (uint8_t *)(eth + 1);
}

static uint32_t sum_of(const void *data, unsigned int len)
{
	const uint8_t *b = data;
	uint32_t sum = 0;

	for (unsigned int i = 0; i < len; i += 2)
		sum += b[i] << 8 | (i + 1 < len ? b[i + 1] : 0);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static struct ipv4_head *make_ping(uint8_t *at, unsigned int payload)
{
	struct ipv4_head *ip = (struct ipv4_head *)at;
	struct icmp_head *icmp = (struct icmp_head *)(ip + 1);

	ip->version_ihl = 0x45;
	ip->total_len = htons(sizeof(*ip) + sizeof(*icmp) + payload);
	ip->ttl = 64;
	ip->protocol = IPPROTO_NR_ICMP;
	memcpy(ip->src, (uint8_t[4]){10, 0, 0, 1}, 4);
	memcpy(ip->dst, (uint8_t[4]){10, 0, 0, 2}, 4);
	ip->checksum = htons(~sum_of(ip, sizeof(*ip)));
	icmp->type = 8;
	for (unsigned int i = 0; i < payload; i++)
		((uint8_t *)(icmp + 1))[i] = i * 7;
	icmp->checksum = htons(~sum_of(icmp, sizeof(*icmp) + payload));
	return ip;
}

static void is_answered_ping(const struct ipv4_head *ip, unsigned int payload)
{
	const struct icmp_head *icmp = (const struct icmp_head *)(ip + 1);

	assert_memory_equal(ip->src, ((uint8_t[4]){10, 0, 0, 2}), 4);
	assert_memory_equal(ip->dst, ((uint8_t[4]){10, 0, 0, 1}), 4);
	assert_int_equal(icmp->type, 0);
	/* Both sums come out right over what is there now. */
	assert_int_equal(sum_of(ip, sizeof(*ip)), 0xffff);
	assert_int_equal(sum_of(icmp, sizeof(*icmp) + payload), 0xffff);
}

static void echo_answers_ping(void **state)
{
	for (unsigned int payload = 0; payload < 200; payload++) {
		struct ether_head *eth;
		struct ipv4_head *ip;

		fresh(NULL);
		ip = make_ping(frame(0, own, ETHER_IPV4, 14 + 24 + payload), payload);
		fwd_icmpecho.rx(&stream, pkts, 1);
		assert_int_equal(nr_sent, 1);
		assert_int_equal(nr_freed, 0);
		is_answered_ping(ip, payload);
		eth = unapi_pkt_data(&sent[0]);
		assert_memory_equal(eth->dst, host, 6);
		assert_memory_equal(eth->src, own, 6);
	}
}

static void echo_answers_inside_a_vlan(void **state)
{
	uint8_t *at = frame(0, own, ETHER_VLAN, 14 + 4 + 24 + 8);
	struct ipv4_head *ip;

	((struct vlan_head *)at)->tci = htons(5);
	((struct vlan_head *)at)->type = htons(ETHER_IPV4);
	ip = make_ping(at + 4, 8);
	fwd_icmpecho.rx(&stream, pkts, 1);
	assert_int_equal(nr_sent, 1);
	is_answered_ping(ip, 8);
}

static struct arp_packet *make_arp(unsigned int i)
{
	struct arp_packet *arp = (struct arp_packet *)frame(i, broadcast, ETHER_ARP, 60);

	arp->hardware = htons(1);
	arp->protocol = htons(ETHER_IPV4);
	arp->hardware_len = 6;
	arp->protocol_len = 4;
	arp->operation = htons(1);
	memcpy(arp->sender_mac, host, 6);
	memcpy(arp->sender_ip, (uint8_t[4]){10, 0, 0, 1}, 4);
	memcpy(arp->target_ip, (uint8_t[4]){10, 0, 0, 2}, 4);
	return arp;
}

static void echo_answers_arp(void **state)
{
	struct arp_packet *arp = make_arp(0);
	struct ether_head *eth;

	fwd_icmpecho.rx(&stream, pkts, 1);
	assert_int_equal(nr_sent, 1);
	eth = unapi_pkt_data(&sent[0]);
	assert_memory_equal(eth->dst, host, 6);
	assert_memory_equal(eth->src, own, 6);
	assert_int_equal(ntohs(arp->operation), 2);
	assert_memory_equal(arp->sender_mac, own, 6);
	assert_memory_equal(arp->target_mac, host, 6);
	assert_memory_equal(arp->sender_ip, ((uint8_t[4]){10, 0, 0, 2}), 4);
	assert_memory_equal(arp->target_ip, ((uint8_t[4]){10, 0, 0, 1}), 4);
}

/* What is no question is freed, and left as it was. */
static void echo_frees_the_rest(void **state)
{
	struct ipv4_head *ip;
	unsigned int i = 0;

	frame(i++, own, 0x86dd, 60);
	make_arp(i++)->operation = htons(2);
	make_arp(i++)->hardware_len = 8;
	make_arp(i);
	pkts[i++].len = 14 + 27; /* cut off */
	make_ping(frame(i, own, ETHER_IPV4, 14 + 23), 0);
	i++;
	ip = make_ping(frame(i++, own, ETHER_IPV4, 60), 8);
	((struct icmp_head *)(ip + 1))->type = 0;
	ip = make_ping(frame(i++, own, ETHER_IPV4, 60), 8);
	ip->protocol = 17;
	ip = make_ping(frame(i++, own, ETHER_IPV4, 60), 8);
	ip->version_ihl = 0x44;
	ip = make_ping(frame(i++, own, ETHER_IPV4, 60), 8);
	ip->version_ihl = 0x4f; /* options up to beyond the frame's end */
	ip = make_ping(frame(i++, own, ETHER_IPV4, 60), 8);
	ip->frag_off = htons(0x2000);
	ip = make_ping(frame(i++, own, ETHER_IPV4, 60), 8);
	ip->dst[0] = 224;
	make_ping(frame(i++, broadcast, ETHER_IPV4, 60), 8);
	frame(i, own, ETHER_IPV4, 13);
	i++;
	frame(i++, own, ETHER_VLAN, 17);
	assert_true(i <= BUFFERS);
	fwd_icmpecho.rx(&stream, pkts, i);
	assert_int_equal(nr_sent, 0);
	assert_int_equal(nr_freed, i);
}

static void echo_keeps_order_and_fragments(void **state)
{
	make_ping(frame(0, own, ETHER_IPV4, 60), 8);
	frame(1, own, 0x86dd, 60);
	pkts[1].flags = UNAPI_PKT_MORE;
	frame(2, own, 0x86dd, 60);
	make_ping(frame(3, own, ETHER_IPV4, 60), 8);
	pkts[3].flags = UNAPI_PKT_MORE;
	pkts[4] = (struct unapi_pkt){.buf = 4, .len = 100};
	make_arp(5);
	fwd_icmpecho.rx(&stream, pkts, 6);
	assert_int_equal(nr_sent, 4);
	assert_int_equal(sent[0].buf, 0);
	assert_int_equal(sent[1].buf, 3);
	assert_int_equal(sent[2].buf, 4);
	assert_int_equal(sent[3].buf, 5);
	assert_int_equal(nr_freed, 2);
	assert_int_equal(freed[0].buf, 1);
}

static void mac_writes_addresses(void **state)
{
	struct ether_head *eth;

	frame(0, own, ETHER_IPV4, 60);
	pkts[0].flags = UNAPI_PKT_MORE;
	frame(1, own, ETHER_IPV4, 60); /* the packet's second record: payload, not a header */
	frame(2, own, ETHER_IPV4, 13);
	fwd_mac.rx(&stream, pkts, 3);
	assert_int_equal(nr_sent, 3);
	eth = unapi_pkt_data(&pkts[0]);
	assert_memory_equal(eth->dst, peer, 6);
	assert_memory_equal(eth->src, own, 6);
	for (unsigned int i = 1; i < 3; i++) {
		eth = unapi_pkt_data(&pkts[i]);
		assert_memory_equal(eth->dst, own, 6);
		assert_memory_equal(eth->src, host, 6);
	}
}

static void macswap_swaps(void **state)
{
	struct ether_head *eth;

	frame(0, own, ETHER_IPV4, 60);
	frame(1, own, ETHER_IPV4, 5);
	fwd_macswap.rx(&stream, pkts, 2);
	assert_int_equal(nr_sent, 2);
	eth = unapi_pkt_data(&pkts[0]);
	assert_memory_equal(eth->dst, host, 6);
	assert_memory_equal(eth->src, own, 6);
	eth = unapi_pkt_data(&pkts[1]);
	assert_memory_equal(eth->dst, own, 6);
}

static void full_ring_drops_the_rest(void **state)
{
	for (unsigned int i = 0; i < 6; i++)
		frame(i, own, ETHER_IPV4, 60);
	pkts[4].flags = UNAPI_PKT_MORE;
	room = 2;
	fwd_io.rx(&stream, pkts, 6);
	assert_int_equal(nr_sent, 2);
	assert_int_equal(nr_freed, 4);
	assert_int_equal(freed[0].buf, 2);
	assert_int_equal(stream.dropped, 3); /* packets, not records */
	room = 0;
	fwd_io.rx(&stream, pkts, 1);
	assert_int_equal(stream.dropped, 4);
}

static void rxonly_frees(void **state)
{
	frame(0, own, ETHER_IPV4, 60);
	fwd_rxonly.rx(&stream, pkts, 1);
	assert_int_equal(nr_sent, 0);
	assert_int_equal(nr_freed, 1);
	assert_int_equal(stream.dropped, 0);
}

/* Super-packets are dropped, each counted once; what lies between and behind is sent, and nothing is tried
 * for ever. */
static void io_drops_super_packets(void **state)
{
	static const uint16_t flags[] = {0,
					 UNAPI_PKT_GRO | UNAPI_PKT_MORE,
					 UNAPI_PKT_MORE,
					 0,
					 0,
					 0,
					 UNAPI_PKT_GRO | UNAPI_PKT_MORE,
					 0,
					 UNAPI_PKT_GRO | UNAPI_PKT_MORE,
					 0};

	for (unsigned int n = 6; n <= 10; n += 4)
		for (room = 0; room <= 3; room++) {
			unsigned int had = room, supers = n == 6 ? 1 : 3;

			nr_sent = nr_freed = 0;
			stream.dropped = 0;
			for (unsigned int i = 0; i < n; i++)
				pkts[i] = (struct unapi_pkt){.buf = i, .flags = flags[i], .len = 60};
			fwd_io.rx(&stream, pkts, n);
			assert_int_equal(nr_sent, had);
			assert_int_equal(nr_sent + nr_freed, n);
			for (unsigned int i = 0; i < nr_sent; i++)
				assert_int_equal(sent[i].flags, 0);
			assert_int_equal(stream.dropped, supers + 3 - had);
			room = had;
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(echo_answers_ping, fresh),
		cmocka_unit_test_setup(echo_answers_inside_a_vlan, fresh),
		cmocka_unit_test_setup(echo_answers_arp, fresh),
		cmocka_unit_test_setup(echo_frees_the_rest, fresh),
		cmocka_unit_test_setup(echo_keeps_order_and_fragments, fresh),
		cmocka_unit_test_setup(mac_writes_addresses, fresh),
		cmocka_unit_test_setup(macswap_swaps, fresh),
		cmocka_unit_test_setup(full_ring_drops_the_rest, fresh),
		cmocka_unit_test_setup(rxonly_frees, fresh),
		cmocka_unit_test_setup(io_drops_super_packets, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
