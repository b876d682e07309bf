/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reports of what the scheduler does: every context and instance of the process, with settings and counters,
 * as JSON (unapi-napi-top(1) names its members); and a socket that gives them to other programs.
 */
#ifndef UNAPI_STATS_H
#define UNAPI_STATS_H

#include <unapi/context.h>
#include <unapi/error.h>
#include <unapi/napi.h>

#ifdef __cplusplus
extern "C" {
#endif

struct unapi_stats_server;

/** unapi_stats_report() - everything there is now, as one JSON object. Any thread. To be freed with free();
 * NULL with unapi_reason() */
UNAPI_API char *unapi_stats_report(void);

/** unapi_napi_report() - the same object that a report has for this instance */
UNAPI_API char *unapi_napi_report(struct napi_struct *n);

/**
 * unapi_stats_serve() - answer unapi-napi-top and its like at a local socket
 * @ctx: the context that serves it, between its polls. A reader costs it a report at most every 100 ms, so
 *       better one whose thread has nothing else to do
 * @path: the socket's path; NULL: where unapi-napi-top looks for this process: PID.stats in /run/unapi for
 *        root, in $XDG_RUNTIME_DIR/unapi for others, or else in /tmp/unapi-UID
 *
 * Only the process's own user and root are answered. No reader is ever waited for. What an earlier process
 * left at @path is replaced. -EADDRINUSE: another process serves there; -EPERM: the directory belongs to
 * somebody else; -ENAMETOOLONG; -ENOENT, -EACCES, -EMFILE, -ENOMEM.
 */
UNAPI_API int unapi_stats_serve(struct unapi_context *ctx, const char *path, struct unapi_stats_server **out);

/** unapi_stats_path() - where it serves */
UNAPI_API const char *unapi_stats_path(const struct unapi_stats_server *s);

/** unapi_stats_stop() - before the context is destroyed. NULL is allowed. -EDEADLK from a poll method;
 * -ETIMEDOUT when the thread inside the context does not come round (it goes on then) */
UNAPI_API int unapi_stats_stop(struct unapi_stats_server *s);

#ifdef __cplusplus
}
#endif
#endif
