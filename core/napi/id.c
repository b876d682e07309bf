/* SPDX-License-Identifier: BSD-3-Clause */
/* NAPI ids: numbers that say which enabled instance is meant, given out as Debian's kernels do. */
#include "core/napi/eventpoll.h"
#include "core/napi/internal.h"

#define ID_BUCKETS 256

static struct napi_struct *buckets[ID_BUCKETS]; /* guarded by the control lock */

unsigned int napi_id_last = NAPI_ID_MIN - 1;

struct napi_struct *napi_id_find(unsigned int id)
{
	struct napi_struct *n;

	for (n = buckets[id % ID_BUCKETS]; n && n->napi_id != id; n = n->id_next)
		;
	return n;
}

static unsigned int fresh_id(void)
{
	do {
		if (++napi_id_last < NAPI_ID_MIN) /* it has wrapped */
			napi_id_last = NAPI_ID_MIN;
	} while (napi_id_find(napi_id_last));
	return napi_id_last;
}

/* A slot's id is not reserved while its instance is away. After 2^32 others somebody else may have it, where
 * the kernel only warns. */
void napi_id_new(struct napi_struct *n)
{
	unsigned int id = n->config ? n->config->napi_id : 0;

	if (!id || napi_id_find(id))
		id = fresh_id();
	if (n->config)
		n->config->napi_id = id;
	n->id_next = buckets[id % ID_BUCKETS];
	buckets[id % ID_BUCKETS] = n;
	WRITE_ONCE(n->napi_id, id);
}

void napi_id_drop(struct napi_struct *n)
{
	struct napi_struct **p;

	for (p = &buckets[n->napi_id % ID_BUCKETS]; *p && *p != n; p = &(*p)->id_next)
		;
	if (*p)
		*p = n->id_next;
	WRITE_ONCE(n->napi_id, 0);
}

struct napi_struct *napi_by_id(unsigned int id)
{
	struct napi_struct *n;

	if (id < NAPI_ID_MIN)
		return NULL;
	pthread_mutex_lock(&napi_control_lock);
	n = napi_id_find(id);
	pthread_mutex_unlock(&napi_control_lock);
	return n;
}
