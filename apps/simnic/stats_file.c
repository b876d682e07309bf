/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/simnic/sim.h"
#include "core/base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

/* A C string as JSON: our own texts, of which only the quotes and backslashes of file names need care. */
static void put_string(FILE *f, const char *text)
{
	fputc('"', f);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', f);
		fputc((unsigned char)*text < 0x20 ? ' ' : *text, f);
	}
	fputc('"', f);
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

static void put_queues(FILE *f, const struct igb *d, const char *name, bool rx)
{
	fprintf(f, "\"%s\": [", name);
	for (unsigned int q = 0; q < E1000_MAX_QUEUES; q++)
		fprintf(f, "%s%" PRIu64, q ? ", " : "", rx ? d->rx[q].ring.packets : d->tx[q].ring.packets);
	fputs("], ", f);
}

static void put_all(FILE *f, struct sim *s, bool final)
{
	const struct igb *d = &s->dev;

	fprintf(f,
		"{\"final\": %s, \"pid\": %d, \"now_ns\": %" PRIu64 ", \"model_cpu_ns\": %" PRIu64
		", \"wire\": ",
		final ? "true" : "false", (int)getpid(), unapi_clock_ns(), cpu_ns());
	put_string(f, s->wire.ops->name);
	fputs(", ", f);
	if (s->wire.ops == &wire_gen)
		gen_json(&s->wire, f);
	fprintf(f,
		"\"link\": %s, \"nic_rx\": %" PRIu64 ", \"nic_tx\": %" PRIu64 ", \"rx_dropped\": %" PRIu64
		", \"rx_filtered\": %" PRIu64 ", \"rx_no_queue\": %" PRIu64 ", ",
		d->link ? "true" : "false", d->rx_packets, d->tx_packets, d->rx_dropped, d->rx_filtered,
		d->rx_no_queue);
	put_queues(f, d, "rxq", true);
	put_queues(f, d, "txq", false);
	fprintf(f,
		"\"irqs\": %" PRIu64 ", \"irqs_lost\": %" PRIu64 ", \"irqs_spurious\": %" PRIu64
		", \"irqs_unconnected\": %" PRIu64 ", \"vectors\": [",
		d->irq.fired, d->irq.lost, d->irq.spurious, d->irq.unconnected);
	for (unsigned int v = 0; v < SIM_MSIX_VECTORS; v++)
		fprintf(f, "%s%" PRIu64, v ? ", " : "", d->irq.per_vector[v]);
	fprintf(f, "], \"messages\": %" PRIu64 ", \"dma_faults\": %" PRIu64 ", \"last_dma_fault\": ",
		s->server.messages, d->dma.faults);
	put_string(f, d->dma.last_fault);
	fprintf(f, ", \"driver_errors\": %" PRIu64 ", \"last_driver_error\": ", d->misuse + d->irq.misuse);
	put_string(f, d->last_misuse);
	fputs("}\n", f);
}

void stats_file_write(struct sim *s, const char *suffix, bool final)
{
	char path[sizeof(s->opt.stats) + 24], draft[sizeof(path) + 8];
	bool good;
	FILE *f;

	if (!*s->opt.stats)
		return;
	snprintf(path, sizeof(path), "%s%s", s->opt.stats, suffix);
	snprintf(draft, sizeof(draft), "%s.new", path);
	f = fopen(draft, "we");
	if (f) {
		put_all(f, s, final);
		good = !ferror(f);
		if (!fclose(f) && good && !rename(draft, path))
			return;
	}
	fprintf(stderr, "simnic: stats=%s: %s\n", s->opt.stats, strerror(errno));
	unlink(draft);
}
