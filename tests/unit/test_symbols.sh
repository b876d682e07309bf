#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What the shared library exports is exactly what the public headers declare UNAPI_API, all of one version.
# usage: test_symbols.sh LIBUNAPI.SO INCLUDE_DIR
set -eu
export LC_ALL=C
lib=$1 include=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# A declaration ends at its first "(", "[" or ";"; the name is the last word before it. UNAPI_API itself is
# defined in error.h, on a line of the preprocessor.
cat "$include"/unapi/*.h | grep -v '^#' | tr '\n\t' '  ' | sed 's/UNAPI_API/\n&/g' |
	sed -n 's/^UNAPI_API \([^([;]*\).*/\1/p' | sed 's/ *$//; s/.*[ *]//' | sort >"$tmp/declared"
nm -D --defined-only "$lib" | awk '$2 != "A" { print $3 }' | sort >"$tmp/versioned"
sed 's/@.*//' "$tmp/versioned" >"$tmp/exported"

[ "$(wc -l <"$tmp/declared")" -gt 50 ] || {
	echo "only $(wc -l <"$tmp/declared") declarations found in $include/unapi"
	exit 1
}
if grep -v '@@UNAPI_' "$tmp/versioned"; then
	echo "^ exported without a version"
	exit 1
fi
diff -U0 --label declared "$tmp/declared" --label exported "$tmp/exported"
