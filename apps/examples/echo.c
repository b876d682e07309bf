/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * echo DEVICE - send every packet back to where it came from, in a plain epoll(7) loop. Ends at SIGINT or
 * SIGTERM with its totals.
 *
 * The loop waits for three descriptors: the context's, for which it runs the context; the endpoint's, from
 * which it takes packets; and one for signals.
 */
#include <unapi/unapi.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#define BATCH	 32
#define ENDPOINT 512 /* records */

static struct unapi_endpoint *endpoint;
static struct unapi_txq *txq;

static void check(int rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "echo: %s: %s\n", what, unapi_reason());
	exit(1);
}

static void check_errno(int rc, const char *what)
{
	if (rc >= 0)
		return;
	perror(what);
	exit(1);
}

static void watch(int epfd, int fd, void (*fn)(void))
{
	struct epoll_event ev = {.events = EPOLLIN};

	memcpy(&ev.data, &fn, sizeof(fn));
	check_errno(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev), "epoll_ctl");
}

/* Back to the sender: its address becomes the destination's. */
static void turn_round(struct unapi_pkt *pkt)
{
	uint8_t *eth = unapi_pkt_data(pkt), mac[6];

	memcpy(mac, eth, 6);
	memcpy(eth, eth + 6, 6);
	memcpy(eth + 6, mac, 6);
}

/* The endpoint is readable. */
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

static struct unapi_context *ctx;
static int quit;

/* The context has interrupts, timers or queued instances to see to. */
static void run_context(void)
{
	check(unapi_context_run(ctx, 0), "run");
}

static void on_signal(void)
{
	quit = 1;
}

int main(int argc, char **argv)
{
	struct unapi_dev_conf conf = {.ctx = &ctx, .nr_ctx = 1, .pool_extra = ENDPOINT};
	int epfd = epoll_create1(EPOLL_CLOEXEC), sigfd, n, i;
	struct epoll_event ev[4];
	struct unapi_dev_stats st;
	struct net_device *dev;
	void (*fn)(void);
	sigset_t sigs;

	if (argc != 2) {
		fprintf(stderr, "usage: echo DEVICE\n");
		return 2;
	}
	sigemptyset(&sigs);
	sigaddset(&sigs, SIGINT);
	sigaddset(&sigs, SIGTERM);
	sigprocmask(SIG_BLOCK, &sigs, NULL);
	sigfd = signalfd(-1, &sigs, SFD_CLOEXEC);
	check_errno(sigfd, "signalfd");

	check(unapi_context_create(NULL, &ctx), "context");
	check(unapi_dev_open(argv[1], &dev), argv[1]);
	check(unapi_dev_configure(dev, &conf), "configure");
	check(unapi_dev_set_promisc(dev, true), "promiscuous mode");
	check(unapi_endpoint_create(dev, 0, ENDPOINT, &endpoint), "endpoint");
	txq = unapi_dev_txq(dev, 0);
	check(unapi_txq_claim(txq, NULL), "claim"); /* this thread sends */
	watch(epfd, unapi_context_fd(ctx), run_context);
	watch(epfd, unapi_endpoint_fd(endpoint), serve);
	watch(epfd, sigfd, on_signal);
	check(unapi_dev_start(dev), "start");
	printf("echoing\n");
	fflush(stdout);

	while (!quit) {
		unapi_txq_sleep(txq); /* what was sent may be cleaned without us */
		n = epoll_wait(epfd, ev, 4, -1);
		for (i = 0; i < n; i++) {
			memcpy(&fn, &ev[i].data, sizeof(fn));
			fn();
		}
	}

	unapi_dev_stop(dev);
	unapi_dev_get_stats(dev, &st);
	printf("rx %" PRIu64 " tx %" PRIu64 " missed %" PRIu64 " errors %" PRIu64 "\n", st.rx_packets,
	       st.tx_packets, st.rx_missed, st.rx_errors + st.tx_errors);
	unapi_endpoint_destroy(endpoint);
	unapi_dev_close(dev);
	unapi_context_destroy(ctx);
	return 0;
}
