/* SPDX-License-Identifier: BSD-3-Clause */
/* Which roles meet, what is set up for them, and what must be true while they run and when all is quiet. */
#include "tests/model/roles.h"
#include "core/net/pool_impl.h"

struct device dev;
struct unapi_context *ctx[2];

/*
 * The device's side of its vector: one step each, as hardware does it. It masks itself when it fires, and
 * remembers a cause that comes while it is masked. What the device wrote before arrives before its interrupt.
 */
void model_device_raise(void);
void model_device_raise(void)
{
	os_choose(1, "the device raises its interrupt");
	os_signal(dev.vector, !w.notes.masked);
	w.notes.pending = w.notes.masked;
	w.notes.masked = 1;
}

void model_device_unmask(void);
void model_device_unmask(void)
{
	if (w.notes.polling == me + 1)
		model_fail("the interrupt is unmasked by an owner that has not let go");
	os_choose(1, "the driver unmasks");
	w.notes.masked = w.notes.pending;
	if (w.notes.pending)
		os_signal(dev.vector, true);
	w.notes.pending = 0;
}

void model_note_poll(bool inside);
void model_note_poll(bool inside)
{
	os_note();
	if (inside && w.notes.polling)
		model_fail("polled by %s and %s at once", fiber_name(w.notes.polling - 1), fiber_name(me));
	if (inside && w.notes.disabled)
		model_fail("polled while disabled");
	w.notes.polling = inside ? (uint8_t)(me + 1) : 0;
}

void model_note_disabled(bool disabled);
void model_note_disabled(bool disabled)
{
	os_note();
	w.notes.disabled = disabled;
}

void model_note_timer(void);
void model_note_timer(void)
{
	os_note();
	if (w.notes.disabled)
		model_fail("the timer fires after napi_disable() has returned");
}

void note_may_be_late(bool may)
{
	w.fiber[me].may_be_late = may;
	w.fiber[me].late = false;
}

/* Statistics and what only tells humans something. */
static void ignore(void)
{
	struct napi_struct *n = &dev.ch.napi;

	memory_ignore(&model_bug, sizeof(model_bug));
	memory_ignore(&unapi_virtual_now, sizeof(unapi_virtual_now));
	memory_ignore(&n->stats, sizeof(n->stats));
	/* A probe tells it after the poll, when it may be another's that is enabled again. */
	memory_ignore(&n->napi_id, sizeof(n->napi_id));
	memory_ignore(&n->missed_deferred, sizeof(n->missed_deferred));
	memory_ignore(&n->acquired_cycles, sizeof(n->acquired_cycles));
	memory_ignore(&n->sampled_work, sizeof(n->sampled_work));
	memory_ignore(&n->last_poll_ns, sizeof(n->last_poll_ns));
	memory_ignore(&n->timer.starts, sizeof(n->timer.starts));
	memory_ignore(&n->timer.fires, sizeof(n->timer.fires));
	for (int i = 0; i < 2 && ctx[i]; i++) {
		memory_ignore(&ctx[i]->stats, sizeof(ctx[i]->stats));
		memory_ignore(&ctx[i]->moved, sizeof(ctx[i]->moved));
		memory_counter(&ctx[i]->turns);
		memory_ignore(&ctx[i]->look_tsc, sizeof(ctx[i]->look_tsc));
	}
}

#define NAME(x, name) memory_name(&(x), name)

static void name(void)
{
	NAME(dev.ch.napi, "napi");
	NAME(dev.ch.napi.state, "state");
	NAME(dev.ch.napi.ctx, "napi.ctx");
	NAME(dev.ch.napi.holders, "holders");
	NAME(dev.ch.napi.poller, "poller");
	NAME(dev.ch.napi.inbox_next, "inbox_next");
	NAME(dev.ch.napi.poll_list, "poll_list");
	NAME(dev.ch.napi.defer_hard_irqs_count, "defer_hard_irqs_count");
	NAME(dev.ch.napi.timer, "timer");
	NAME(dev.ch.napi.in_poll, "in_poll");
	NAME(dev.posted, "posted");
	NAME(dev.asked, "asked");
	NAME(dev.consumed, "consumed");
	NAME(dev.answered, "answered");
	for (int i = 0; i < 2 && ctx[i]; i++) {
		NAME(*ctx[i], i ? "ctx1" : "ctx0");
		NAME(ctx[i]->runner, i ? "ctx1.runner" : "ctx0.runner");
		NAME(ctx[i]->inbox.head, i ? "ctx1.inbox" : "ctx0.inbox");
		NAME(ctx[i]->inbox.sleep, i ? "ctx1.sleep" : "ctx0.sleep");
		NAME(ctx[i]->wake_asked, i ? "ctx1.wake_asked" : "ctx0.wake_asked");
		NAME(ctx[i]->nr_calls, i ? "ctx1.nr_calls" : "ctx0.nr_calls");
		NAME(ctx[i]->stop, i ? "ctx1.stop" : "ctx0.stop");
		NAME(ctx[i]->timer_next, i ? "ctx1.timer_next" : "ctx0.timer_next");
		NAME(ctx[i]->timer_lock, i ? "ctx1.timer_lock" : "ctx0.timer_lock");
		NAME(ctx[i]->call_lock, i ? "ctx1.call_lock" : "ctx0.call_lock");
	}
	NAME(napi_control_lock, "control_lock");
}

/* As napi_thread_enable() does it, but for the wait, which needs a thread that runs. */
static void give_thread(enum netdev_napi_threaded threaded)
{
	struct napi_struct *n = &dev.ch.napi;
	struct unapi_context_conf conf = {.name = "own"};

	unapi_context_create(&conf, &ctx[1]);
	ctx[1]->instance = n;
	unapi_context_start(ctx[1], -1);
	fiber_rename((int)ctx[1]->thread, "thread");
	os_timers_of(&ctx[1]->timer_next);
	n->threaded = (uint8_t)threaded;
	n->own = ctx[1];
	n->home->nr_away++;
	napi_place(n, ctx[1]);
}

/* What is asked of others when a pool is made, given up, shared or described: never here. */
int pool_alloc_memory(struct page_pool *p, int node)
{
	return -1;
}

bool pool_drop_ref(struct page_pool *p, uint32_t buf)
{
	return false;
}

void dma_free(struct dma_mem *m) {}

void dma_mem_describe(const struct dma_mem *m, char *buf, size_t n) {}

/* A pool of one buffer, which is out. */
static void empty_pool(void)
{
	struct page_pool *p = &page_pools[0];

	p->napi = &dev.ch.napi;
	p->buffers = p->fresh = 1;
	p->cache = os_alloc(sizeof(*p->cache));
	p->in_use = true;
	memory_ignore(&p->alloc_fast, (size_t)((char *)&p->flags - (char *)&p->alloc_fast));
	NAME(p->flags, "flags");
	NAME(p->rings, "rings");
	NAME(p->cached, "cached");
	NAME(p->lock, "pool.lock");
}

/* One whose producer sleeps, as at first, and whose cause is routed: somebody waits for what is in flight. */
static void transmit_queue(void)
{
	struct unapi_txq *q = &dev.txq;

	q->burst = driver_burst;
	q->clean = driver_clean;
	q->napi = &dev.ch.napi;
	q->rest = TXQ_ASLEEP;
	q->asleep = q->claimed = true;
	q->routed = TXQ_STARVED;
	q->gate.open = true;
	dev.ch.tx[0] = q;
	dev.ch.nr_tx = 1;
	NAME(q->rest, "rest");
	NAME(q->gate, "gate");
	NAME(dev.in_flight, "in_flight");
}

/* It has a quarter of four descriptors, which is what has to be free. */
static struct net_device netdev = {.conf.txd = 4};

static void full_queue(void)
{
	struct unapi_txq *q = &dev.txq;

	q->dev = &netdev;
	q->room = driver_room;
	q->route = driver_route;
	q->wake_fn = driver_wake;
	q->routed = 0;
	dev.slots = 1;
	dev.room_ep = os_epoll_create();
	dev.room = os_eventfd();
	os_epoll_ctl(dev.room_ep, EPOLL_CTL_ADD, dev.room,
		     &(struct epoll_event){.events = EPOLLIN | EPOLLET});
	NAME(q->stopped, "stopped");
	NAME(q->routed, "routed");
	NAME(dev.sent, "sent");
	NAME(dev.tx_routed, "tx_routed");
	NAME(dev.to_send, "to_send");
}

static void endpoint(void)
{
	struct unapi_endpoint *e = &dev.endpoint;
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u64 = 1};

	e->ring = dev.ring;
	e->mask = ARRAY_SIZE(dev.ring) - 1;
	e->pollable.fd = os_eventfd();
	dev.epfd = os_epoll_create();
	os_epoll_ctl(dev.epfd, EPOLL_CTL_ADD, e->pollable.fd, &ev);
	NAME(e->reader, "reader");
	NAME(e->head, "head");
	NAME(e->tail, "tail");
}

void scenario_set_up(const struct scenario *s)
{
	int n = s->two ? 2 : 1;

	for (int i = 0; i < n; i++) {
		unapi_context_create(NULL, &ctx[i]);
		os_timers_of(&ctx[i]->timer_next);
		if (s->foreign)
			continue;
		unapi_context_start(ctx[i], -1);
		fiber_rename((int)ctx[i]->thread, i ? "context 1" : "context 0");
	}
	unapi_napi_add(&dev.ch.napi, ctx[0], "napi",
		       s->starves ? starving_poll
		       : s->sends ? cleaning_poll
				  : driver_poll,
		       WEIGHT);
	if (s->starves)
		empty_pool();
	if (s->sends)
		transmit_queue();
	if (s->full)
		full_queue();
	if (s->endpoint)
		endpoint();
	dev.ch.napi.timer.fn = driver_timer;
	dev.vector = os_eventfd();
	unapi_napi_set_irq(&dev.ch.napi, dev.vector, NULL);
	if (s->threaded)
		give_thread(s->threaded);
	napi_enable(&dev.ch.napi);
	if (s->defer) {
		unapi_napi_set_defer_hard_irqs(&dev.ch.napi, s->defer);
		unapi_napi_set_gro_flush_timeout(&dev.ch.napi, TIMEOUT);
	}
	if (s->suspend)
		unapi_napi_set_irq_suspend_timeout(&dev.ch.napi, 10ULL * TIMEOUT);
	if (s->poller) {
		unapi_context_set_poller(ctx[0], true);
		unapi_napi_set_mode(&dev.ch.napi, UNAPI_POLL_BUSY);
	}
	if (!ctx[1])
		ctx[1] = os_alloc(0); /* where one that is made later will be */
	ignore();
	name();
	for (const struct role *r = s->roles; r->fn; r++)
		fiber_spawn(r->name, r->fn, (void *)r->arg);
}

const char *scenario_at_rest(const struct scenario *s, bool busy)
{
	unsigned long v = dev.ch.napi.state;

	if (!busy && w.notes.polling)
		return "a poll does not come to an end";
	if (w.notes.disabled)
		return (v & (NAPIF_SCHED | NAPIF_NPSVC | NAPIF_DISABLE)) != (NAPIF_SCHED | NAPIF_NPSVC)
			       ? "disabled, but its state says otherwise"
			       : NULL;
	if (dev.consumed != dev.posted)
		return "lost wake-up: the device's event is not polled";
	if (s->full && dev.to_send)
		return "there is room in the ring, and its producer sleeps";
	if (s->sends && !s->full && dev.in_flight)
		return "what was sent is not cleaned";
	if (s->endpoint && dev.received != dev.filled)
		return "packets are left in the endpoint, and its reader sleeps";
	if (s->endpoint && dev.endpoint.reader == ENDPOINT_ASLEEP && os_readable(dev.endpoint.pollable.fd))
		return "the empty endpoint's descriptor stays readable";
	if (s->starves && !dev.in_ring)
		return "the buffer is back, and nobody gives it to the ring";
	if (dev.answered != dev.asked)
		return "lost wake-up: the poll that was asked for did not see why";
	if (busy)
		return v & NAPIF_IN_BUSY_POLL ? NULL
					      : "somebody polls for ever without the mode that asks for it";
	if (w.notes.masked)
		return "the vector is left masked, and nobody is bound to unmask it";
	if (v & (NAPIF_SCHED | NAPIF_NPSVC | NAPIF_DISABLE | NAPIF_IN_BUSY_POLL))
		return "at rest, but owned or disabled";
	return NULL;
}

#define R(fn, arg)                  \
	{                           \
		role_##fn, arg, #fn \
	}

/* Whole, where that takes seconds; otherwise with a limit on surprises, unless -a says whole. */
#define LIMIT(n) .surprises = (n) + 1

const struct scenario scenarios[] = {
	{"interrupt", {R(device, 2)}},
	{"interrupt, schedule", {R(device, 1), R(schedule, 1)}},
	{"schedule, schedule", {R(schedule, 1), R(schedule, 1)}},
	{"three schedule", {R(schedule, 1), R(schedule, 1), R(schedule, 1)}, LIMIT(2)},
	{"schedule, mark missed", {R(schedule, 1), R(mark_missed, 0)}},
	{"interrupt, disable", {R(device, 2), R(disable, 0)}, LIMIT(3)},
	{"interrupt, schedule, disable", {R(device, 1), R(schedule, 1), R(disable, 0)}, LIMIT(1)},
	{"interrupt, disable in time or not", {R(device, 1), R(disable_in_time, 0)}, LIMIT(2)},
	{"schedule, disable in time or not", {R(schedule, 1), R(disable_in_time, 0)}, LIMIT(2)},
	{"schedule twice, disable in time or not", {R(schedule, 2), R(disable_in_time, 0)}, LIMIT(2)},
	{"interrupt, restart", {R(device, 1), R(restart, 0)}, LIMIT(2)},
	{"interrupt, move", {R(device, 1), R(move, 0)}, .two = true, LIMIT(1)},
	{"schedule, move", {R(schedule, 1), R(move, 0)}, .two = true, LIMIT(1)},
	{"interrupt, synchronize", {R(device, 1), R(synchronize, 0)}, LIMIT(3)},

	{"thread", {R(device, 2)}, .threaded = 1},
	{"thread, schedule", {R(device, 1), R(schedule, 1)}, .threaded = 1},
	{"thread, disable", {R(device, 1), R(disable, 0)}, .threaded = 1},
	{"busy thread, schedule", {R(schedule, 1)}, .threaded = 2},
	{"busy thread, disable", {R(schedule, 1), R(disable, 0)}, .threaded = 2, LIMIT(1)},
	{"busy thread, thread", {R(device, 1), R(set_threaded, 1)}, .threaded = 2},
	{"set threaded", {R(device, 1), R(set_threaded, 1)}, LIMIT(1)},
	{"set busy thread", {R(device, 1), R(set_threaded, 2)}, LIMIT(1)},

	{"deferral", {R(device, 2)}, .defer = 1, .time = true},
	{"deferral, schedule", {R(device, 1), R(schedule, 1)}, .defer = 1, .time = true},
	{"deferral, disable", {R(device, 1), R(disable, 0)}, .defer = 1, .time = true},
	{"deferral, restart", {R(device, 1), R(restart, 0)}, .defer = 1, .time = true, LIMIT(2)},
	{"deferral, move", {R(device, 1), R(move, 0)}, .defer = 1, .time = true, .two = true, LIMIT(1)},

	{"busy loop", {R(device, 2), R(busy_loop, 0)}},
	{"busy loop, schedule", {R(schedule, 1), R(busy_loop, 0)}},
	{"busy loop, deferral", {R(device, 1), R(busy_loop, 0)}, .defer = 1, .time = true},
	{"busy loop, disable", {R(device, 1), R(busy_loop, 0), R(disable, 0)}, LIMIT(1)},
	{"two busy loops", {R(device, 1), R(busy_loop, 0), R(busy_loop, 0)}, LIMIT(1)},
	{"preferring busy loop", {R(device, 2), R(busy_loop, 1)}, .defer = 1, .time = true, LIMIT(2)},
	{"preferring busy loop, disable",
	 {R(device, 1), R(busy_loop, 1), R(disable, 0)},
	 .defer = 1,
	 .time = true,
	 LIMIT(1)},

	{"suspend", {R(device, 1), R(suspend, 0)}, .defer = 1, .suspend = true, .time = true},
	{"suspend, disable",
	 {R(suspend, 0), R(disable, 0)},
	 .defer = 1,
	 .suspend = true,
	 .time = true,
	 LIMIT(2)},
	{"suspend, move",
	 {R(suspend, 0), R(move, 0)},
	 .defer = 1,
	 .suspend = true,
	 .time = true,
	 .two = true,
	 LIMIT(1)},
	{"suspend, preferring busy loop",
	 {R(device, 1), R(suspend, 0), R(busy_loop, 1)},
	 .defer = 1,
	 .suspend = true,
	 .time = true,
	 LIMIT(1)},
	{"resume", {R(device, 1), R(resume, 0)}, .defer = 1, .suspend = true, .time = true, LIMIT(2)},
	{"resume, disable", {R(resume, 0), R(disable, 0)}, .suspend = true, LIMIT(2)},
	{"resume in the application's loop",
	 {R(application, 0), R(device, 1), R(resume, 0)},
	 .foreign = true,
	 .suspend = true,
	 LIMIT(3)},

	{"starving", {R(schedule, 1), R(return, 0)}, .starves = true},
	{"starving, schedule", {R(schedule, 1), R(return, 0), R(schedule, 1)}, .starves = true, LIMIT(3)},
	{"starving on a thread", {R(schedule, 1), R(return, 0)}, .starves = true, .threaded = 1},

	{"producer", {R(send, 2)}, .sends = true},
	{"producer, schedule", {R(send, 2), R(schedule, 1)}, .sends = true, LIMIT(3)},
	{"full ring", {R(sleeper, 2), R(wire, 1)}, .sends = true, .full = true, LIMIT(3)},
	{"full ring twice", {R(sleeper, 3), R(wire, 2)}, .sends = true, .full = true, LIMIT(2)},
	{"full ring, schedule",
	 {R(sleeper, 2), R(wire, 1), R(schedule, 1)},
	 .sends = true,
	 .full = true,
	 LIMIT(2)},

	{"endpoint", {R(fill, 3), R(receive, 2)}, .foreign = true, .endpoint = true},
	{"endpoint, one by one", {R(fill, 3), R(receive, 1)}, .foreign = true, .endpoint = true},
	{"endpoint, awake", {R(fill, 2), R(receive_awake, 1)}, .foreign = true, .endpoint = true},

	{"application's loop", {R(application, 0), R(device, 1), R(schedule, 1)}, .foreign = true},
	{"application's loop, disable",
	 {R(application, 0), R(device, 1), R(disable, 0)},
	 .foreign = true,
	 LIMIT(3)},
	{"application's loop, restart",
	 {R(application, 0), R(device, 1), R(restart, 0)},
	 .foreign = true,
	 LIMIT(2)},
	{"caller", {R(caller, 2), R(device, 1)}, .foreign = true, .poller = true},
	{"caller, schedule", {R(caller, 1), R(schedule, 1)}, .foreign = true, .poller = true},
	{"caller, mode",
	 {R(caller, 2), R(device, 1), R(interrupt_mode, 0)},
	 .foreign = true,
	 .poller = true,
	 LIMIT(2)},
	{"caller, disable",
	 {R(caller, 1), R(device, 1), R(disable, 0)},
	 .foreign = true,
	 .poller = true,
	 LIMIT(1)},
	{"caller, disable in time or not",
	 {R(caller, 1), R(device, 1), R(disable_in_time, 0)},
	 .foreign = true,
	 .poller = true,
	 LIMIT(1)},
};
const unsigned int nr_scenarios = ARRAY_SIZE(scenarios);
