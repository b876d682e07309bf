/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UNAPI_DEVBIND_H
#define UNAPI_DEVBIND_H

#include <stdbool.h>

struct devbind_options {
	bool force, noiommu;
};

/* The program, less the choice of the tree it works on. */
int devbind_main(int argc, char **argv);

/* Each prints its errors, one line each, and returns the program's exit code. */
int devbind_status(bool json);
int devbind_check(char *const devs[], int n);
int devbind_bind(const char *driver, char *const devs[], int n, const struct devbind_options *o);
int devbind_unbind(char *const devs[], int n, const struct devbind_options *o);

/* Print what failed, the library's reason, and return 1. */
int devbind_complain(void);

#endif
