/* SPDX-License-Identifier: BSD-3-Clause */
/* Reports as JSON: the one place that names their members. unapi-napi-top(1) describes them. */
#ifndef UNAPI_CORE_STATS_REPORT_H
#define UNAPI_CORE_STATS_REPORT_H

#include <jansson.h>

/* A change that readers of before do not understand makes it another version. */
#define STATS_VERSION 1

/* NULL with the reason: no memory. */
json_t *stats_report(void);

#endif
