#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Every row of doc/napi-races.md names a test case that exists and runs, and every case named for a race or an invariant is
# in the table.   test_race_table.sh TABLE TEST_DIRECTORY
set -u
table=$1 dir=$2 failed=0 rows=0

fail() {
	echo "$1" >&2
	failed=1
}

cases=$(sed -n 's/^[[:space:]]*cmocka_unit_test(\(.*\)),$/\1/p' "$dir"/test_*.c | sort)

while IFS= read -r row; do
	rows=$((rows + 1))
	case $row in
	*'(none)'*) continue ;; # says why
	esac
	named=$(printf '%s\n' "$row" | grep -oE '(race|invariant)_[a-z0-9_]+')
	[ -n "$named" ] || fail "no test is named: $row"
	for name in $named; do
		printf '%s\n' "$cases" | grep -qx "$name" || fail "no such test case: $name"
	done
done <<END
$(grep '^|' "$table" | grep -vE '^\| ?(race|invariant) ?\||^\|-')
END

for name in $(printf '%s\n' "$cases" | grep -E '^(race|invariant)_'); do
	grep -qw "$name" "$table" || fail "not in the table: $name"
done

# 22 races and 9 invariants
[ "$rows" -ge 31 ] || fail "only $rows rows"
exit $failed
