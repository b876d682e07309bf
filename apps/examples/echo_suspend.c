/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * echo_suspend DEVICE - the echo server of echo.c with busy polling and IRQ suspension: under load it takes
 * no interrupts, and idle it sleeps. Ends at SIGINT or SIGTERM with its totals, interrupts among them.
 *
 * The event poll runs the context by itself, polls the device before it sleeps, and keeps interrupts away
 * for as long as each wait finds packets.
 */
#include <unapi/unapi.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>

#define BATCH	 64
#define ENDPOINT 512 /* records */

static struct unapi_endpoint *endpoint;
static struct unapi_txq *txq;

static void check(int rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "echo_suspend: %s: %s\n", what, unapi_reason());
	exit(1);
}

static void check_errno(int rc, const char *what)
{
	if (rc >= 0)
		return;
	perror(what);
	exit(1);
}

/* Back to the sender: its address becomes the destination's. */
static void turn_round(struct unapi_pkt *pkt)
{
	uint8_t *eth = unapi_pkt_data(pkt), mac[6];

	memcpy(mac, eth, 6);
	memcpy(eth, eth + 6, 6);
	memcpy(eth + 6, mac, 6);
}

static void serve(void)
{
	struct unapi_pkt pkts[BATCH];
	unsigned int sent;
	int n, i;

	do {
		n = unapi_endpoint_recv(endpoint, pkts, BATCH, MSG_DONTWAIT);
		check(n, "recv");
		for (i = 0; i < n; i++)
			if (i == 0 || !(pkts[i - 1].flags & UNAPI_PKT_MORE))
				turn_round(&pkts[i]);
		sent = unapi_tx_burst(txq, pkts, (unsigned int)n);
		unapi_pkt_free_bulk(pkts + sent, (unsigned int)n - sent);
	} while (n == BATCH);
}

static int signal_fd(void)
{
	sigset_t sigs;
	int fd;

	sigemptyset(&sigs);
	sigaddset(&sigs, SIGINT);
	sigaddset(&sigs, SIGTERM);
	sigprocmask(SIG_BLOCK, &sigs, NULL);
	fd = signalfd(-1, &sigs, SFD_CLOEXEC);
	check_errno(fd, "signalfd");
	return fd;
}

static void watch(int epfd, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	check_errno(unapi_epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev), "epoll_ctl");
}

int main(int argc, char **argv)
{
	struct unapi_context *ctx;
	struct unapi_dev_conf conf = {.ctx = &ctx, .nr_ctx = 1, .pool_extra = ENDPOINT};
	struct epoll_params params = {.busy_poll_usecs = 200, .busy_poll_budget = 64, .prefer_busy_poll = 1};
	int epfd = unapi_epoll_create1(EPOLL_CLOEXEC), sigfd = signal_fd(), quit = 0, n, i;
	struct epoll_event ev[4];
	struct unapi_napi_stats ns;
	struct unapi_dev_stats st;
	struct net_device *dev;

	if (argc != 2) {
		fprintf(stderr, "usage: echo_suspend DEVICE\n");
		return 2;
	}
	check(unapi_context_create(NULL, &ctx), "context");
	check(unapi_dev_open(argv[1], &dev), argv[1]);
	check(unapi_dev_configure(dev, &conf), "configure");
	check(unapi_dev_set_promisc(dev, true), "promiscuous mode");
	/* While packets keep coming, interrupts are masked: for 20 us at a time by the deferral, or, once the
	 * event poll has found some, for up to 20 ms, which only matters if this program gets stuck. */
	check(unapi_dev_set_napi_defer_hard_irqs(dev, 100), "defer_hard_irqs");
	check(unapi_dev_set_gro_flush_timeout(dev, 20000), "gro_flush_timeout");
	check(unapi_napi_set_irq_suspend_timeout(unapi_dev_rxq_napi(dev, 0), 20000000),
	      "irq_suspend_timeout");
	check(unapi_endpoint_create(dev, 0, ENDPOINT, &endpoint), "endpoint");
	txq = unapi_dev_txq(dev, 0);
	check(unapi_txq_claim(txq, NULL), "claim"); /* this thread sends */
	check_errno(unapi_epoll_ioctl(epfd, EPIOCSPARAMS, &params), "EPIOCSPARAMS");
	watch(epfd, unapi_endpoint_fd(endpoint));
	watch(epfd, sigfd);
	check(unapi_dev_start(dev), "start");
	printf("echoing\n");
	fflush(stdout);

	while (!quit) {
		unapi_txq_sleep(txq); /* what was sent may be cleaned without us */
		n = unapi_epoll_wait(epfd, ev, 4, -1);
		for (i = 0; i < n; i++) {
			if (ev[i].data.fd == sigfd)
				quit = 1;
			else
				serve();
		}
	}

	unapi_napi_get_stats(unapi_dev_rxq_napi(dev, 0), &ns);
	unapi_dev_stop(dev);
	unapi_dev_get_stats(dev, &st);
	printf("rx %" PRIu64 " tx %" PRIu64 " missed %" PRIu64 " errors %" PRIu64 " interrupts %" PRIu64
	       " polls by this thread %" PRIu64 "\n",
	       st.rx_packets, st.tx_packets, st.rx_missed, st.rx_errors + st.tx_errors, ns.irqs,
	       ns.polls_by[UNAPI_CAUSE_APP]);
	unapi_endpoint_destroy(endpoint);
	unapi_epoll_close(epfd);
	unapi_dev_close(dev);
	unapi_context_destroy(ctx);
	return 0;
}
