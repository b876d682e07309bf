/* SPDX-License-Identifier: BSD-3-Clause */
/* Assertions about which members of a structure share a cache line. They hold for objects that begin on a
 * line. */
#ifndef UNAPI_CORE_LINES_H
#define UNAPI_CORE_LINES_H

#include "core/base/compiler.h"

#include <stddef.h>

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
