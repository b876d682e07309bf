/* SPDX-License-Identifier: BSD-3-Clause */
/* Which descriptors are event polls, and which have an instance behind them. */
#include "core/napi/ep_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

pthread_mutex_t ep_lock = PTHREAD_MUTEX_INITIALIZER;

static struct entry {
	void *obj;
	enum fd_kind kind;
} * table; /* by descriptor; guarded by ep_lock */
static int table_size;

static int grow(int fd)
{
	int size = table_size ? table_size : 64;
	struct entry *t;

	while (size <= fd)
		size *= 2;
	t = realloc(table, (size_t)size * sizeof(*t));
	if (!t)
		return -ENOMEM;
	memset(t + table_size, 0, (size_t)(size - table_size) * sizeof(*t));
	table = t;
	table_size = size;
	return 0;
}

int fd_table_set(int fd, enum fd_kind kind, void *obj)
{
	if (fd >= table_size && grow(fd))
		return -ENOMEM;
	table[fd] = (struct entry){.obj = obj, .kind = kind};
	return 0;
}

void *fd_table_get(int fd, enum fd_kind kind)
{
	if (fd < 0 || fd >= table_size || table[fd].kind != kind)
		return NULL;
	return table[fd].obj;
}

void fd_table_clear(int fd)
{
	table[fd] = (struct entry){.kind = FD_NONE};
}
