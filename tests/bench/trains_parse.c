/* SPDX-License-Identifier: BSD-3-Clause */
/* Trains as the user writes them: [tcp:]K, or [tcp:]K,K[,K...]@GAP_US. */
#include "tests/bench/trains.h"
#include "core/base/clock.h"
#include "core/base/reason.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_GAP_US 60000000u

/* Digits only: strtoull() would take blanks and signs. */
static bool number(const char **at, uint64_t *out)
{
	char *end;

	if (!isdigit((unsigned char)**at))
		return false;
	errno = 0;
	*out = strtoull(*at, &end, 10);
	*at = end;
	return !errno;
}

static int add(struct train *t, const char *text, uint64_t frames)
{
	if (!frames)
		return unapi_fail(EINVAL, "train '%.40s': a delivery has at least one frame", text);
	if (frames > TRAINS_RING - 1)
		return unapi_fail(EINVAL, "train '%.40s': %llu frames do not fit; the ring takes %u", text,
				  (unsigned long long)frames, TRAINS_RING - 1);
	if (t->parts == TRAINS_MAX_PARTS)
		return unapi_fail(EINVAL, "train '%.40s': more than %u deliveries", text, TRAINS_MAX_PARTS);
	t->frames[t->parts++] = (uint32_t)frames;
	return 0;
}

int train_parse(struct train *t, const char *text)
{
	const char *at = text;
	uint64_t n = 0;
	int rc;

	memset(t, 0, sizeof(*t));
	t->text = text;
	if (!strncmp(at, "tcp:", 4)) {
		t->tcp = true;
		at += 4;
	}
	do {
		at += t->parts > 0; /* the comma */
		if (!number(&at, &n))
			goto syntax;
		rc = add(t, text, n);
		if (rc)
			return rc;
	} while (*at == ',');
	if (*at == '@') {
		at++;
		if (!number(&at, &n) || *at || t->parts == 1)
			goto syntax;
		if (!n || n > MAX_GAP_US)
			return unapi_fail(EINVAL, "train '%.40s': a gap is from 1 to %u us", text,
					  MAX_GAP_US);
		t->gap_ns = n * NSEC_PER_USEC;
		return 0;
	}
	if (!*at && t->parts == 1)
		return 0;
syntax:
	return unapi_fail(EINVAL,
			  "train '%.40s': neither K nor K,K[,K...]@GAP_US, nor these after tcp:", text);
}
