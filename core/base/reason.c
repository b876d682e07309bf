/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/base/reason.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define REASON_MAX 512

static __thread char reason[REASON_MAX];
static unapi_log_fn log_fn;
static void *log_arg;

const char *unapi_reason(void)
{
	return reason;
}

int unapi_fail(int err, const char *fmt, ...)
{
	char text[REASON_MAX]; /* an argument may be the old reason */
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(reason, text, sizeof(reason));
	return -err;
}

int unapi_fail_at(int rc, const char *fmt, ...)
{
	char before[REASON_MAX], text[REASON_MAX / 2];
	va_list ap;

	memcpy(before, reason, sizeof(before));
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(reason, sizeof(reason), "%s: %.*s", text, REASON_MAX / 2 - 3, before);
	return rc;
}

void unapi_set_log(unapi_log_fn fn, void *arg)
{
	log_fn = fn;
	log_arg = arg;
}

void unapi_log(enum unapi_log_level level, const char *fmt, ...)
{
	char text[REASON_MAX];
	va_list ap;

	if (!log_fn)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_fn(log_arg, level, text);
}
