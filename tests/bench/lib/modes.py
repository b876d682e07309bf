# SPDX-License-Identifier: BSD-3-Clause
"""modes: what each way to be polled costs at no load, 1 %, 10 % and 100 %, in CPU, interrupts and polls."""
from lib.sim_forward import forward

MODES = ("interrupt", "deferred", "threaded", "threaded-busy", "caller")
COLUMNS = ("pps", "cpu_percent", "sleeps_a_second", "cpu_ns_a_packet", "irqs_a_packet", "polls_a_packet", "empty_polls_a_packet", "p50_us", "p99_us")


def rows(build):
    # 100 % is as many as come through by interrupts; the other loads are parts of that.
    peak = forward(build, "interrupt", 1, 0, "msg")["pps"]
    for load, rate in ((0, "none"), (1, int(peak / 100)), (10, int(peak / 10)), (100, 0)):
        for mode in MODES:
            found = forward(build, mode, 1, rate, "msg", tries=3 if rate != "none" else 1)
            yield {"bench": "modes", "load_percent": load, "mode": mode, **{key: found[key] for key in COLUMNS}}
