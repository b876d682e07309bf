#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The example programs on the simulated NIC: every packet of a generator comes back, and each does what its page says.

usage: test_examples.py BUILD
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

PATIENCE = 120  # a deadline ends a test that hangs; it measures nothing


def check(condition, text):
    if not condition:
        sys.exit(text)


def play(build, work, name, wire):
    """Run an example until the generator has all its packets back; its last line, as a dictionary, and the generator's figures."""
    stats = work / f"{name}.json"
    device = f"sim:igb,wire={wire},stats={stats},stats-ms=20"
    env = {**os.environ, "UNAPI_SIMNIC": str(build / "apps/simnic/unapi-simnic")}
    with subprocess.Popen([build / "apps/examples" / name, device], env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + PATIENCE
            while process.poll() is None and not (stats.exists() and json.loads(stats.read_text())["drained"]):
                check(time.monotonic() < deadline, f"{name}: waited in vain for the generator to finish")
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    check(process.returncode == 0, f"{name} ended with {process.returncode}: {out}")
    deadline = time.monotonic() + PATIENCE
    while not (gen := json.loads(stats.read_text()))["final"]:
        check(time.monotonic() < deadline, f"{name}: waited in vain for the simulated NIC to end")
        time.sleep(0.02)
    wrong = {key: gen[key] for key in ("lost", "dup", "reorder", "corrupt", "foreign", "dma_faults", "driver_errors")
             if gen[key]}
    check(not wrong and gen["tx"] == gen["rx"] > 0, f"{name}: the generator is not content: {gen}")
    last = out.splitlines()[-1]
    print(f"{name}: {gen['rx']} packets, {last}")
    return {key.strip(): int(value) for key, value in re.findall(r"([a-z ]+) (\d+)", last)}, gen


def main():
    build = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="unapi-examples-") as work:
        work = pathlib.Path(work)
        for name in ("echo", "echo_suspend"):
            totals, gen = play(build, work, name, "gen:count=20000")
            check(totals["rx"] == totals["tx"] == gen["rx"] and totals["missed"] == totals["errors"] == 0,
                  f"{name}: totals {totals}")
            if name == "echo_suspend":
                # Packets kept coming, and the event poll found them by itself.
                check(totals["interrupts"] * 20 < totals["rx"], f"{name}: too many interrupts: {totals}")
                check(totals["polls by this thread"] > totals["interrupts"], f"{name}: who polled? {totals}")
        # A packet every 10 ms: for a second, in which ten ticks are due.
        totals, gen = play(build, work, "embed", "gen:rate=100,count=100")
        check(totals["packets"] == gen["rx"] and totals["callbacks"] > 0, f"embed: totals {totals}")
        check(totals["ticks"] >= 8 and totals["threads"] == 1, f"embed: totals {totals}")


main()
