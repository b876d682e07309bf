/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "fwd.h"

static const struct fwd_engine *const engines[] = {
	&fwd_io, &fwd_mac, &fwd_macswap, &fwd_rxonly, &fwd_txonly, &fwd_icmpecho,
};

#define NR_ENGINES (sizeof(engines) / sizeof(engines[0]))

const struct fwd_engine *fwd_default(void)
{
	return &fwd_io;
}

const struct fwd_engine *fwd_find(const char *name)
{
	for (unsigned int i = 0; i < NR_ENGINES; i++) {
		if (!strcmp(engines[i]->name, name))
			return engines[i];
	}
	return NULL;
}

const char *fwd_names(char *text, size_t size, const char *separator)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < NR_ENGINES && used < size; i++)
		used += snprintf(text + used, size - used, "%s%s", i ? separator : "", engines[i]->name);
	return text;
}

void fwd_cleanup(void)
{
	for (unsigned int i = 0; i < NR_ENGINES; i++) {
		if (engines[i]->cleanup)
			engines[i]->cleanup();
	}
}
