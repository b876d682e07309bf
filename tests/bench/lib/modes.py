# SPDX-License-Identifier: BSD-3-Clause
"""modes: what each way to be polled costs at 1 %, 10 % and 100 % load, in CPU, interrupts and polls."""
from lib.sim_forward import forward

MODES = ("interrupt", "deferred", "threaded", "threaded-busy", "caller")
COLUMNS = ("pps", "cpu_percent", "cpu_ns_a_packet", "irqs_a_packet", "polls_a_packet", "empty_polls_a_packet", "p50_us", "p99_us")


def rows(build):
    # 100 % is as many as come through by interrupts; the other loads are parts of that.
    peak = forward(build, "interrupt", 1, 0, "msg")["pps"]
    for load in (1, 10, 100):
        for mode in MODES:
            found = forward(build, mode, 1, 0 if load == 100 else int(peak * load / 100), "msg")
            yield {"bench": "modes", "load_percent": load, "mode": mode, **{key: found[key] for key in COLUMNS}}
