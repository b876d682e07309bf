/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unapi/stats.h>

#include "app.h"
#include "json.h"

struct stats_json {
	const char *path;
	int fd;
	bool failed;
	off_t whole; /* where the last whole line ends, in a regular file */
};

static void fail(struct stats_json *j, int err)
{
	struct stat st;

	fprintf(stderr, "%s: %s: no more statistics are written to it\n", j->path, strerror(err));
	j->failed = true;
	/* Half a line would spoil the file for its readers. */
	if (!fstat(j->fd, &st) && S_ISREG(st.st_mode) && ftruncate(j->fd, j->whole))
		fprintf(stderr, "%s: ends in half a line: %s\n", j->path, strerror(errno));
}

struct stats_json *json_open(const char *path)
{
	struct stats_json *j = calloc(1, sizeof(*j));

	if (!j) {
		fprintf(stderr, "%s: no memory\n", path);
		return NULL;
	}
	j->path = path;
	j->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (j->fd < 0) {
		fprintf(stderr, "%s: cannot be written: %s\n", path, strerror(errno));
		free(j);
		return NULL;
	}
	return j;
}

/* [0, 9]: the receive or transmit queues an instance serves. */
static json_t *queues(const struct port *port, const struct napi_struct *n, bool rx)
{
	json_t *list = json_array();

	for (unsigned int q = 0; q < (rx ? port->rxq : port->txq); q++) {
		if ((rx ? unapi_dev_rxq_napi(port->dev, q) : unapi_dev_txq_napi(port->dev, q)) == n)
			json_array_append_new(list, json_integer(q));
	}
	return list;
}

json_t *json_napi(struct app *app, const struct port *port, struct napi_struct *n)
{
	const struct lcore *lc = app_lcore_of(app, n);
	char *text = unapi_napi_report(n);
	json_t *o = text ? json_loads(text, 0, NULL) : json_object();

	free(text);
	json_object_set_new(o, "rx_queues", queues(port, n, true));
	json_object_set_new(o, "tx_queues", queues(port, n, false));
	json_object_set_new(o, "core", json_integer(lc ? (int)lc->core : -1));
	return o;
}

static json_t *port_object(struct app *app, const struct port *port)
{
	static const char *const states[] = {"closed", "stopped", "started"};
	struct unapi_dev_stats st;
	struct napi_struct *napi;
	json_t *napis, *object;

	if (!port->dev)
		return json_pack("{s:i, s:s, s:s}", "port", (int)port->id, "name", port->spec, "state",
				 states[port->state]);
	unapi_dev_get_stats(port->dev, &st);
	napis = json_array();
	for (unsigned int i = 0; (napi = unapi_dev_napi(port->dev, i)); i++)
		json_array_append_new(napis, json_napi(app, port, napi));
	object = json_pack("{s:i, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "port",
			   (int)port->id, "name", port->spec, "state", states[port->state], "rx_packets",
			   (json_int_t)st.rx_packets, "tx_packets", (json_int_t)st.tx_packets, "rx_bytes",
			   (json_int_t)st.rx_bytes, "tx_bytes", (json_int_t)st.tx_bytes, "drops",
			   (json_int_t)(port->dropped + forward_dropped(app, port->id)), "idle_drops",
			   (json_int_t)port_idle(port), "rx_missed", (json_int_t)st.rx_missed, "rx_errors",
			   (json_int_t)st.rx_errors, "tx_errors", (json_int_t)st.tx_errors, "rx_alloc_fail",
			   (json_int_t)st.rx_alloc_fail, "napis", napis);
	return object;
}

static json_t *lcore_object(const struct lcore *lc)
{
	struct unapi_context_stats st;

	unapi_context_get_stats(lc->ctx, &st);
	return json_pack("{s:i, s:s, s:I, s:I, s:I, s:I}", "core", (int)lc->core, "context", lc->name,
			 "cpu_ns", (json_int_t)lcore_cpu_ns(lc), "waits", (json_int_t)st.waits, "wakeups",
			 (json_int_t)st.wakeups, "time_squeeze", (json_int_t)st.time_squeeze);
}

static json_t *everything(struct app *app, bool final)
{
	json_t *ports = json_array(), *lcores = json_array();

	for (unsigned int i = 0; i < app->nr_ports; i++)
		json_array_append_new(ports, port_object(app, &app->ports[i]));
	for (unsigned int i = 0; i < app->nr_lcores; i++)
		json_array_append_new(lcores, lcore_object(&app->lcores[i]));
	return json_pack("{s:I, s:i, s:b, s:b, s:s, s:o, s:o}", "time_ns", (json_int_t)now_ns(), "period_s",
			 (int)app->opt.stats_period, "final", final, "forwarding", app->forwarding,
			 "forward_mode", app->engine->name, "ports", ports, "lcores", lcores);
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		text += n;
		len -= n;
	}
	return 0;
}

void json_write(struct stats_json *j, struct app *app, bool final)
{
	json_t *root;
	char *text;
	size_t len;
	int err;

	if (j->failed)
		return;
	root = everything(app, final);
	text = json_dumps(root, 0);
	json_decref(root);
	if (!text) {
		fail(j, ENOMEM);
		return;
	}
	len = strlen(text);
	text[len] = '\n'; /* in the place of the terminator: one write a line */
	err = write_all(j->fd, text, len + 1);
	free(text);
	if (err)
		fail(j, err);
	else
		j->whole += len + 1;
}

int json_close(struct stats_json *j)
{
	int failed;

	if (close(j->fd) && !j->failed)
		fail(j, errno);
	failed = j->failed;
	free(j);
	return failed ? -1 : 0;
}
