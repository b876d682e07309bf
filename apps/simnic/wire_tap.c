/* SPDX-License-Identifier: BSD-3-Clause */
/* A TAP interface of the host. It does not wait: what finds no room in the NIC is lost, and counted, as on a
 * real cable. */
#include "apps/simnic/igb.h"
#include "apps/simnic/wire.h"
#include "core/base/reason.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int tap_open(struct wire *w, const char *arg)
{
	struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};

	if (!*arg || strlen(arg) >= IFNAMSIZ)
		return unapi_fail(EINVAL, "wire=tap:NAME: an interface name of 1 to %d characters",
				  IFNAMSIZ - 1);
	w->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (w->fd < 0)
		return unapi_fail(errno, "wire=tap: /dev/net/tun: %s (modprobe tun, and run as root)",
				  strerror(errno));
	strcpy(r.ifr_name, arg);
	if (ioctl(w->fd, TUNSETIFF, &r))
		return unapi_fail(errno, "wire=tap:%s: %s", arg, strerror(errno));
	w->events = POLLIN;
	w->carrier = true;
	return 0;
}

static int tap_send(struct wire *w, const uint8_t *frame, uint32_t len)
{
	/* An interface that is down, or a full queue: the frame is gone, as it would be on a cable. */
	if (write(w->fd, frame, len) != (ssize_t)len)
		return 0;
	return 0;
}

static unsigned int tap_poll(struct wire *w, unsigned int budget)
{
	uint8_t frame[FRAME_MAX];
	unsigned int done;

	for (done = 0; done < budget; done++) {
		ssize_t n = read(w->fd, frame, sizeof(frame));

		if (n <= 0)
			break;
		if (n < (ssize_t)ETH_MIN_FRAME) { /* the host does not pad, a cable never carries less */
			memset(frame + n, 0, ETH_MIN_FRAME - (size_t)n);
			n = ETH_MIN_FRAME;
		}
		igb_rx_buffered(w->nic, frame, (uint32_t)n);
	}
	return done;
}

static void tap_close(struct wire *w) {}

const struct wire_ops wire_tap = {
	.name = "tap", .open = tap_open, .send = tap_send, .poll = tap_poll, .close = tap_close};
