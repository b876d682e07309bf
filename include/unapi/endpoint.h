/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive endpoints: packets of a queue by way of a descriptor.
 *
 * Instead of a callback in poll context a receive queue can have an endpoint: a bounded queue of packet
 * records with a descriptor that is readable while there are some, for epoll, poll, io_uring, or an event
 * poll (unapi/eventpoll.h). It knows the instance that filled it, and can busy poll it as a socket does.
 */
#ifndef UNAPI_ENDPOINT_H
#define UNAPI_ENDPOINT_H

#include <sys/socket.h>
#include <unapi/netdev.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of the kernel's asm-generic/socket.h; C libraries have them at different times. */
#ifndef SO_BUSY_POLL
#define SO_BUSY_POLL 46
#endif
#ifndef SO_INCOMING_NAPI_ID
#define SO_INCOMING_NAPI_ID 56
#endif
#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#endif
#ifndef SO_BUSY_POLL_BUDGET
#define SO_BUSY_POLL_BUDGET 70
#endif

struct unapi_endpoint;

/**
 * unapi_endpoint_create() - let receive queue @q of a device fill an endpoint
 * @size: records it holds, rounded up to a power of two; 0: 256. At most 2^20
 *
 * While the device is stopped. When it is full, packets are freed and counted (xstat rx_q<q>_endpoint_drops).
 * Packets that wait keep buffers of the queue's pool: let unapi_dev_conf.pool_extra be no less than @size.
 * If the device is configured with rx_meta it keeps that, too. -EINVAL no such queue, or too large; -EBUSY
 * started, or the queue has an endpoint; -ENOMEM; -EMFILE.
 */
UNAPI_API int unapi_endpoint_create(struct net_device *dev, unsigned int q, unsigned int size,
				    struct unapi_endpoint **out);

/**
 * unapi_endpoint_destroy() - free it and the packets in it, and close its descriptor
 *
 * Its queue's packets are freed from then on. -EBUSY while the device is started; otherwise at any time,
 * also after its queue is gone (by configure or close of the device: the packets in it stay). No thread may
 * be inside unapi_endpoint_recv().
 */
UNAPI_API int unapi_endpoint_destroy(struct unapi_endpoint *e);

/**
 * unapi_endpoint_fd() - readable while there are packets (now and then also when there are none any more)
 *
 * Not to be read or closed. With EPOLLET, receive until less comes than was asked for.
 */
UNAPI_API int unapi_endpoint_fd(const struct unapi_endpoint *e);

/**
 * unapi_endpoint_recv() - take packets: up to @n records, whole packets, now the caller's
 * @flags: MSG_DONTWAIT (of <sys/socket.h>): return 0 rather than wait for the first; 0: wait
 *
 * By one thread at a time. Finding none, it polls the instance that filled the endpoint last, if SO_BUSY_POLL
 * is not 0: once with MSG_DONTWAIT, otherwise for that time; receive callbacks may run in here then. Then it
 * sleeps; meanwhile it runs the instance's context whenever that has something to do, unless a thread of the
 * library's does.
 *
 * -EMSGSIZE: the first packet has more records than @n (an ordinary one has at most UNAPI_MAX_FRAGS); -EINTR
 * a signal's handler ran while it slept (for one that may come at any time: ppoll(2), and MSG_DONTWAIT here);
 * -ENODEV there are none and its queue is gone; -EDEADLK it would wait in a poll method or a handler; -EINVAL
 * another flag.
 */
UNAPI_API int unapi_endpoint_recv(struct unapi_endpoint *e, struct unapi_pkt *pkts, unsigned int n,
				  int flags);

/**
 * unapi_endpoint_recv_meta() - the same, and what unapi_dev_conf.rx_meta has of each record into
 * @meta[0..n-1]
 *
 * Checksum verdict and VLAN tag are in the record itself; this is RSS hash and packet type. -EOPNOTSUPP: the
 * device was configured without; otherwise as unapi_endpoint_recv().
 */
UNAPI_API int unapi_endpoint_recv_meta(struct unapi_endpoint *e, struct unapi_pkt *pkts,
				       struct unapi_rx_meta *meta, unsigned int n, int flags);

/**
 * unapi_setsockopt(), unapi_getsockopt() - options of an endpoint, by its descriptor
 *
 * In the shapes of setsockopt(2) and getsockopt(2), returning -1 and errno; any other descriptor is passed on
 * to these. @level is SOL_SOCKET. Names, ranges and errors are those of Linux 7.2 (net/core/sock.c):
 *
 * SO_BUSY_POLL: microseconds to poll for, >= 0 (EINVAL), at first unapi_busy_read(). SO_PREFER_BUSY_POLL: 1
 * needs CAP_NET_ADMIN (EPERM). SO_BUSY_POLL_BUDGET: packets a poll may take, 0 (8) to 65535 (EINVAL); more
 * than it is now needs CAP_NET_ADMIN (EPERM, looked at first); cannot be read (ENOPROTOOPT).
 * SO_INCOMING_NAPI_ID: the id of the instance that filled it last, 0 before the first packet; cannot be set
 * (ENOPROTOOPT). EINVAL @optlen below 4 (to set); EFAULT bad pointers, without a signal; ENOPROTOOPT any
 * other.
 */
UNAPI_API int unapi_setsockopt(int fd, int level, int optname, const void *optval, socklen_t optlen);
UNAPI_API int unapi_getsockopt(int fd, int level, int optname, void *optval, socklen_t *optlen);

#ifdef __cplusplus
}
#endif
#endif
