/* SPDX-License-Identifier: BSD-3-Clause */
/* io: packets leave as they came, untouched. */
#include "fwd.h"
#include "stream.h"

const struct fwd_engine fwd_io = {.name = "io", .rx = stream_send, .sends = true};
