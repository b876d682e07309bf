/* SPDX-License-Identifier: BSD-3-Clause */
/* The link that structures of this library carry inside them. Opaque to applications. */
#ifndef UNAPI_LIST_H
#define UNAPI_LIST_H

struct list_head {
	struct list_head *next, *prev;
};

#endif
