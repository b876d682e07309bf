/* SPDX-License-Identifier: BSD-3-Clause */
/* A port's channels: which instance serves which queues, and where its interrupt goes. */
#ifndef TESTPMD_CHANNELS_H
#define TESTPMD_CHANNELS_H

#include <stddef.h>

struct napi_struct;
struct port;

/** channels_show() - one line for all, and one for each instance */
void channels_show(const struct port *port);

/** channels_irq() - where the interrupt of an instance goes, in @text, which it returns */
const char *channels_irq(const struct napi_struct *n, char *text, size_t size);

#endif
