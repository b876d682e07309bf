# SPDX-License-Identifier: BSD-3-Clause
"""Turns meson's test log into lines of "pass|fail|skip<TAB>name". A log that is missing, empty, or at odds with meson's own
exit status is itself a failure: silence is no success.

    results.py TESTLOG SUITE STATUS"""

import json
import sys

RESULTS = {"OK": "pass", "EXPECTEDFAIL": "pass", "SKIP": "skip"}


def main(path, suite, status):
    try:
        with open(path) as log:
            tests = [json.loads(line) for line in log]
    except FileNotFoundError:
        tests = []
    lines = [(RESULTS.get(test["result"], "fail"), test["name"].split(" / ")[-1]) for test in tests]
    if not lines:
        lines.append(("fail", f"no test of suite {suite} ran (meson ended with {status})"))
    elif status != "0" and "fail" not in [result for result, _ in lines]:
        lines.append(("fail", f"meson test ended with {status}"))
    for result, name in lines:
        print(result, name, sep="\t")


main(*sys.argv[1:])
