/* SPDX-License-Identifier: BSD-3-Clause */
/* Printing of port statistics, with rates since they were printed last. */
#ifndef TESTPMD_STATS_H
#define TESTPMD_STATS_H

struct app;
struct port;

void stats_show(struct port *port);
/** stats_show_all() - at each period; clears the screen first if it is one */
void stats_show_all(struct app *app);
/** stats_clear() - count from zero again */
void stats_clear(struct app *app, struct port *port);

#endif
