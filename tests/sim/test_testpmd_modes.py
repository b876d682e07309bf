# SPDX-License-Identifier: BSD-3-Clause
"""testpmd in each poll mode under generated traffic: the ledger says that it was that mode, every change from one to another
loses nothing, and mode adaptive does what its load asks for."""

import json
import pathlib
import re
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from poll_modes import MODES, all_pairs  # noqa: E402
from testpmd import Testpmd, await_true, check, check_nothing_lost, drain, main, sim_stats  # noqa: E402

RATE = 20000


def started(directory, rate, *args):
    path = directory / "nic"
    nic = f"sim:igb,wire=gen:rate={rate},stats={path},stats-ms=20" if rate else f"sim:igb,wire=gen,stats={path},stats-ms=20"
    return Testpmd("-a", nic, "--", "-i", "--auto-start", *args).ready(), path


def await_packets(path, more):
    moved = lambda: (sim_stats(path) or {"rx": 0})["rx"]
    goal = moved() + more
    await_true(lambda: moved() >= goal, f"{more} more packets")


def napis(pmd):
    return json.loads(pmd.command("show napi json").strip().splitlines()[-1])


def set_mode(pmd, mode):
    said = pmd.command(f"set poll-mode 0 all {mode}")
    check(re.search(rf"poll mode {mode}$", said, re.M), f"in force at once: {said}")


class Delta:
    """What one instance has done between two looks."""

    def __init__(self, before, after):
        self.all = {key: after[key] - before[key] for key in after if isinstance(after[key], int)}
        self.by = {key: after["polls_by"][key] - before["polls_by"][key] for key in after["polls_by"]}
        self.polls = max(sum(self.by.values()), 1)

    def __getitem__(self, key):
        return self.all[key]

    def share(self, cause):
        return self.by[cause] / self.polls

    def share_of(self, counter):
        """Counters are read one after the other, while polls go on."""
        return self.all[counter] / self.polls


# Who made the polls. No two of them can be true of the same instance: a mode that is another's alias fails.
SIGNATURES = {
    "interrupt": lambda d: d["interrupts"] > 20 and d.share("interrupt") > 0.9 and d["timer_starts"] == 0 and
    d["thread_polls"] == 0,
    "deferred": lambda d: d.share("timer") > 0.2 and d.by["application"] == 0 and d["thread_polls"] == 0 and
    d["timer_starts"] > 20,
    "threaded": lambda d: d["interrupts"] > 20 and d.share_of("thread_polls") > 0.99 and d.share("interrupt") > 0.9,
    "threaded-busy": lambda d: d["interrupts"] <= 2 and d.share_of("thread_polls") > 0.99 and d.share("thread") > 0.9,
    "busy": lambda d: d["interrupts"] <= 2 and d.share("application") > 0.9 and d["schedules"] <= 5 and d["timer_starts"] == 0,
    "prefer-busy": lambda d: d.by["application"] > 20 and d["schedules"] > 20 and d["timer_starts"] > 20 and
    d["suspends"] == 0 and d["thread_polls"] == 0,
    "suspend": lambda d: d.by["application"] > 20 and d["suspends"] > 2 and d["thread_polls"] == 0,
}


def signatures(directory):
    pmd, stats = started(directory, RATE)
    await_packets(stats, 1000)
    for mode in MODES[:-1]:
        set_mode(pmd, mode)
        await_packets(stats, 2000)
        before, = napis(pmd)
        await_packets(stats, RATE // 2)
        after, = napis(pmd)
        delta = Delta(before, after)
        print(mode, delta.all, delta.by)
        check(after["mode"] == after["mode_asked"] == mode, f"told: {after}")
        fits = [name for name, fit in SIGNATURES.items() if fit(delta)]
        check(fits == [mode], f"{mode} looks like {fits}: {delta.all} {delta.by}")
        check(re.search(rf"Mode: {mode}(,|$)", pmd.command("show napi 0"), re.M), "show napi")
    # settings of one's own, and those that are changed underneath
    said = pmd.command("set poll-mode 0 0 deferred gro-flush-timeout 30000 defer-hard-irqs 3")
    check("poll mode deferred\n" in said, said)
    check("defer-hard-irqs 3, gro-flush-timeout 30000" in pmd.command("show napi 0"), "given with the mode")
    pmd.command("set napi 0 0 defer-hard-irqs 4")
    check(re.search(r"Mode: custom, asked for: deferred$", pmd.command("show napi 0"), re.M), "custom")
    check_nothing_lost(drain(pmd, stats)[0])
    check(pmd.quit() == 0, pmd.transcript())


def switches(directory):
    pmd, stats = started(directory, 0, "--rxq=2", "--txq=2")
    await_packets(stats, 2000)
    for mode in all_pairs():
        set_mode(pmd, mode)
        await_packets(stats, 500)
    figures, = drain(pmd, stats)
    check_nothing_lost(figures)
    for napi in napis(pmd):
        check(napi["violations"] == 0 and napi["work"] > 0, f"{napi}")
    check(pmd.quit() == 0, pmd.transcript())


def waits(pmd):
    return int(re.search(r"waits (\d+)", pmd.command("show napi 0")).group(1))


def sanitized(pmd):
    maps = pathlib.Path(f"/proc/{pmd.process.pid}/maps").read_text()
    return "libtsan" in maps or "libasan" in maps


def full_load(pmd, stats):
    await_true(lambda: napis(pmd)[0]["mode_chosen"] == "busy", "full load has it polled all the time")
    await_packets(stats, 2000)
    before, slept = napis(pmd)[0], waits(pmd)
    time.sleep(2)
    after = napis(pmd)[0]
    delta = Delta(before, after)
    print("full", delta.all, delta.by)
    check(delta["interrupts"] <= 2, f"at most an interrupt a second: {delta.all}")
    check(waits(pmd) == slept, "no sleep")


def adaptive(directory):
    pmd, stats = started(directory, 0)
    set_mode(pmd, "adaptive")
    await_packets(stats, 2000)
    if not sanitized(pmd):  # the simulated NIC is then too slow to be a load
        full_load(pmd, stats)
    check_nothing_lost(drain(pmd, stats)[0])
    await_true(lambda: napis(pmd)[0]["mode_chosen"] == "interrupt", "without load it goes by interrupts")
    time.sleep(1)
    before = napis(pmd)[0]
    time.sleep(3)
    delta = Delta(before, napis(pmd)[0])
    print("idle", delta.all)
    check(not any(delta[key] for key in ("polls", "interrupts", "timer_starts", "mode_changes")), f"nothing: {delta.all}")
    check(pmd.quit() == 0, pmd.transcript())


main(signatures, switches, adaptive)
