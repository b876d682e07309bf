/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that begins on a cache line, and assertions about which members of a structure share one: they hold
 * for such objects. */
#ifndef UNAPI_CORE_LINES_H
#define UNAPI_CORE_LINES_H

#include "core/base/compiler.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* @bytes of zeros; NULL: no memory. free() takes them. */
static inline void *zalloc_lines(size_t bytes)
{
	void *p;

	bytes = (bytes + UNAPI_CACHELINE - 1) & ~(size_t)(UNAPI_CACHELINE - 1);
	p = aligned_alloc(UNAPI_CACHELINE, bytes);
	return p ? memset(p, 0, bytes) : NULL;
}

#define FIRST_LINE_OF(type, member) (offsetof(type, member) / UNAPI_CACHELINE)
#define LAST_LINE_OF(type, member) \
	((offsetof(type, member) + sizeof(((type *)0)->member) - 1) / UNAPI_CACHELINE)

/* From @first to the end of @last it is one line. */
#define ASSERT_ONE_LINE(type, first, last)                                     \
	_Static_assert(FIRST_LINE_OF(type, first) == LAST_LINE_OF(type, last), \
		       #first " to " #last " of " #type ": more than one cache line")

/* Others write the one, and @after, which lies behind it, is not to suffer. */
#define ASSERT_APART(type, one, after)                                       \
	_Static_assert(LAST_LINE_OF(type, one) < FIRST_LINE_OF(type, after), \
		       #one " and " #after " of " #type " share a cache line")

#endif
