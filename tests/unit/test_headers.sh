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
exit $failed
