# SPDX-License-Identifier: BSD-3-Clause
"""overload: what comes out when more goes in than the application can take, to five times as much."""
from lib.sim_forward import forward

MODES = ("interrupt", "deferred", "threaded", "caller")
LOADS = (0.1, 0.25, 0.5, 0.75, 0.9, 1, 1.25, 1.5, 2, 3, 5)
WORK = 8000  # multiplications on each packet: so few packets a second that the model can send five times as many
COLUMNS = ("offered_pps", "delivered_pps", "missed_pps", "delivered_of_peak", "cpu_percent", "cpu_ns_a_packet",
           "irqs_a_second", "p50_us")


def rows(build):
    # Closed loop: as many as come through when the sender waits for each.
    capacity = forward(build, "interrupt", 1, 0, "mmap", work=WORK)["pps"]
    for mode in MODES:
        found = [forward(build, mode, 1, int(load * capacity), "mmap,lossy=1", tries=2, work=WORK) for load in LOADS]
        peak = max(point["delivered_pps"] for point in found)
        for load, point in zip(LOADS, found):
            point["delivered_of_peak"] = round(point["delivered_pps"] / peak, 3)
            yield {"bench": "overload", "mode": mode, "capacity_pps": capacity, "load": float(load),
                   **{key: point[key] for key in COLUMNS}}
