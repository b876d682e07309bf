/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests of core/vfio look at after each refusal: one line of reason, and nothing left open. */
#ifndef UNAPI_TESTS_VFIO_CHECK_H
#define UNAPI_TESTS_VFIO_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/reason.h"

#include <dirent.h>
#include <string.h>

static inline unsigned int count_fds(void)
{
	unsigned int n = 0;
	DIR *d = opendir("/proc/self/fd");

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* The reason of the failure that just happened has all of these words, and is one line. */
#define assert_reason(...) check_reason(__FILE__, __LINE__, (const char *const[]){__VA_ARGS__, NULL})

static inline void check_reason(const char *file, int line, const char *const *words)
{
	const char *why = unapi_reason();

	if (!*why || strchr(why, '\n')) {
		print_error("not one line: \"%s\"\n", why);
		_fail(file, line);
	}
	for (; *words; words++) {
		if (!strstr(why, *words)) {
			print_error("no \"%s\" in \"%s\"\n", *words, why);
			_fail(file, line);
		}
	}
}

#endif
