#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The train player against what the semantics of NAPI say of a train: how many interrupts, polls and timers it takes."""

import json
import os
import pathlib
import random
import subprocess
import sys

BUILD = pathlib.Path(os.environ["UNAPI_BUILD"])
PROGRAM = BUILD / "tests/bench/trains"
WEIGHT = 64
TRAINS = [1, 2, 8, 63, 64, 65, 128, 130, 200]
PATIENCE = 120  # a deadline ends a test that hangs; it measures nothing


class Failed(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)


def call(*args):
    return subprocess.run([PROGRAM, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                          timeout=PATIENCE)


def play(trains, timeout, defer, mode, *more):
    """The objects that the player prints for these trains."""
    done = call(*trains, "--gro-flush-timeout", timeout, "--defer-hard-irqs", defer, "--mode", mode, "--json", *more)
    where = f"{trains} T={timeout} d={defer} {mode}"
    check(done.returncode == 0, f"{where}: exit status {done.returncode}: {done.stderr}")
    check(not done.stderr, f"{where}: {done.stderr}")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    check([line["train"] for line in lines] == [str(t) for t in trains], f"{where}: printed {done.stdout}")
    return lines


def expected(frames, timeout, defer):
    """Of one instant, from a quiet start. Polls of the whole weight change nothing; the first that is smaller completes. If
    it has found something, and there is a timeout, the interrupt is deferred for so many empty polls of the timer."""
    works = [WEIGHT] * (frames // WEIGHT) + [frames % WEIGHT]
    rounds = defer if timeout and works[-1] else 0
    works += [0] * rounds
    return {"train": str(frames), "irq": 1, "polls": len(works), "empty": works.count(0), "arm": rounds, "fire": rounds,
            "unmask": 1, "works": works}


def one_instant(mode, timeouts, defers):
    for timeout in timeouts:
        for defer in defers:
            for line, frames in zip(play(TRAINS, timeout, defer, mode), TRAINS):
                want = expected(frames, timeout, defer)
                check(line == want, f"T={timeout} d={defer} {mode}:\n got {line}\nwant {want}")


def one_instant_in_interrupt_mode():
    one_instant("interrupt", (0, 20000, 200000, 1000000), (0, 1, 2, 5))


def one_instant_threaded():
    one_instant("threaded", (0, 20000, 1000000), (0, 1, 5))


def expected_held(frames, timeout, defer):
    """Segments that GRO holds. A completion that delivered some starts the timer for them although the interrupt is unmasked;
    one that found nothing flushes them. Deferral, if there is any, has the timer already."""
    want = expected(frames, timeout, defer)
    want["train"] = f"tcp:{frames}"
    if timeout and not defer and frames % WEIGHT:
        want |= {"polls": want["polls"] + 1, "empty": 1, "arm": 1, "fire": 1, "unmask": 2, "works": want["works"] + [0]}
    return want


def held_by_gro():
    frames = [1, 2, 8, 63, 64, 65, 130]
    for mode, timeout, defer in (("interrupt", 0, 0), ("interrupt", 20000, 0), ("interrupt", 1000000, 0), ("interrupt", 200000, 2),
                                 ("interrupt", 0, 2), ("threaded", 20000, 0), ("threaded", 200000, 1)):
        for line, k in zip(play([f"tcp:{k}" for k in frames], timeout, defer, mode), frames):
            want = expected_held(k, timeout, defer)
            check(line == want, f"T={timeout} d={defer} {mode}:\n got {line}\nwant {want}")
    # Of frames that it leaves alone GRO has nothing to hold, whatever was played before.
    got = play(["tcp:8", 8, "tcp:8"], 200000, 0, "interrupt")
    check(got == [expected_held(8, 200000, 0), expected(8, 200000, 0), expected_held(8, 200000, 0)], f"in turns: {got}")


def a_whole_ring():
    """And every poll but the last of the weight."""
    for frames in 4095, 4032:
        want = expected(frames, 20000, 1)
        check(play([frames], 20000, 1, "interrupt") == [want], f"{frames} frames: not {want}")


def with_gaps():
    """Far apart: each as if alone. Inside the deferral: found by the timer, which starts anew; its cause, latched while the
    vector was masked, interrupts once more when that is unmasked. A run that was late on each try says nothing."""
    apart = {"irq": 2, "polls": 6, "empty": 4, "arm": 4, "fire": 4, "unmask": 2, "works": [8, 0, 0, 1, 0, 0]}
    inside = {"irq": 2, "polls": 5, "empty": 3, "arm": 3, "fire": 3, "unmask": 2, "works": [8, 3, 0, 0, 0]}
    # The interrupt is unmasked, so the second is polled at once, and starts the one timer anew.
    held = {"irq": 2, "polls": 3, "empty": 1, "arm": 2, "fire": 1, "unmask": 3, "works": [8, 3, 0]}
    counts = 0
    for mode in "interrupt", "threaded":
        for train, timeout, defer, want in (("8,1@40000", 4000000, 2, apart), ("8,3@4000", 10000000, 2, inside),
                                            ("tcp:8,3@4000", 20000000, 0, held)):
            [line] = play([train], timeout, defer, mode)
            want = {"train": train, **want}
            check(line in (want, {"train": train, "void": True}), f"{train} {mode}:\n got {line}\nwant {want}")
            counts += "void" not in line
    return f"{counts} of 6 not void"


class Model:
    """An instance, its timer, its vector and its ring, in a world where everything takes no time but gaps and timeouts."""

    def __init__(self, timeout, defer, held):
        self.timeout, self.defer, self.held = timeout, defer, held
        self.now = self.ring = self.count = 0
        self.timer = None
        self.masked = self.latched = False
        self.did = {"irq": 0, "arm": 0, "fire": 0, "unmask": 0, "works": []}

    def poll(self):
        work = WEIGHT
        while work == WEIGHT:
            work = min(self.ring, WEIGHT)
            self.ring -= work
            self.did["works"].append(work)
        timeout = 0
        if work:
            timeout = self.timeout if self.held else 0
            self.count = self.defer
        deferred = False
        if self.count:
            self.count -= 1
            timeout = self.timeout
            deferred = timeout > 0
        if timeout:
            self.did["arm"] += 1
            self.timer = self.now + timeout
        if not deferred:
            self.did["unmask"] += 1
            self.masked = False
            if self.latched:
                self.interrupt()

    def interrupt(self):
        self.did["irq"] += 1
        self.masked, self.latched = True, False
        self.poll()

    def play(self, deliveries):
        """Returns how far apart a delivery and an expiry are at least: what may come late without changing anything."""
        deliveries, margin, before = list(deliveries), float("inf"), None
        while deliveries or self.timer is not None:
            expires = self.timer is not None and not (deliveries and deliveries[0][0] < self.timer)
            at = self.timer if expires else deliveries[0][0]
            if before is not None and before[0] != expires:
                margin = min(margin, at - before[1])
            if deliveries and self.timer is not None:
                margin = min(margin, abs(deliveries[0][0] - self.timer))
            before, self.now = (expires, at), at
            if expires:
                self.did["fire"] += 1
                self.timer = None
                self.poll()
            else:
                self.ring += deliveries.pop(0)[1]
                if self.masked:
                    self.latched = True
                else:
                    self.interrupt()
        works = self.did["works"]
        self.did |= {"polls": len(works), "empty": works.count(0)}
        return margin


def trains_and_gaps_at_random():
    """Against a model. What comes late in a run moves what follows: only when all of it together is less than what the model
    has between a delivery and an expiry must both agree."""
    rng, told, agreed = random.Random(11), 0, 0
    while told < 24:
        gap, timeout, defer = rng.randrange(1500, 9000), rng.choice([0, rng.randrange(1500, 9000)]), rng.randrange(4)
        frames = [rng.choice([1, 8, 63, 64, 65, 128, 200]) for _ in range(rng.randrange(2, 5))]
        held = rng.random() < 0.5
        model = Model(timeout * 1000, defer, held)
        margin = model.play((i * gap * 1000, k) for i, k in enumerate(frames))
        if margin < 700000:
            continue
        told += 1
        train = ("tcp:" if held else "") + ",".join(map(str, frames)) + f"@{gap}"
        for _ in range(5):
            [line] = play([train], timeout * 1000, defer, "threaded" if told % 3 == 0 else "interrupt", "--lateness")
            if "void" in line:
                break
            late = sum(line["late_expiry_ns"]) + max(line["late_delivery_ns"]) + line["late_answer_ns"] * line["polls"]
            if late > margin:
                continue
            got = {key: line[key] for key in model.did}
            check(got == model.did, f"{train} T={timeout} us d={defer}:\n got {line}\nwant {model.did}")
            agreed += 1
            break
    check(agreed > 0, "late in every run of every train")
    return f"{agreed} of {told} in time"


def lateness_is_told():
    """Nobody delivers 64 frames within a quarter of a microsecond of their instant, twice: never counts."""
    [line] = play(["64,64@1"], 1000000, 2, "interrupt", "--lateness")
    check(line["void"] is True and line["tries"] == 50, f"not void: {line}")
    check(not {"irq", "polls", "empty", "arm", "fire", "unmask", "works"} & line.keys(), f"void, and yet counts: {line}")
    check(len(line["late_delivery_ns"]) == 2 and max(line["late_delivery_ns"]) > 250, f"late by what? {line}")
    check(play(["64,64@1"], 1000000, 2, "interrupt") == [{"train": "64,64@1", "void": True}], "void differs")
    [line] = play(["3"], 1000000, 2, "interrupt", "--lateness")
    check(line["tries"] == 1 and len(line["late_delivery_ns"]) == 1 and len(line["late_expiry_ns"]) == line["fire"] == 2,
          f"lateness of 1 delivery and 2 expiries: {line}")


def a_table():
    done = call(8, 65)
    rows = [line.split() for line in done.stdout.splitlines()]
    check(done.returncode == 0 and rows == [["train", "irq", "polls", "empty", "arm", "fire", "unmask", "works"],
                                            ["8", "1", "1", "0", "0", "0", "1", "[8]"],
                                            ["65", "1", "2", "0", "0", "0", "1", "[64,", "1]"]], f"table: {done.stdout}")


def what_is_refused():
    for args, words in (([], "which trains"), (["x"], "neither"), (["8,8"], "neither"), (["8@5"], "neither"), (["8,8@"], "neither"),
                        (["8,,8@5"], "neither"), (["8 "], "neither"), (["+8"], "neither"), (["tcp:"], "neither"),
                        (["0"], "at least one"), (["8,0@5"], "at least one"), (["8,8@0"], "gap"), (["8,8@5x"], "neither"),
                        (["4096"], "do not fit"), (["8,4096@5"], "do not fit"), (["99999999999999999999999"], "neither"),
                        ([",".join(["1"] * 257) + "@5"], "more than 256"), (["8", "--mode", "polling"], "interrupt or threaded"),
                        (["--json", "8", "--mode"], "needs a value"), (["8", "--gro-flush-timeout", "-1"], "a number"),
                        (["8", "--defer-hard-irqs", "2147483648"], "a number"), (["8", "--fast"], "no such option")):
        done = call(*args)
        check(done.returncode == 2 and not done.stdout, f"{args}: exit status {done.returncode}, {done.stdout}")
        check(done.stderr.count("\n") == 1 and words in done.stderr, f"{args}: not one line with '{words}': {done.stderr}")


def main():
    failed = 0
    for test in (one_instant_in_interrupt_mode, one_instant_threaded, held_by_gro, a_whole_ring, with_gaps,
                 trains_and_gaps_at_random, lateness_is_told, a_table, what_is_refused):
        try:
            result = test()
            print(f"ok {test.__name__}" + (f" ({result})" if result else ""), flush=True)
        except (Failed, subprocess.TimeoutExpired, json.JSONDecodeError) as e:
            failed += 1
            print(f"FAILED {test.__name__}: {e}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
