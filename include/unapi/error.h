/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Errors in words.
 *
 * Every unapi function returns 0 (or a count) on success and a negative errno value on failure. The errno
 * says what kind of failure it was; the reason says which step failed, on which device, and what mends it.
 * The library itself never prints.
 */
#ifndef UNAPI_ERROR_H
#define UNAPI_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#ifndef UNAPI_API
#define UNAPI_API __attribute__((visibility("default")))
#endif

/**
 * unapi_reason() - the reason of this thread's last failed unapi call, as one line of text
 *
 * Only meaningful right after a call returned a negative value. The text belongs to the library and is
 * overwritten by the next failing call of the same thread. Any thread. Never NULL; "" before any failure.
 */
UNAPI_API const char *unapi_reason(void);

enum unapi_log_level { UNAPI_LOG_ERR, UNAPI_LOG_WARN, UNAPI_LOG_INFO, UNAPI_LOG_DEBUG };

/**
 * unapi_log_fn - receives what the library has to say outside of any call's result
 * @arg: as given to unapi_set_log()
 * @level: how grave it is
 * @text: one line without a newline, valid during the call only
 *
 * May be called from any thread that runs unapi code; must not call back into unapi.
 */
typedef void (*unapi_log_fn)(void *arg, enum unapi_log_level level, const char *text);

/**
 * unapi_set_log() - direct the library's log lines to @fn; NULL (the default) drops them
 *
 * Call it before the first device is opened: it is not synchronised with other threads' logging.
 */
UNAPI_API void unapi_set_log(unapi_log_fn fn, void *arg);

#ifdef __cplusplus
}
#endif
#endif
