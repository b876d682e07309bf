// SPDX-License-Identifier: BSD-3-Clause
/*
 * The host's end of the guest's wires: sends numbered UDP frames over many flows into QEMU's "stream"
 * netdevs, takes back what the guest forwards, and accounts for every frame.
 *
 *   traffic SOCKET...          one listening Unix socket for each wire
 *
 * Each flow keeps at most `window` frames under way: QEMU's igb drops silently when one of several rings is
 * full, so a test that wants to count losses must never fill one. Commands on standard input, answers in
 * JSON, one line each:
 *
 *   start [flows=N] [window=N] [size=N] [rate=N] [dst=MAC] [macs=same|swap|any] [cross=0|1]
 *         size 0 mixes sizes from 60 to 1514; rate is frames a second over all flows, 0 no limit; cross=1
 * expects a frame on the other wire of two report                     the counts up to now stop stop sending,
 * wait until all is back or a second has passed, then the final counts
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAX_WIRES  2
#define MAX_FLOWS  256
#define MAX_WINDOW 512
/* Numbers that a flow can look back on. Beyond the window, since frames after a lost one still go out. */
#define HISTORY	   (4 * MAX_WINDOW)
#define MIN_FRAME  60
#define MAX_FRAME  1514
#define HEADERS	   (14 + 20 + 8)
#define MAGIC	   0x756e6170 /* "unap" */
#define OUT_SPACE  (256 * 1024)
#define NS_PER_S   1000000000ull

enum macs { MACS_SAME, MACS_SWAP, MACS_ANY };

struct wire {
	int fd;
	size_t in_len, out_len;
	uint8_t in[4 + 65536], out[OUT_SPACE];
};

struct flow {
	uint32_t next;	 /* the number of the next frame to send */
	uint32_t oldest; /* every frame before it is back */
	uint32_t above;	 /* one more than the highest number seen */
	uint32_t under_way;
	bool back[HISTORY];
	uint64_t sent_at[HISTORY];
};

struct counts {
	uint64_t sent, received, duplicated, reordered, corrupt, stale, foreign, misdirected;
	uint64_t bytes, slowest_ns, rtt_sum_ns;
};

static struct wire wires[MAX_WIRES];
static int nr_wires;
static struct flow flows[MAX_FLOWS];
static struct counts counts;
static struct {
	unsigned int flows, window, size, rate, cross;
	enum macs macs;
	uint8_t dst[6];
} plan;
static uint16_t run; /* tells a frame of an earlier run from one of this */
static bool running, stopping;
static uint64_t started, last_sent, ended;
static unsigned int turn; /* the flow whose turn it is */

static const uint8_t host_mac[6] = {0x02, 0, 0, 0, 0x77, 0x01};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

__attribute__((noreturn, format(printf, 1, 2))) static void give_up(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "traffic: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	exit(1);
}

/* One step of splitmix64 (Steele, Lea, Flood 2014): addresses, sizes and contents are all drawn from it. */
static uint64_t mix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static void put16(uint8_t *p, uint16_t value)
{
	value = htons(value);
	memcpy(p, &value, 2);
}

static void put32(uint8_t *p, uint32_t value)
{
	value = htonl(value);
	memcpy(p, &value, 4);
}

static uint16_t get16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static uint16_t ip_checksum(const uint8_t *header)
{
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += get16(header + i);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~(sum + (sum >> 16));
}

/* A frame is wholly determined by its run, flow and number, so what comes back is checked byte for byte. */
static size_t make_frame(uint8_t *frame, unsigned int flow, uint32_t seq)
{
	uint64_t addresses = flow, content = (uint64_t)run << 48 | (uint64_t)flow << 32 | seq, word = 0;
	uint64_t draw = mix(&addresses);
	size_t len = plan.size;
	uint8_t *ip = frame + 14, *udp = ip + 20, *payload = udp + 8;

	if (!len)
		len = MIN_FRAME + mix(&content) % (MAX_FRAME - MIN_FRAME + 1);
	memset(frame, 0, HEADERS);
	memcpy(frame, plan.dst, 6);
	memcpy(frame + 6, host_mac, 6);
	put16(frame + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, len - 14);
	put16(ip + 4, seq);
	ip[8] = 64;
	ip[9] = 17;
	/* RSS spreads over the addresses; ports count only where a driver asks for it. */
	put32(ip + 12, 10u << 24 | (draw & 0xffffff));
	put32(ip + 16, 10u << 24 | (draw >> 24 & 0xffffff));
	put16(ip + 10, ip_checksum(ip));
	put16(udp, 1024 + flow);
	put16(udp + 2, 4789 + flow);
	put16(udp + 4, len - 34);
	put32(payload, MAGIC);
	put16(payload + 4, run);
	put16(payload + 6, flow);
	put32(payload + 8, seq);
	for (size_t i = HEADERS + 12; i < len; i++, word >>= 8) {
		if ((i - HEADERS - 12) % 8 == 0)
			word = mix(&content);
		frame[i] = word;
	}
	return len;
}

static bool flow_may_send(const struct flow *flow)
{
	return flow->under_way < plan.window && flow->next - flow->oldest < HISTORY;
}

static bool rate_allows(uint64_t now)
{
	return !plan.rate || counts.sent * NS_PER_S / plan.rate <= now - started;
}

static void send_frames(void)
{
	unsigned int idle = 0;

	while (running && !stopping && idle < plan.flows) {
		unsigned int f = turn;
		struct flow *flow = &flows[f];
		struct wire *wire = &wires[f % nr_wires];
		uint64_t now = now_ns();
		size_t len;

		if (!rate_allows(now))
			return;
		turn = (turn + 1) % plan.flows;
		if (!flow_may_send(flow) || wire->out_len + 4 + MAX_FRAME > OUT_SPACE) {
			idle++;
			continue;
		}
		idle = 0;
		len = make_frame(wire->out + wire->out_len + 4, f, flow->next);
		put32(wire->out + wire->out_len, len);
		wire->out_len += 4 + len;
		flow->sent_at[flow->next % HISTORY] = now;
		flow->back[flow->next % HISTORY] = false;
		flow->next++;
		flow->under_way++;
		counts.sent++;
		last_sent = now;
	}
}

static bool contents_match(const uint8_t *frame, size_t len, unsigned int flow, uint32_t seq)
{
	uint8_t expected[MAX_FRAME];

	if (make_frame(expected, flow, seq) != len || memcmp(frame + 12, expected + 12, len - 12))
		return false;
	switch (plan.macs) {
	case MACS_SAME:
		return !memcmp(frame, expected, 12);
	case MACS_SWAP:
		return !memcmp(frame, expected + 6, 6) && !memcmp(frame + 6, expected, 6);
	default:
		return true;
	}
}

static void take_frame(int wire, const uint8_t *frame, size_t len)
{
	const uint8_t *payload = frame + HEADERS;
	unsigned int f;
	struct flow *flow;
	uint32_t seq;
	uint64_t took;

	if (len < MIN_FRAME || get32(payload) != MAGIC) {
		counts.foreign++; /* the guest's kernel has things to say as well */
		return;
	}
	if (!running || get16(payload + 4) != run) {
		counts.stale++;
		return;
	}
	f = get16(payload + 6);
	seq = get32(payload + 8);
	if (f >= plan.flows || !contents_match(frame, len, f, seq)) {
		counts.corrupt++;
		return;
	}
	flow = &flows[f];
	if (flow->next - seq > HISTORY || seq >= flow->next) {
		counts.corrupt++; /* a number that was never sent, or one so old that it was given up */
		return;
	}
	if (flow->back[seq % HISTORY]) {
		counts.duplicated++;
		return;
	}
	if ((int)(f % nr_wires) != (plan.cross ? nr_wires - 1 - wire : wire))
		counts.misdirected++;
	if (seq < flow->above)
		counts.reordered++;
	else
		flow->above = seq + 1;
	flow->back[seq % HISTORY] = true;
	flow->under_way--;
	while (flow->oldest < flow->next && flow->back[flow->oldest % HISTORY])
		flow->oldest++;
	counts.received++;
	counts.bytes += len;
	took = now_ns() - flow->sent_at[seq % HISTORY];
	counts.rtt_sum_ns += took;
	if (took > counts.slowest_ns)
		counts.slowest_ns = took;
}

static void read_wire(int i)
{
	struct wire *wire = &wires[i];
	ssize_t n = read(wire->fd, wire->in + wire->in_len, sizeof(wire->in) - wire->in_len);
	size_t at = 0;

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		give_up("wire %d: the guest's end is gone", i);
	if (n < 0)
		return;
	wire->in_len += n;
	while (wire->in_len - at >= 4) {
		uint32_t len = get32(wire->in + at);

		if (len > 65536)
			give_up("wire %d: a frame of %u bytes", i, len);
		if (wire->in_len - at < 4 + len)
			break;
		take_frame(i, wire->in + at + 4, len);
		at += 4 + len;
	}
	wire->in_len -= at;
	memmove(wire->in, wire->in + at, wire->in_len);
}

static void write_wire(struct wire *wire)
{
	ssize_t n = write(wire->fd, wire->out, wire->out_len);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		give_up("write to the guest: %s", strerror(errno));
	if (n > 0) {
		wire->out_len -= n;
		memmove(wire->out, wire->out + n, wire->out_len);
	}
}

/* The first few of the frames that are not back: where in their flows they went missing tells much. */
static void print_missing(void)
{
	const char *separator = "";
	int left = 16;

	printf("\"missing\": [");
	for (unsigned int f = 0; f < plan.flows; f++) {
		for (uint32_t seq = flows[f].oldest; seq < flows[f].next && left; seq++) {
			if (flows[f].back[seq % HISTORY])
				continue;
			printf("%s\"%u:%u of %u\"", separator, f, seq, flows[f].next);
			separator = ", ";
			left--;
		}
	}
	printf("], ");
}

static void print_report(const char *what)
{
	uint64_t under_way = counts.sent - counts.received, end = ended ? ended : now_ns();

	printf("{\"%s\": true, \"run\": %u, \"sent\": %llu, \"received\": %llu, \"%s\": %llu, ", what, run,
	       (unsigned long long)counts.sent, (unsigned long long)counts.received,
	       ended ? "lost" : "under_way", (unsigned long long)under_way);
	if (ended)
		print_missing();
	printf("\"duplicated\": %llu, \"reordered\": %llu, \"corrupt\": %llu, \"misdirected\": %llu, "
	       "\"stale\": %llu, "
	       "\"foreign\": %llu, ",
	       (unsigned long long)counts.duplicated, (unsigned long long)counts.reordered,
	       (unsigned long long)counts.corrupt, (unsigned long long)counts.misdirected,
	       (unsigned long long)counts.stale, (unsigned long long)counts.foreign);
	printf("\"bytes\": %llu, \"seconds\": %.3f, \"rtt_mean_us\": %.1f, \"rtt_max_us\": %.1f}\n",
	       (unsigned long long)counts.bytes, started ? (end - started) / 1e9 : 0.0,
	       counts.received ? counts.rtt_sum_ns / 1e3 / counts.received : 0.0, counts.slowest_ns / 1e3);
	fflush(stdout);
}

static void parse_mac(const char *text, uint8_t *mac)
{
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) !=
	    6)
		give_up("\"%s\" is no MAC address", text);
}

static void start(char *options)
{
	plan.flows = 16;
	plan.window = 8;
	plan.size = plan.rate = plan.cross = 0;
	plan.macs = MACS_ANY;
	memset(plan.dst, 0xff, 6);
	for (char *word = strtok(options, " \n"); word; word = strtok(NULL, " \n")) {
		char *value = strchr(word, '=');

		if (!value)
			give_up("\"%s\" has no value", word);
		*value++ = 0;
		if (!strcmp(word, "flows"))
			plan.flows = atoi(value);
		else if (!strcmp(word, "window"))
			plan.window = atoi(value);
		else if (!strcmp(word, "size"))
			plan.size = atoi(value);
		else if (!strcmp(word, "rate"))
			plan.rate = atoi(value);
		else if (!strcmp(word, "cross"))
			plan.cross = atoi(value);
		else if (!strcmp(word, "dst"))
			parse_mac(value, plan.dst);
		else if (!strcmp(word, "macs"))
			plan.macs = !strcmp(value, "same")   ? MACS_SAME
				    : !strcmp(value, "swap") ? MACS_SWAP
							     : MACS_ANY;
		else
			give_up("unknown setting \"%s\"", word);
	}
	if (!plan.flows || plan.flows > MAX_FLOWS || !plan.window || plan.window > MAX_WINDOW)
		give_up("1 to %d flows, with a window of 1 to %d", MAX_FLOWS, MAX_WINDOW);
	if (plan.size && (plan.size < MIN_FRAME || plan.size > MAX_FRAME))
		give_up("a frame has %d to %d bytes", MIN_FRAME, MAX_FRAME);
	memset(flows, 0, sizeof(flows));
	memset(&counts, 0, sizeof(counts));
	run++;
	turn = 0;
	running = true;
	stopping = false;
	started = last_sent = now_ns();
	ended = 0;
	print_report("started");
}

static void handle_command(void)
{
	static char line[256];

	if (!fgets(line, sizeof(line), stdin))
		exit(0);
	if (!strncmp(line, "start", 5))
		start(line + 5);
	else if (!strncmp(line, "report", 6))
		print_report("report");
	else if (!strncmp(line, "stop", 4))
		stopping = true;
	else
		give_up("unknown command: %s", line);
}

static void open_wire(int i, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		give_up("%s: too long for a socket", path);
	strcpy(address.sun_path, path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 1))
		give_up("%s: %s", path, strerror(errno));
	wires[i].fd = fd;
}

static void connect_wires(void)
{
	for (int i = 0; i < nr_wires; i++) {
		int fd = accept4(wires[i].fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			give_up("accept: %s", strerror(errno));
		close(wires[i].fd);
		wires[i].fd = fd;
	}
}

int main(int argc, char **argv)
{
	if (argc < 2 || argc > 1 + MAX_WIRES) {
		fprintf(stderr, "usage: %s SOCKET [SOCKET]\n", argv[0]);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	/* Lines are read one for each poll, so none may wait in a buffer. */
	setvbuf(stdin, NULL, _IONBF, 0);
	nr_wires = argc - 1;
	for (int i = 0; i < nr_wires; i++)
		open_wire(i, argv[1 + i]);
	puts("{\"listening\": true}");
	fflush(stdout);
	connect_wires();

	for (;;) {
		struct pollfd fds[1 + MAX_WIRES] = {{.fd = 0, .events = POLLIN}};
		int timeout = running && stopping ? 10 : running && plan.rate ? 1 : 1000;

		send_frames();
		for (int i = 0; i < nr_wires; i++) {
			if (wires[i].out_len)
				write_wire(&wires[i]);
			fds[1 + i] = (struct pollfd){.fd = wires[i].fd,
						     .events = POLLIN | (wires[i].out_len ? POLLOUT : 0)};
		}
		if (poll(fds, 1 + nr_wires, timeout) < 0 && errno != EINTR)
			give_up("poll: %s", strerror(errno));
		for (int i = 0; i < nr_wires; i++)
			if (fds[1 + i].revents & (POLLIN | POLLHUP))
				read_wire(i);
		if (fds[0].revents & (POLLIN | POLLHUP))
			handle_command();
		if (running && stopping &&
		    (counts.sent == counts.received || now_ns() - last_sent > NS_PER_S)) {
			running = stopping = false;
			ended = now_ns();
			print_report("stopped");
		}
	}
}
