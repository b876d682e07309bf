/* SPDX-License-Identifier: BSD-3-Clause */
/* A capture file (classic pcap, microseconds or nanoseconds, either byte order) goes to the NIC once, as fast
 * as it takes it; what the NIC sends goes to the file given with pcap-out.
 */
#include "apps/simnic/igb.h"
#include "apps/simnic/options.h"
#include "apps/simnic/wire.h"
#include "core/base/reason.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define MAGIC_US      0xa1b2c3d4u
#define MAGIC_NS      0xa1b23c4du
#define LINK_ETHERNET 1u

struct pcap {
	FILE *in, *out;
	bool swapped;
	uint8_t frame[FRAME_MAX];
	uint32_t len; /* of the frame that waits, 0: none */
};

static uint32_t word(const struct pcap *p, uint32_t v)
{
	return p->swapped ? __builtin_bswap32(v) : v;
}

static int open_in(struct pcap *p, const char *path)
{
	uint32_t head[6];

	p->in = fopen(path, "rbe");
	if (!p->in)
		return unapi_fail(errno, "wire=pcap:%s: %s", path, strerror(errno));
	if (fread(head, sizeof(head), 1, p->in) != 1)
		return unapi_fail(EINVAL, "wire=pcap:%s: too short to be a capture", path);
	p->swapped = __builtin_bswap32(head[0]) == MAGIC_US || __builtin_bswap32(head[0]) == MAGIC_NS;
	if (word(p, head[0]) != MAGIC_US && word(p, head[0]) != MAGIC_NS)
		return unapi_fail(EINVAL, "wire=pcap:%s: not a pcap file (pcapng is not read)", path);
	if ((word(p, head[5]) & 0xffff) != LINK_ETHERNET)
		return unapi_fail(EINVAL, "wire=pcap:%s: not Ethernet", path);
	return 0;
}

static int open_out(struct pcap *p, const char *path)
{
	const uint32_t head[6] = {MAGIC_US, 2 | 4 << 16, 0, 0, 65535, LINK_ETHERNET};

	p->out = fopen(path, "wbe");
	if (!p->out || fwrite(head, sizeof(head), 1, p->out) != 1)
		return unapi_fail(errno, "pcap-out=%s: %s", path, strerror(errno));
	return 0;
}

static int pcap_open(struct wire *w, const char *arg)
{
	struct pcap *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return unapi_fail(ENOMEM, "wire=pcap: no memory");
	w->priv = p;
	w->carrier = true;
	rc = open_in(p, arg);
	if (!rc && *w->opt->pcap_out)
		rc = open_out(p, w->opt->pcap_out);
	return rc;
}

static int pcap_send(struct wire *w, const uint8_t *frame, uint32_t len)
{
	struct pcap *p = w->priv;
	struct timespec now;
	uint32_t head[4] = {0, 0, len, len};

	if (!p->out)
		return 0;
	clock_gettime(CLOCK_REALTIME, &now);
	head[0] = (uint32_t)now.tv_sec;
	head[1] = (uint32_t)(now.tv_nsec / 1000);
	if (fwrite(head, sizeof(head), 1, p->out) != 1 || fwrite(frame, len, 1, p->out) != 1) {
		fprintf(stderr, "simnic: pcap-out: %s; nothing more is written\n", strerror(errno));
		fclose(p->out);
		p->out = NULL;
	}
	return 0;
}

static void pcap_flush(struct wire *w)
{
	struct pcap *p = w->priv;

	if (p->out)
		fflush(p->out);
}

/* The next frame into @p->frame; false at the end of the file. */
static bool next_frame(struct pcap *p)
{
	uint32_t head[4], n;

	while (p->in && fread(head, sizeof(head), 1, p->in) == 1) {
		n = word(p, head[2]);
		if (n <= FRAME_MAX - ETH_FCS_LEN) {
			if (fread(p->frame, 1, n, p->in) != n)
				break;
			if (n < ETH_MIN_FRAME) { /* captured before it was padded */
				memset(p->frame + n, 0, ETH_MIN_FRAME - n);
				n = ETH_MIN_FRAME;
			}
			p->len = n;
			return true;
		}
		if (fseek(p->in, (long)n, SEEK_CUR))
			break;
	}
	if (p->in)
		fclose(p->in);
	p->in = NULL;
	return false;
}

static unsigned int pcap_poll(struct wire *w, unsigned int budget)
{
	struct pcap *p = w->priv;
	unsigned int done = 0;

	if (!igb_rx_enabled(w->nic))
		return 0;
	while (done < budget && (p->len || next_frame(p))) {
		if (igb_rx(w->nic, p->frame, p->len) == IGB_RX_BUSY)
			break;
		p->len = 0;
		done++;
	}
	return done;
}

static void pcap_close(struct wire *w)
{
	struct pcap *p = w->priv;

	if (p && p->in)
		fclose(p->in);
	if (p && p->out && fclose(p->out))
		fprintf(stderr, "simnic: pcap-out: %s\n", strerror(errno));
	free(p);
}

const struct wire_ops wire_pcap = {.name = "pcap",
				   .open = pcap_open,
				   .send = pcap_send,
				   .poll = pcap_poll,
				   .flush = pcap_flush,
				   .close = pcap_close};
