/* SPDX-License-Identifier: BSD-3-Clause */
#include <unapi/version.h>

#define STRING_(x) #x
#define STRING(x)  STRING_(x)

const char *unapi_version(void)
{
	return STRING(UNAPI_VERSION_MAJOR) "." STRING(UNAPI_VERSION_MINOR) "." STRING(UNAPI_VERSION_PATCH);
}
