/* SPDX-License-Identifier: BSD-3-Clause */
/* The whole public interface. */
#ifndef UNAPI_UNAPI_H
#define UNAPI_UNAPI_H

#include <unapi/context.h>
#include <unapi/endpoint.h>
#include <unapi/error.h>
#include <unapi/eventpoll.h>
#include <unapi/mode.h>
#include <unapi/napi.h>
#include <unapi/netdev.h>
#include <unapi/packet.h>
#include <unapi/page_pool.h>
#include <unapi/stats.h>
#include <unapi/version.h>

#endif
