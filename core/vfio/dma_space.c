/* SPDX-License-Identifier: BSD-3-Clause */
/* Which devices reach which memory, and at what address. */
#include "core/base/reason.h"
#include "core/vfio/dma_priv.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/*
 * Where IOVAs are looked for, in this order. Above 4 GiB nothing is reserved on x86 and what needs 32 bits is
 * left alone; most IOMMUs have at least 39 bits. The low part serves spaces that have nothing else, without
 * its first MiB and the MSI window at 0xfee00000, which an IOMMU may leave out of its reserved ranges.
 */
static const struct dma_iova_range windows[] = {
	{4ULL << 30, (1ULL << 39) - 1},
	{0x100000, 0xfedfffff},
	{1ULL << 39, (1ULL << 48) - 1},
};
#define IOVA_LAST ((1ULL << 48) - 1)

/* Guards both lists, every space's nr_maps and slot, and every memory's map_mask and iova. */
static pthread_mutex_t dma_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list_head spaces = {&spaces, &spaces};
static struct list_head mems = {&mems, &mems}; /* ascending IOVA */
static uint64_t slots_used;

static uint64_t align_up(uint64_t v, uint64_t a)
{
	return (v + a - 1) & ~(a - 1);
}

/* The lowest address >= @from at which @size bytes are within the space's ranges; 0 if there is none. */
static uint64_t fit_in_space(const struct dma_space *s, uint64_t from, uint64_t size, uint64_t align)
{
	if (!s->nr_ranges)
		return from + size - 1 <= IOVA_LAST ? from : 0;
	for (unsigned int i = 0; i < s->nr_ranges; i++) {
		const struct dma_iova_range *r = &s->ranges[i];
		uint64_t at = align_up(from > r->start ? from : r->start, align);

		if (at >= from && at <= r->last && r->last - at >= size - 1)
			return at;
	}
	return 0;
}

/* First fit: push the address up past whatever does not allow it until nothing objects. 0: nothing free. */
static uint64_t pick_within(const struct dma_iova_range *w, const struct dma_space *only, uint64_t size,
			    uint64_t align)
{
	uint64_t at = align_up(w->start, align), next;
	struct dma_space *s;
	struct dma_mem *m;
	bool moved;

	do {
		moved = false;
		list_for_each_entry (s, &spaces, link) {
			if (only && s != only)
				continue;
			next = fit_in_space(s, at, size, align);
			if (!next)
				return 0;
			moved |= next != at;
			at = next;
		}
		list_for_each_entry (m, &mems, link) {
			if (m->iova < at + size && at < m->iova + m->size) {
				at = align_up(m->iova + m->size, align);
				moved = true;
			}
		}
		if (at > w->last || w->last - at < size - 1)
			return 0;
	} while (moved);
	return at;
}

static uint64_t pick_iova(const struct dma_space *only, uint64_t size, uint64_t align)
{
	uint64_t at = 0;

	for (size_t i = 0; i < ARRAY_SIZE(windows) && !at; i++)
		at = pick_within(&windows[i], only, size, align);
	return at;
}

static int map_into(struct dma_space *s, struct dma_mem *m)
{
	int rc;

	if (s->nr_maps >= s->max_maps)
		return unapi_fail(ENOSPC, "%s allows %u DMA mappings and all are in use", s->name,
				  s->max_maps);
	rc = s->ops->map(s, m);
	if (rc)
		return rc;
	s->nr_maps++;
	m->map_mask |= 1ULL << s->slot;
	return 0;
}

static int unmap_from(struct dma_space *s, struct dma_mem *m)
{
	int rc;

	if (!(m->map_mask & (1ULL << s->slot)))
		return 0;
	rc = s->ops->unmap(s, m);
	s->nr_maps--;
	m->map_mask &= ~(1ULL << s->slot);
	return rc;
}

static void unmap_everywhere(struct dma_mem *m)
{
	struct dma_space *s;

	list_for_each_entry (s, &spaces, link) {
		if (unmap_from(s, m) < 0)
			unapi_log(UNAPI_LOG_WARN, "%s", unapi_reason());
	}
}

static void insert_sorted(struct dma_mem *m)
{
	struct dma_mem *pos;

	list_for_each_entry (pos, &mems, link) {
		if (pos->iova > m->iova)
			break;
	}
	list_add_tail(&m->link, &pos->link); /* before pos; at the end pos is the head */
}

int dma_alloc(struct dma_space *space, size_t size, int node, enum dma_pages want, struct dma_mem **out)
{
	struct dma_space *s;
	struct dma_mem *m;
	int rc;

	*out = NULL;
	if (!size)
		return unapi_fail(EINVAL, "DMA memory of no size was asked for");
	m = calloc(1, sizeof(*m));
	if (!m)
		return unapi_fail(ENOMEM, "no memory to describe DMA memory");
	m->node = node;
	m->shared_by_all = !space;
	rc = dma_mem_make(m, size, want);
	if (rc)
		goto free_m;

	pthread_mutex_lock(&dma_lock);
	m->iova = pick_iova(space, m->size, dma_page_size(m->pages));
	if (!m->iova) {
		rc = unapi_fail(ENOSPC, "no I/O address range of %llu bytes is free in every device's IOMMU",
				(unsigned long long)m->size);
		goto unlock;
	}
	list_for_each_entry (s, &spaces, link) {
		if (space && s != space)
			continue;
		rc = map_into(s, m);
		if (rc) {
			unmap_everywhere(m);
			goto unlock;
		}
	}
	insert_sorted(m);
	pthread_mutex_unlock(&dma_lock);
	*out = m;
	return 0;

unlock:
	pthread_mutex_unlock(&dma_lock);
	dma_mem_unmake(m);
free_m:
	free(m);
	return rc;
}

void dma_free(struct dma_mem *m)
{
	if (!m)
		return;
	pthread_mutex_lock(&dma_lock);
	unmap_everywhere(m);
	list_del_init(&m->link);
	pthread_mutex_unlock(&dma_lock);
	dma_mem_unmake(m);
	free(m);
}

/* What is there already was placed without asking the newcomer. */
static int check_reachable(const struct dma_space *s, const struct dma_mem *m)
{
	if (fit_in_space(s, m->iova, m->size, 1) == m->iova)
		return 0;
	return unapi_fail(ERANGE,
			  "%s cannot reach packet memory at I/O address %#llx: open this device first",
			  s->name, (unsigned long long)m->iova);
}

int dma_space_register(struct dma_space *s)
{
	struct dma_mem *m, *undo;
	int rc = 0;

	/* All memory is in pages of at least 4 KiB, and need not be a multiple of more. */
	if (!(s->page_sizes & 0x1fff))
		return unapi_fail(ENOTSUP, "%s: its IOMMU maps nothing smaller than %llu bytes", s->name,
				  (unsigned long long)(s->page_sizes & -s->page_sizes));
	pthread_mutex_lock(&dma_lock);
	if (!~slots_used) {
		pthread_mutex_unlock(&dma_lock);
		return unapi_fail(ENOSPC, "%s: 64 devices or containers are in use already", s->name);
	}
	s->slot = (unsigned int)__builtin_ctzll(~slots_used);
	slots_used |= 1ULL << s->slot;
	list_for_each_entry (m, &mems, link) {
		if (!m->shared_by_all)
			continue;
		rc = check_reachable(s, m);
		if (!rc)
			rc = map_into(s, m);
		if (rc)
			break;
	}
	if (rc) {
		list_for_each_entry (undo, &mems, link)
			unmap_from(s, undo);
		slots_used &= ~(1ULL << s->slot);
	} else {
		list_add_tail(&s->link, &spaces);
	}
	pthread_mutex_unlock(&dma_lock);
	return rc;
}

void dma_space_unregister(struct dma_space *s)
{
	struct dma_mem *m;

	pthread_mutex_lock(&dma_lock);
	list_for_each_entry (m, &mems, link)
		unmap_from(s, m);
	list_del_init(&s->link);
	slots_used &= ~(1ULL << s->slot);
	pthread_mutex_unlock(&dma_lock);
}

void dma_space_set_limits(struct dma_space *s, const struct dma_space *fresh)
{
	pthread_mutex_lock(&dma_lock);
	s->page_sizes = fresh->page_sizes;
	s->nr_ranges = fresh->nr_ranges;
	memcpy(s->ranges, fresh->ranges, sizeof(s->ranges));
	s->max_maps = fresh->max_maps + s->nr_maps;
	pthread_mutex_unlock(&dma_lock);
}
