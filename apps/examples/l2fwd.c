/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * l2fwd DEVICE [DEVICE] - forward every packet from one device to the other, or a single device's to itself,
 * asleep while there is none. Ends at SIGINT or SIGTERM, or when a device goes away, with its totals.
 */
#include <unapi/unapi.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static struct unapi_context *ctx;
static volatile sig_atomic_t quit;

static void on_signal(int sig)
{
	(void)sig;
	quit = 1;
	unapi_context_wake(ctx);
}

static void on_event(void *arg, struct net_device *dev, enum unapi_dev_event ev)
{
	(void)arg, (void)dev;
	if (ev == UNAPI_DEV_REMOVE_REQUEST || ev == UNAPI_DEV_REMOVED)
		quit = 1;
}

/* Packets have come: send them on; what the ring has no room for is dropped. */
static void forward(void *txq, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	unsigned int sent = unapi_tx_burst(txq, pkts, n);

	(void)meta;
	unapi_pkt_free_bulk(pkts + sent, n - sent);
}

static void check(int rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "l2fwd: %s: %s\n", what, unapi_reason());
	exit(1);
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_signal};
	struct net_device *dev[2];
	struct unapi_dev_conf conf = {.ctx = &ctx, .nr_ctx = 1};
	struct unapi_dev_stats st;
	int i, rc, n = argc - 1;

	if (n < 1 || n > 2) {
		fprintf(stderr, "usage: l2fwd DEVICE [DEVICE]\n");
		return 2;
	}
	check(unapi_context_create(NULL, &ctx), "context");
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);

	for (i = 0; i < n; i++) {
		check(unapi_dev_open(argv[i + 1], &dev[i]), argv[i + 1]);
		unapi_dev_set_event(dev[i], on_event, NULL);
		check(unapi_dev_configure(dev[i], &conf), "configure");
		check(unapi_dev_set_promisc(dev[i], true), "promiscuous mode");
	}
	for (i = 0; i < n; i++) {
		struct unapi_txq *txq = unapi_dev_txq(dev[(i + 1) % n], 0);

		/* Device i's polls are the only ones to send on the other's queue. */
		check(unapi_txq_claim(txq, unapi_dev_rxq_napi(dev[i], 0)), "claim");
		check(unapi_dev_set_rx(dev[i], 0, forward, txq), "set_rx");
	}
	for (i = 0; i < n; i++)
		check(unapi_dev_start(dev[i]), "start");
	printf("forwarding\n");
	fflush(stdout);

	while (!quit) {
		rc = unapi_context_run(ctx, -1); /* sleeps until an interrupt, then polls */
		if (rc != -EINTR)
			check(rc, "run");
	}

	for (i = 0; i < n; i++)
		unapi_dev_stop(dev[i]);
	for (i = 0; i < n; i++) {
		unapi_dev_get_stats(dev[i], &st);
		printf("%s: rx %" PRIu64 " tx %" PRIu64 " missed %" PRIu64 " errors %" PRIu64 "\n",
		       argv[i + 1], st.rx_packets, st.tx_packets, st.rx_missed, st.rx_errors + st.tx_errors);
	}
	for (i = 0; i < n; i++)
		unapi_dev_close(dev[i]);
	unapi_context_destroy(ctx);
	return 0;
}
