/* SPDX-License-Identifier: BSD-3-Clause */
/* The vfio-user carrier's own structure, between its files. */
#ifndef UNAPI_CORE_USER_H
#define UNAPI_CORE_USER_H

#include "core/vfio/user_proto.h"
#include "core/vfio/vfio.h"

#include <pthread.h>
#include <sys/uio.h>

/* How long a server may take over one request. QEMU's client allows 5 s too (x-msg-timeout). */
extern unsigned int vfio_user_timeout_ms;

/* A simulated NIC that was started for us. */
struct user_child {
	int pidfd; /* -1: none, the server is somebody else's */
	int log;   /* its standard error, -1 none */
};

struct user_device {
	struct vfio_device v;
	struct dma_space space;
	struct user_child child;
	/* Guards the socket: one request and its reply at a time, so a reply can only be for its request. */
	pthread_mutex_t lock;
	int fd;
	uint16_t next_id;
	bool dead; /* under lock: the stream is unusable */
	/*
	 * An epoll that waits for the socket's end and for what the child prints. Contexts watch this one,
	 * not the socket: they would wake at each reply that another thread waits for.
	 */
	int watch_fd;
	uint32_t max_fds;  /* descriptors the server takes in one message */
	uint32_t max_xfer; /* bytes of region data it takes in one message */
};

static inline struct user_device *to_user(struct vfio_device *v)
{
	return container_of(v, struct user_device, v);
}

/* ---- user_msg.c: the wire */

struct user_request {
	uint16_t command;
	bool no_reply;		 /* posted: not even an error comes back */
	const struct iovec *iov; /* at most 3 parts of payload */
	unsigned int nr_iov;
	const int *fds;
	unsigned int nr_fds;
};

struct user_reply {
	void *buf; /* where the reply's payload goes */
	size_t max;
	size_t len; /* out */
	int *fds;   /* where received descriptors go; the caller closes them */
	unsigned int max_fds, nr_fds;
};

/*
 * Send a request and, unless it is posted, wait for its reply. 0; the server's own error as -errno (-EPROTO
 * if it gives none); -EPROTO for a reply that breaks the protocol, -ETIMEDOUT, -ENODEV: after these three the
 * server counts as dead. @what is for the reason. A command of the server's is answered here, with a refusal:
 * while nobody calls, the server waits for its answer.
 */
int user_call(struct user_device *u, const char *what, const struct user_request *req,
	      struct user_reply *reply);

/* The usual call: one fixed payload each way; a reply shorter than @in_len is -EPROTO. */
int user_simple(struct user_device *u, const char *what, uint16_t command, const void *out, size_t out_len,
		void *in, size_t in_len);

/* The socket's other end is closed: the server died. */
void user_hung_up(struct user_device *u);

/* ---- user_info.c: what the server has. Sets max_fds and max_xfer, the space's limits, regions, irqs. */
int user_get_info(struct user_device *u);

/* ---- user_access.c: what is done with it */
extern const struct vfio_device_ops user_ops;
extern const struct dma_space_ops user_dma_ops;

/* ---- user_firmware.c: what firmware and the PCI core do on a real machine */

/* Give each BAR that has none an address, naturally aligned. */
int user_assign_bars(struct user_device *u);
/* Tell config space that MSI or MSI-X is used. Servers made of whole device models look there. */
void user_enable_msi(struct user_device *u, uint32_t index, bool on);

/* ---- user_sim.c */

int user_spawn_sim(const char *name, const char *model, const char *options, int *fd,
		   struct user_child *child);
/* Its socket is closed already. */
void user_reap_sim(struct user_child *child);
/* Log what the child has printed. */
void user_child_log(struct user_child *child, const char *name);
/* After a failure: let the reason be the child's last words, if it had any. Returns @rc. */
int user_child_blame(struct user_child *child, const char *name, int rc);

/* ---- user_device.c */

int user_connect(const char *path, int *fd);
/* Take a device over through a connected socket. Socket and child are owned from now on, also on failure. */
int vfio_user_attach(int fd, const char *name, const struct user_child *child, struct vfio_device **out);

#endif
