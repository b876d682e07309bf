/* SPDX-License-Identifier: BSD-3-Clause */
/* One thread, one loop: do what can be done, then wait for a message, the wire, a signal or a time.
 *
 * With doorbell=mmap nobody tells when a tail moves. Under traffic the loop spins (and looks at its
 * descriptors now and then only); opt.spin_us after the last event it sleeps opt.scan_us at a time, and after
 * IDLE_NS of that 1 ms at a time.
 */
#include "apps/simnic/sim.h"
#include "core/base/clock.h"
#include "core/base/reason.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define WIRE_BUDGET  64
#define LOOK_EVERY   32 /* turns of the loop without a look at the descriptors, while spinning */
#define YIELD_AFTER  16 /* fruitless turns */
#define IDLE_NS	     (10 * NSEC_PER_MSEC)
#define IDLE_SCAN_NS NSEC_PER_MSEC
#define PARENT_DIED  SIGRTMIN
#define NEVER	     UINT64_MAX

enum source { FROM_SIGNAL, FROM_LISTENER, FROM_CLIENT, FROM_WIRE };

static int watch(struct sim *s, int op, int fd, uint32_t events, enum source from)
{
	struct epoll_event e = {.events = events, .data.u32 = from};

	return epoll_ctl(s->epoll, op, fd, &e);
}

static int open_signals(struct sim *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGPWR);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, PARENT_DIED);
	/* A child shares its application's terminal: what ctrl-C means is the application's to say. */
	if (s->opt.fd < 0)
		sigaddset(&set, SIGINT);
	else
		signal(SIGINT, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (s->signals < 0)
		return unapi_fail(errno, "signalfd: %s", strerror(errno));
	if (s->opt.fd >= 0) {
		s->parent = getppid();
		prctl(PR_SET_PDEATHSIG, PARENT_DIED);
	}
	return watch(s, EPOLL_CTL_ADD, s->signals, EPOLLIN, FROM_SIGNAL);
}

static int open_listener(struct sim *s)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	if (!*s->opt.socket_path)
		return 0;
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	strcpy(a.sun_path, s->opt.socket_path);
	unlink(a.sun_path);
	if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&a, sizeof(a)) || listen(s->listener, 1))
		return unapi_fail(errno, "socket=%s: %s", a.sun_path, strerror(errno));
	return watch(s, EPOLL_CTL_ADD, s->listener, EPOLLIN, FROM_LISTENER);
}

static int share_bar0(struct sim *s)
{
	s->shared_fd = -1;
	if (!s->opt.mmap)
		return 0;
	s->shared_fd = memfd_create("simnic BAR0", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->shared_fd < 0 || ftruncate(s->shared_fd, E1000_BAR0_SIZE))
		return unapi_fail(errno, "doorbell=mmap: %s", strerror(errno));
	/* So that no client can take the pages away under the model. */
	fcntl(s->shared_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	s->shared = mmap(NULL, E1000_BAR0_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, s->shared_fd, 0);
	if (s->shared == MAP_FAILED) {
		s->shared = NULL;
		return unapi_fail(errno, "doorbell=mmap: %s", strerror(errno));
	}
	return 0;
}

static void watch_client(struct sim *s)
{
	s->client_fd = s->server.sock;
	if (s->client_fd >= 0)
		watch(s, EPOLL_CTL_ADD, s->client_fd, EPOLLIN, FROM_CLIENT);
}

int sim_init(struct sim *s)
{
	int rc;

	s->listener = s->signals = s->client_fd = s->wire_fd = s->shared_fd = -1;
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll < 0)
		return unapi_fail(errno, "epoll: %s", strerror(errno));
	rc = share_bar0(s);
	if (!rc)
		rc = igb_init(&s->dev, &s->opt, s->shared);
	if (!rc)
		rc = server_init(&s->server, &s->dev, s->shared_fd);
	if (!rc)
		rc = wire_open(&s->wire, s->opt.wire, &s->dev, &s->opt);
	if (!rc)
		rc = open_signals(s);
	if (!rc)
		rc = open_listener(s);
	if (!rc && s->opt.fd >= 0) {
		server_attach(&s->server, s->opt.fd);
		watch_client(s);
	}
	return rc;
}

void sim_fini(struct sim *s)
{
	server_fini(&s->server);
	wire_close(&s->wire);
	igb_fini(&s->dev);
	if (s->shared)
		munmap(s->shared, E1000_BAR0_SIZE);
	if (s->listener >= 0)
		unlink(s->opt.socket_path);
	const int fds[] = {s->shared_fd, s->listener, s->signals, s->epoll};

	for (unsigned int i = 0; i < ARRAY_SIZE(fds); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

/* ---- work */

bool sim_work(struct sim *s)
{
	bool any = igb_scan(&s->dev);

	igb_run(&s->dev);
	if (s->wire.carrier != s->dev.phy.carrier)
		igb_carrier(&s->dev, s->wire.carrier);
	/* The wire first: what it gets rid of is room for what is sent then. */
	if (s->wire.ops->poll)
		any |= s->wire.ops->poll(&s->wire, WIRE_BUDGET) > 0;
	return igb_tx(&s->dev) > 0 || any;
}

static void end_phase(struct sim *s)
{
	char suffix[16];

	snprintf(suffix, sizeof(suffix), ".%u", ++s->phase);
	stats_file_write(s, suffix, false);
	stats_file_write(s, "", false);
	if (s->wire.ops == &wire_gen)
		gen_new_phase(&s->wire);
}

static void take_signal(struct sim *s)
{
	struct signalfd_siginfo i;

	while (read(s->signals, &i, sizeof(i)) == (ssize_t)sizeof(i)) {
		if (i.ssi_signo == SIGUSR1)
			end_phase(s);
		else if (i.ssi_signo == SIGUSR2 && s->wire.ops == &wire_gen)
			gen_stop(&s->wire);
		else if (i.ssi_signo == SIGHUP)
			igb_remove(&s->dev);
		else if (i.ssi_signo == SIGPWR)
			irq_trigger(&s->dev.irq, VFIO_PCI_REQ_IRQ_INDEX, 0);
		else if (i.ssi_signo == SIGTERM || i.ssi_signo == SIGINT)
			s->quit = true;
		else if (i.ssi_signo == (uint32_t)PARENT_DIED && getppid() != s->parent)
			s->quit = true; /* the same signal comes when only the thread that started us ends */
	}
}

static void take_client(struct sim *s)
{
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (s->server.sock >= 0) { /* one at a time */
		close(fd);
		return;
	}
	server_attach(&s->server, fd);
	watch_client(s);
}

static void client_ready(struct sim *s)
{
	int rc;

	/* Several reads a turn, but not for ever: the wire wants its turn too. */
	for (int i = 0; i < 16; i++) {
		rc = server_input(&s->server);
		if (rc <= 0)
			break;
	}
	if (s->server.sock < 0) {
		s->client_fd = -1; /* closed, so epoll has forgotten it */
		s->quit |= s->opt.fd >= 0;
	}
}

static void watch_wire(struct sim *s)
{
	struct wire *w = &s->wire;
	bool moved = w->fd != s->wire_fd || w->new_fd;

	if (!moved && w->events == s->wire_events)
		return;
	/* The old one may be closed, and so forgotten already, or live on as a listener. */
	if (moved && s->wire_fd >= 0)
		epoll_ctl(s->epoll, EPOLL_CTL_DEL, s->wire_fd, NULL);
	if (w->fd >= 0)
		watch(s, moved ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, w->fd, (uint32_t)w->events, FROM_WIRE);
	s->wire_fd = w->fd;
	s->wire_events = w->events;
	w->new_fd = false;
}

static void periodic(struct sim *s)
{
	uint64_t now;

	if (s->wire.ops == &wire_gen && !s->told_finished && gen_finished(&s->wire)) {
		s->told_finished = true;
		stats_file_write(s, "", false);
	}
	if (!s->opt.stats_ms)
		return;
	now = unapi_clock_ns();
	if (now < s->next_stats)
		return;
	s->next_stats = now + s->opt.stats_ms * NSEC_PER_MSEC;
	stats_file_write(s, "", false);
}

/* ---- waiting */

static uint64_t next_time(const struct sim *s)
{
	uint64_t next = igb_next(&s->dev), wire = s->wire.ops->next ? s->wire.ops->next(&s->wire) : NEVER;

	next = wire < next ? wire : next;
	return s->opt.stats_ms && s->next_stats < next ? s->next_stats : next;
}

static void wait_ns(struct sim *s, uint64_t ns)
{
	struct timespec t = {(time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC)};
	struct epoll_event e[4];
	int n = epoll_pwait2(s->epoll, e, ARRAY_SIZE(e), ns == NEVER ? NULL : &t, NULL);

	for (int i = 0; i < n; i++) {
		if (e[i].data.u32 == FROM_SIGNAL)
			take_signal(s);
		else if (e[i].data.u32 == FROM_LISTENER)
			take_client(s);
		else if (e[i].data.u32 == FROM_CLIENT)
			client_ready(s);
		/* FROM_WIRE: its poll() runs at each turn */
	}
}

/* How long there is nothing to do, 0 to go on at once. */
static uint64_t nap(struct sim *s, bool worked)
{
	uint64_t now = unapi_clock_ns(), next = next_time(s), ns, idle;

	ns = next == NEVER ? NEVER : next > now ? next - now : 0;
	if (worked)
		s->last_event = now;
	if (worked || !s->dev.seen || s->server.sock < 0)
		return worked ? 0 : ns;
	idle = now - s->last_event;
	if (idle < s->opt.spin_us * NSEC_PER_USEC)
		return 0;
	igb_show_heads(&s->dev);
	next = idle < IDLE_NS ? s->opt.scan_us * NSEC_PER_USEC : IDLE_SCAN_NS;
	return next < ns ? next : ns;
}

int sim_run(struct sim *s)
{
	unsigned int unlooked = 0, fruitless = 0;

	/* Half of a nap of 50 us would be the kernel's default slack. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	s->next_stats = unapi_clock_ns() + s->opt.stats_ms * NSEC_PER_MSEC;
	stats_file_write(s, "", false); /* who waits for it learns the pid */
	while (!s->quit) {
		bool worked = sim_work(s);
		uint64_t ns = nap(s, worked);

		watch_wire(s);
		if (ns || ++unlooked >= (s->dev.seen ? LOOK_EVERY : 1)) {
			unlooked = 0;
			wait_ns(s, ns);
			periodic(s);
		}
		/* Spinning for what the client does next: should it wait for this very CPU, it gets it. */
		fruitless = worked || ns || s->wire.urgent ? 0 : fruitless + 1;
		if (fruitless > YIELD_AFTER)
			sched_yield();
		else if (fruitless || s->wire.urgent)
			cpu_relax();
	}
	stats_file_write(s, "", true);
	return 0;
}
