/* SPDX-License-Identifier: BSD-3-Clause */
/* Core lists: "0-1,3". */
#ifndef TESTPMD_CORES_H
#define TESTPMD_CORES_H

#include <stddef.h>

/**
 * cores_parse() - the cores a list names, ascending and each once
 *
 * 0; -EINVAL with what is wrong with the list in @why.
 */
int cores_parse(const char *text, unsigned int *cores, unsigned int max, unsigned int *count, char *why,
		size_t size);

/** cores_allowed() - the cores this process may run on. 0 or -errno */
int cores_allowed(unsigned int *cores, unsigned int max, unsigned int *count);

/** cores_format() - the list again, in @text, which it returns */
const char *cores_format(const unsigned int *cores, unsigned int count, char *text, size_t size);

/** cores_pin_self() - run the calling thread on this core alone. 0 or -errno */
int cores_pin_self(unsigned int core);

#endif
