/* SPDX-License-Identifier: BSD-3-Clause */
/* The whole program's state. It is the main thread's; what other threads touch is in lcore, port and stream.
 */
#ifndef TESTPMD_APP_H
#define TESTPMD_APP_H

#include <stdbool.h>
#include <stdint.h>

#include "lcore.h"
#include "options.h"
#include "port.h"
#include "stream.h"

struct prompt;
struct stats_json;

struct app {
	struct options opt;
	struct port ports[MAX_PORTS];
	unsigned int nr_ports;
	struct lcore *lcores;
	unsigned int nr_lcores;

	const struct fwd_engine *engine; /* for the next start; the running streams have their own */
	bool forwarding;
	struct stream *streams;
	unsigned int nr_streams;
	/* Forward statistics count from here. */
	struct unapi_dev_stats base[MAX_PORTS];
	uint64_t busy_cycles_base, busy_packets_base;

	struct stats_json *json;       /* NULL: none */
	struct unapi_context *top_ctx; /* serves the statistics socket, on a thread that does nothing else */
	struct unapi_stats_server *top;
	struct json_t *cores_shown; /* the report that the last "show cores" showed, NULL none */
	int signal_fd, event_fd, timer_fd;
	bool print_periods; /* print port statistics at each period */
	bool quit;
	int status;		   /* exit status so far */
	void (*redraw)(void *arg); /* shows the prompt again after a line was printed under it; NULL none */
	void *redraw_arg;
};

/** app_settle() - make the lcores' sets anew: instances of started ports, streams that send */
int app_settle(struct app *app);
/** app_pause_lcores() - poll and run nothing until app_settle() */
int app_pause_lcores(struct app *app);
/** app_wake_lcores() - modes have changed */
void app_wake_lcores(struct app *app);
/** app_lcore_of() - the lcore whose context is the instance's home, or NULL */
struct lcore *app_lcore_of(struct app *app, const struct napi_struct *n);

/* Starting and stopping of ports beyond the device: sets, streams. 0, or -1 after a line was printed. */
int app_port_start(struct app *app, struct port *port);
int app_port_stop(struct app *app, struct port *port);
int app_port_reset(struct app *app, struct port *port);
void app_port_close(struct app *app, struct port *port);

/** app_events() - handle what the devices have reported */
void app_events(struct app *app);

/* forward.c */
/** forward_start() - 0, or -1 after a line that says why not */
int forward_start(struct app *app);
/** forward_stop() - no packet is forwarded after it; prints the forward statistics */
void forward_stop(struct app *app);
/** forward_stop_quietly() - without a word */
void forward_stop_quietly(struct app *app);
/** forward_base() - forward statistics of these ports count from now on */
void forward_base(struct app *app, unsigned int port);
/** forward_dropped() - packets that running streams could not send by this port */
uint64_t forward_dropped(const struct app *app, unsigned int port);
void forward_show_stats(struct app *app);
void forward_show_config(struct app *app);

/* loop.c */
enum loop_result { LOOP_INPUT, LOOP_QUIT };
int loop_open(struct app *app);
void loop_close(struct app *app);
/** loop_wait() - serve signals, device events and periods until @fd can be read (-1: none) or it is time to
 * quit */
enum loop_result loop_wait(struct app *app, int fd);

/* prompt.c, lines.c: read commands until quit or the end of input */
int prompt_edit(struct app *app);
void lines_read(struct app *app, int fd);

/* cmd_napi_show.c: what "show cores" counts from at first */
void cores_begin(struct app *app);
void cores_end(struct app *app);

/* cmd.c */
void cmd_run(struct app *app, char *line);

uint64_t now_ns(void);

#endif
