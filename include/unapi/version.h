/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UNAPI_VERSION_H
#define UNAPI_VERSION_H

#include <unapi/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What this header was installed with. */
#define UNAPI_VERSION_MAJOR 0
#define UNAPI_VERSION_MINOR 1
#define UNAPI_VERSION_PATCH 0

/** unapi_version() - the version of the library in use, "0.1.0" */
UNAPI_API const char *unapi_version(void);

#ifdef __cplusplus
}
#endif
#endif
