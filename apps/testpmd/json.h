/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statistics as JSON: one object a line, for each period and a final one. unapi-testpmd(1) describes it.
 *
 * A file that cannot be written to (a full disk) is told of once and left alone from then on; traffic goes
 * on.
 */
#ifndef TESTPMD_JSON_H
#define TESTPMD_JSON_H

#include <jansson.h>
#include <stdbool.h>

struct app;
struct napi_struct;
struct port;
struct stats_json;

/** json_open() - create or empty the file. NULL after a line was printed */
struct stats_json *json_open(const char *path);
void json_write(struct stats_json *j, struct app *app, bool final);
/** json_close() - 0, or -1 if something could not be written */
int json_close(struct stats_json *j);
/** json_napi() - what the library reports of an instance (unapi/stats.h), with its queues and core */
json_t *json_napi(struct app *app, const struct port *port, struct napi_struct *n);

#endif
