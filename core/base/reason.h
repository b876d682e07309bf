/* SPDX-License-Identifier: BSD-3-Clause */
/* Setting the reason of a failure, and logging. The public half is unapi/error.h. */
#ifndef UNAPI_CORE_REASON_H
#define UNAPI_CORE_REASON_H

#include <unapi/error.h>

/* Record why a call fails and return -err: `return unapi_fail(ENODEV, "%s: not there", name);` */
int unapi_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Put "prefix: " before the reason already recorded, keeping the error: `return unapi_fail_at(rc, "...")`. */
int unapi_fail_at(int rc, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void unapi_log(enum unapi_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
