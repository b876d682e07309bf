#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Each public header compiles alone, as strict C11 and as C++, and includes nothing that is not installed.
# usage: test_headers.sh INCLUDE_DIR CXX CC...
set -eu
include=$1 cxx=$2
shift 2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0
for header in "$include"/unapi/*.h; do
	name=unapi/$(basename "$header")
	printf '#include <%s>\n#include <%s>\n' "$name" "$name" >"$tmp/t.c"
	cp "$tmp/t.c" "$tmp/t.cc"
	"$@" -std=c11 -Wall -Wextra -Wpedantic -Wstrict-prototypes -Werror -I"$include" -fsyntax-only "$tmp/t.c" || {
		echo "$name: not C11 on its own"
		failed=1
	}
	"$cxx" -std=c++11 -Wall -Wextra -Wpedantic -Werror -I"$include" -fsyntax-only "$tmp/t.cc" || {
		echo "$name: not C++ on its own"
		failed=1
	}
	if grep -n '_Atomic\|stdatomic' "$header"; then
		echo "$name: has atomics in it"
		failed=1
	fi
	if grep -n '#include "' "$header"; then
		echo "$name: includes what is not public"
		failed=1
	fi
done

# Whether the C library has EPIOCSPARAMS or not: a <sys/epoll.h> without, and one with it.
mkdir -p "$tmp/without/sys" "$tmp/with/sys"
cat >"$tmp/without/sys/epoll.h" <<'END'
#pragma GCC system_header
#define epoll_params c_library_epoll_params
#include_next <sys/epoll.h>
#undef epoll_params
#undef EPOLL_IOC_TYPE
#undef EPIOCSPARAMS
#undef EPIOCGPARAMS
END
cat >"$tmp/with/sys/epoll.h" <<'END'
#pragma GCC system_header
#include_next <sys/epoll.h>
#include <stdint.h>
#include <sys/ioctl.h>
#ifndef EPIOCSPARAMS
struct epoll_params { uint32_t busy_poll_usecs; uint16_t busy_poll_budget; uint8_t prefer_busy_poll, __pad; };
#define EPIOCSPARAMS _IOW(0x8A, 0x01, struct epoll_params)
#define EPIOCGPARAMS _IOR(0x8A, 0x02, struct epoll_params)
#endif
END
cat >"$tmp/t.c" <<'END'
#include <unapi/eventpoll.h>
int main(void)
{
	struct epoll_params p = {1, 2, 1, 0};
	return !(EPIOCSPARAMS == 0x40088a01 && EPIOCGPARAMS == 0x80088a02 && sizeof(p) == 8 && p.busy_poll_usecs == 1);
}
END
for c_library in without with; do
	"$@" -Wall -Wextra -Werror -I"$tmp/$c_library" -I"$include" -o "$tmp/t" "$tmp/t.c" && "$tmp/t" || {
		echo "unapi/eventpoll.h: wrong over a C library $c_library EPIOCSPARAMS"
		failed=1
	}
done
exit $failed
