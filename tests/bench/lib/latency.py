# SPDX-License-Identifier: BSD-3-Clause
"""latency: requests and responses at loads from 1 % to all that an application can do, in every mode of the library."""
import json
import statistics

from lib.common import run

LOADS = (1, 10, 25, 50, 75, 90, 100)
WORK = 8000  # multiplications on each request
MS, ROUNDS = 300, 5
COLUMNS = ("offered_pps", "pps", "cpu_percent", "irqs_a_second", "polls_a_packet", "p50_us", "p99_us", "p999_us")


def measured(build, rate, *modes):
    """The medians of each mode's windows, between which the other modes had theirs."""
    said = run([build.exe("tests/bench/latency"), str(rate), str(MS), str(ROUNDS), str(WORK), *modes], timeout=120)
    windows = [json.loads(line) for line in said.splitlines()]
    for mode in dict.fromkeys(window["mode"] for window in windows):
        mine = [window for window in windows if window["mode"] == mode]
        # What adaptive went by; of the others it is the mode.
        chosen = statistics.mode(window["chosen"] for window in mine)
        yield mode, chosen, {key: statistics.median(window[key] for window in mine) for key in COLUMNS}


def rows(build):
    # Closed loop: as many as are answered when whoever asks waits.
    capacity = int(next(measured(build, 0, "interrupt"))[2]["pps"])
    for load in LOADS:
        for mode, chosen, found in measured(build, capacity * load // 100):
            yield {"bench": "latency", "load_percent": load, "mode": mode, "chosen": chosen, "capacity_pps": capacity, **found}
