/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UNAPI_DEVBIND_H
#define UNAPI_DEVBIND_H

#include <stdbool.h>

/* Each prints its errors, one line each, and returns the program's exit code. */
int devbind_status(bool json);
int devbind_bind(const char *driver, char *const devs[], int n, bool force);
int devbind_unbind(char *const devs[], int n, bool force);

#endif
