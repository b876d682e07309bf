/* SPDX-License-Identifier: BSD-3-Clause */
/* A device and its driver, what threads do with them, and what must be true. */
#ifndef UNAPI_TESTS_ROLES_H
#define UNAPI_TESTS_ROLES_H

/* first: the copy with bugs asks which is switched on */
#include "tests/model/model.h"
#include "core/napi/internal.h"
#include "core/net/endpoint.h"
#include "core/net/netdev.h"

#include <sys/epoll.h>

/* Values of model_bug. */
enum { DRIVER_UNMASKS_EARLY = 1000, DRIVER_DOES_NOT_FLUSH };

enum { WEIGHT = 2, TIMEOUT = 1000, NAPI_ID = 8193 };

struct device {
	struct channel ch;
	uint64_t posted;   /* events that the device has posted */
	uint64_t asked;	   /* what a thread published before it asked for a poll */
	uint64_t consumed; /* of @posted; the owner's */
	uint64_t answered; /* of @asked; the owner's */
	uint32_t buffer;   /* the only one of pool 0 */
	bool in_ring;	   /* the receive ring has it; the owner's */
	struct unapi_txq txq;
	unsigned int in_flight; /* on it; whoever is inside the ring */
	unsigned int slots;	/* that it has; 0: any number, and the device sends at once */
	uint32_t sent;		/* written back by the device, and not cleaned yet */
	uint8_t tx_routed;
	unsigned int to_send; /* the sleeper's */
	int room, room_ep;    /* what he waits for */
	int vector;
	struct unapi_endpoint endpoint;
	struct unapi_pkt ring[2]; /* its */
	unsigned int filled, received;
	int epfd; /* where its reader waits */
};

/* One for all scenarios. */
extern struct device dev;
extern struct unapi_context *ctx[2];

/* roles.c: instrumented like the library */
int driver_poll(struct napi_struct *n, int budget);
void driver_timer(struct unapi_timer *t);
void role_device(void *events);
void role_schedule(void *times);
void role_mark_missed(void *arg);
void role_disable(void *arg);
void role_disable_in_time(void *arg); /* or not */
void role_restart(void *arg);
void role_move(void *arg);
void role_busy_loop(void *prefer);
void role_suspend(void *arg);
void role_resume(void *arg);
void role_application(void *arg);
void role_caller(void *polls);
void role_interrupt_mode(void *arg);
void role_synchronize(void *arg);
void role_set_threaded(void *threaded);
int starving_poll(struct napi_struct *n, int budget);
void role_return(void *arg);
int cleaning_poll(struct napi_struct *n, int budget);
unsigned int driver_burst(struct unapi_txq *q, struct unapi_pkt *pkts, unsigned int n);
unsigned int driver_clean(struct unapi_txq *q);
void role_send(void *bursts);
void driver_route(struct unapi_txq *q, bool on);
unsigned int driver_room(const struct unapi_txq *q);
void driver_wake(void *arg, struct unapi_txq *q);
void role_sleeper(void *packets);
void role_wire(void *packets);
void role_fill(void *packets);
void role_receive(void *batch);
void role_receive_awake(void *batch);

int os_eventfd(void);
int os_epoll_create(void);
int os_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev);
bool os_readable(int fd);

/* scenarios.c: not instrumented */
void device_raise(void);
void device_unmask(void);
void note_poll(bool inside);
void note_disabled(bool disabled);
void note_timer(void);
void note_may_be_late(bool may);

struct role {
	void (*fn)(void *arg);
	uintptr_t arg;
	const char *name;
};

struct scenario {
	const char *name;
	struct role roles[5];
	unsigned int defer; /* defer_hard_irqs; gro_flush_timeout is TIMEOUT then */
	bool suspend;	    /* irq_suspend_timeout is set */
	bool foreign;	    /* the context runs in the application's loop */
	bool poller;	    /* which is a caller-polling application's */
	bool two;	    /* there is a second context, for moves */
	uint8_t threaded;   /* enum netdev_napi_threaded */
	bool time;	    /* passes */
	bool sends;	    /* somebody does; the instance cleans while he sleeps */
	bool full;	    /* the ring has one slot, and who finds it full sleeps */
	bool endpoint;	    /* somebody fills it, and somebody reads */
	bool starves;	    /* its ring is short of a buffer that somebody has */
	uint8_t surprises;  /* at most so many - 1; 0: any number */
};

void scenario_set_up(const struct scenario *s);
/* Everything is quiet, except that somebody busy polls if @busy: what is wrong, NULL nothing. */
const char *scenario_at_rest(const struct scenario *s, bool busy);

extern const struct scenario scenarios[];
extern const unsigned int nr_scenarios;

#endif
