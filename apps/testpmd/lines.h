/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines out of whatever bytes come: pipes, files, garbage. */
#ifndef TESTPMD_LINES_H
#define TESTPMD_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "cmd.h"

struct lines {
	char text[CMD_LINE_MAX];
	size_t used;
	bool too_long; /* the rest of this line is skipped */
};

enum lines_result { LINES_MORE, LINES_LINE, LINES_TOO_LONG };

/**
 * lines_put() - take a byte
 *
 * LINES_LINE: the line in @text is whole, without its end; it stays until the next byte. Bytes that are not
 * printable ASCII (tabs become blanks) are replaced by "?".
 */
enum lines_result lines_put(struct lines *l, char byte);

/** lines_end() - the input has ended: LINES_LINE if a last line has no end, else LINES_MORE */
enum lines_result lines_end(struct lines *l);

#endif
