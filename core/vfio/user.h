/* SPDX-License-Identifier: BSD-3-Clause */
/* The vfio-user carrier's own structure, between its files. */
#ifndef UNAPI_CORE_USER_H
#define UNAPI_CORE_USER_H

#include "core/vfio/user_proto.h"
#include "core/vfio/vfio.h"

#include <pthread.h>
#include <sys/uio.h>

/* How long a server may take over one request. QEMU's client allows 5 s too (x-msg-timeout). */
#define VFIO_USER_TIMEOUT_MS 5000

struct user_device {
	struct vfio_device v;
	struct dma_space space;
	pid_t child; /* the simulated NIC's process, 0: the server is somebody else's */
	/* Guards the socket: one request and its reply at a time, so a reply can only be for its request. */
	pthread_mutex_t lock;
	int fd;
	uint16_t next_id;
	bool dead; /* under lock: the stream is unusable */
	bool dead_told;
	uint32_t max_fds;  /* descriptors the server takes in one message */
	uint32_t max_xfer; /* bytes of region data it takes in one message */
};

static inline struct user_device *to_user(struct vfio_device *v)
{
	return container_of(v, struct user_device, v);
}

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
 * server counts as dead. @what is for the reason.
 */
int user_call(struct user_device *u, const char *what, const struct user_request *req,
	      struct user_reply *reply);

/* The usual call: one fixed payload each way; a reply shorter than @in_len is -EPROTO. */
int user_simple(struct user_device *u, const char *what, uint16_t command, const void *out, size_t out_len,
		void *in, size_t in_len);

/* The socket became readable while no request is under way: the server died, or sends commands of its own. */
void user_socket_ready(struct user_device *u);

/* Connect, or start the simulated NIC; -errno with the reason. */
int user_connect(const char *path, int *fd);
int user_spawn_sim(const char *model, const char *options, int *fd, pid_t *child);
void user_reap_sim(pid_t child);

/* Take a device over through a connected socket, owned from now on, also on failure. */
int vfio_user_attach(int fd, const char *name, pid_t child, struct vfio_device **out);

#endif
