/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/simnic/wire.h"
#include "apps/simnic/igb.h"
#include "core/base/reason.h"

#include <errno.h>
#include <unistd.h>

static int plain_open(struct wire *w, const char *arg)
{
	if (*arg)
		return unapi_fail(EINVAL, "wire=%s takes no argument", w->ops->name);
	w->carrier = true;
	return 0;
}

static void plain_close(struct wire *w) {}

/* ---- none: a cable whose far end takes everything and says nothing */

static int none_send(struct wire *w, const uint8_t *frame, uint32_t len)
{
	return 0;
}

const struct wire_ops wire_none = {
	.name = "none", .open = plain_open, .send = none_send, .close = plain_close};

/* ---- loop: what is sent comes back, and waits in the tx ring while there is no rx descriptor */

static int loop_send(struct wire *w, const uint8_t *frame, uint32_t len)
{
	return igb_rx(w->nic, frame, len) == IGB_RX_BUSY ? -EAGAIN : 0;
}

const struct wire_ops wire_loop = {
	.name = "loop", .open = plain_open, .send = loop_send, .close = plain_close};

int wire_open(struct wire *w, const char *spec, struct igb *nic, struct sim_options *opt)
{
	static const struct wire_ops *const all[] = {&wire_none, &wire_loop,   &wire_pair, &wire_tap,
						     &wire_pcap, &wire_socket, &wire_gen,  &wire_train};
	const char *colon = strchr(spec, ':');
	size_t n = colon ? (size_t)(colon - spec) : strlen(spec);

	*w = (struct wire){.nic = nic, .opt = opt, .fd = -1};
	for (unsigned int i = 0; i < ARRAY_SIZE(all); i++) {
		if (strlen(all[i]->name) == n && !memcmp(all[i]->name, spec, n)) {
			w->ops = all[i];
			nic->wire = w;
			return w->ops->open(w, colon ? colon + 1 : "");
		}
	}
	return unapi_fail(EINVAL, "wire=%s: one of none, loop, pair, tap, pcap, socket, gen, train", spec);
}

void wire_close(struct wire *w)
{
	if (!w->ops)
		return;
	w->ops->close(w);
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}
