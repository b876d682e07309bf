# SPDX-License-Identifier: BSD-3-Clause
"""scheduler: what the scheduler alone costs; tests/bench/scheduler, which can be run by itself, does it."""
import json
import os

from lib.common import run

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../scheduler")


def rows(build):
    for line in run([SCRIPT, "--build", build.path, "--json"]).splitlines():
        yield json.loads(line)
