/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * embed DEVICE - a program with a loop of its own, that poll(2) makes, and a device in it: packets are
 * counted and sent back by a callback while the program does what it did before, here a tick ten times a
 * second. The library makes no thread. Ends at SIGINT or SIGTERM with its totals.
 */
#include <unapi/unapi.h>

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

static uint64_t packets, callbacks;

static void check(int rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "embed: %s: %s\n", what, unapi_reason());
	exit(1);
}

/* In the context's run, on the thread that runs it: this program's only one. */
static void received(void *txq, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	unsigned int i, sent;

	(void)meta;
	callbacks++;
	for (i = 0; i < n; i++)
		packets += !(pkts[i].flags & UNAPI_PKT_MORE);
	sent = unapi_tx_burst(txq, pkts, n);
	unapi_pkt_free_bulk(pkts + sent, n - sent);
}

/* How many threads has this process? */
static int threads(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[128];
	int n = -1;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "Threads:", 8))
			n = atoi(line + 8);
	if (f)
		fclose(f);
	return n;
}

static int signal_fd(void)
{
	sigset_t sigs;

	sigemptyset(&sigs);
	sigaddset(&sigs, SIGINT);
	sigaddset(&sigs, SIGTERM);
	sigprocmask(SIG_BLOCK, &sigs, NULL);
	return signalfd(-1, &sigs, SFD_CLOEXEC);
}

static int tick_fd(void)
{
	struct itimerspec its = {.it_interval.tv_nsec = 100000000, .it_value.tv_nsec = 100000000};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	if (fd >= 0)
		timerfd_settime(fd, 0, &its, NULL);
	return fd;
}

int main(int argc, char **argv)
{
	enum { SIGNALS, TICKS, CONTEXT };
	struct pollfd fds[3] = {{.events = POLLIN}, {.events = POLLIN}, {.events = POLLIN}};
	struct unapi_context *ctx;
	struct unapi_dev_conf conf = {.ctx = &ctx, .nr_ctx = 1};
	uint64_t ticks = 0, expired;
	struct net_device *dev;
	struct unapi_txq *txq;

	if (argc != 2) {
		fprintf(stderr, "usage: embed DEVICE\n");
		return 2;
	}
	fds[SIGNALS].fd = signal_fd();
	fds[TICKS].fd = tick_fd();
	if (fds[SIGNALS].fd < 0 || fds[TICKS].fd < 0) {
		perror("embed");
		return 1;
	}
	check(unapi_context_create(NULL, &ctx), "context");
	check(unapi_dev_open(argv[1], &dev), argv[1]);
	check(unapi_dev_configure(dev, &conf), "configure");
	check(unapi_dev_set_promisc(dev, true), "promiscuous mode");
	txq = unapi_dev_txq(dev, 0);
	check(unapi_txq_claim(txq, unapi_dev_rxq_napi(dev, 0)), "claim"); /* its callback sends */
	check(unapi_dev_set_rx(dev, 0, received, txq), "set_rx");
	check(unapi_dev_start(dev), "start");
	fds[CONTEXT].fd = unapi_context_fd(ctx);
	printf("running\n");
	fflush(stdout);

	while (poll(fds, 3, -1) >= 0 && !fds[SIGNALS].revents) {
		/* A budget of packets at most; if more is left, the descriptor stays readable. */
		if (fds[CONTEXT].revents)
			check(unapi_context_run(ctx, 0), "run");
		if (fds[TICKS].revents && read(fds[TICKS].fd, &expired, sizeof(expired)) == sizeof(expired))
			ticks += expired;
	}

	printf("packets %" PRIu64 " callbacks %" PRIu64 " ticks %" PRIu64 " threads %d\n", packets, callbacks,
	       ticks, threads());
	unapi_dev_close(dev);
	unapi_context_destroy(ctx);
	return 0;
}
