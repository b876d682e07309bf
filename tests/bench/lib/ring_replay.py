# SPDX-License-Identifier: BSD-3-Clause
"""ring-replay: instructions and cycles of the data path against rings in memory (tests/bench/replay.h).

callgrind counts replay_steady() and leaves one dump for each configuration's steady state. Off it go the device's two
functions; that these call nothing is looked at, so nothing can hide there.
"""
import os
import re
import tempfile

from lib.common import fail, run

DEVICE = ("device_rx", "device_tx")
# Where transmit begins: everything called from there is its, the rest is receive's.
TX = {"igb": ("unapi_tx_burst", "netdev_clean_produced", "netdev_clean_sleeping")}
TX_BARE = {"igb": ("avx2_burst", "sse42_burst", "scalar_burst", "adv_tx_burst_prepare")}
CONF = {"driver": "igb", "isa": "scalar", "burst": 32, "ring": 512, "frags": 1, "budget": 0, "meta": 0, "bare": 0}

# (burst, metadata, fragments, budget if it is not the burst): the most instructions a forwarded packet may cost: what was reached,
# and a little room for another gcc's taste.
LIMITS = {
    "avx2": {(32, 0, 1, 0): 25, (32, 0, 1, 64): 32, (8, 0, 1, 64): 69, (13, 0, 1, 64): 65,
             (32, 1, 1, 0): 28, (8, 0, 1, 0): 51, (64, 0, 1, 0): 22, (32, 0, 3, 0): 410},
    "sse4.2": {(32, 0, 1, 0): 46, (32, 1, 1, 0): 50, (32, 0, 3, 0): 445},
    "scalar": {(32, 0, 1, 0): 54, (32, 1, 1, 0): 62, (8, 0, 1, 0): 79, (32, 0, 3, 0): 460},
}


def text(conf):
    return ",".join(f"{key}={value}" for key, value in conf.items())


class Dump:
    """One of callgrind's dumps: what was collected, and the calls with all that happened in them."""

    def __init__(self, path):
        self.total, self.calls = 0, []
        names, here, callee = {}, None, None
        with open(path) as file:
            for line in file:
                field = re.match(r"(fn|cfn)=\((\d+)\)(?: (.*))?", line)
                if field:
                    kind, number, name = field.groups()
                    if name:
                        names[number] = name.strip().split("'")[0]
                    if kind == "fn":
                        here = names[number]
                    else:
                        callee = names[number]
                elif line.startswith("summary:"):
                    self.total = int(line.split()[1])
                elif line.startswith("calls="):
                    self.calls.append((here, callee, int(next(file).split()[1])))

    def inside(self, functions):
        """What was spent in calls of these, one called by another not counted twice."""
        return sum(cost for caller, callee, cost in self.calls if callee in functions and caller not in functions)

    def callees(self, function):
        return {callee for caller, callee, cost in self.calls if caller == function and cost}


def count(build, confs):
    """Instructions a packet for each configuration: (rx, tx, both)."""
    with tempfile.TemporaryDirectory() as directory:
        out = os.path.join(directory, "out")
        packets = run(["valgrind", "-q", "--tool=callgrind", "--toggle-collect=replay_steady", "--dump-after=replay_steady",
                       f"--callgrind-out-file={out}", build.exe("tests/bench/ring_replay"), "count"]
                      + [text(conf) for conf in confs]).split()
        for i, conf in enumerate(confs):
            # Each warms up twice, then comes what is counted.
            dump = Dump(f"{out}.{3 * i + 3}")
            device = dump.inside(DEVICE)
            hidden = set().union(*(dump.callees(name) for name in DEVICE))
            tx = 0
            if conf["driver"] in TX:
                tx = dump.inside((TX_BARE if conf["bare"] else TX)[conf["driver"]])
                if not tx:
                    fail("ring-replay: no call of a transmit function was counted; are they named otherwise now?")
            if not device or hidden:
                fail(f"ring-replay: the device's functions are not what they should be: {device} instructions, calls {hidden}")
            both = dump.total - device
            n = int(packets[i])
            yield (both - tx) / n, tx / n, both / n


def cycles(build, confs):
    for line in run([build.exe("tests/bench/ring_replay"), "time"] + [text(conf) for conf in confs]).splitlines():
        its, floor, _ = line.split()
        yield float(its), float(floor)


def isas(build, driver):
    return run([build.exe("tests/bench/ring_replay"), "isas", f"driver={driver}"]).split()


def matrix(build):
    """(name, configuration) of all rows."""
    for isa in isas(build, "igb"):
        for burst in (8, 32, 64):
            for ring in (512, 1024, 4096):
                for meta in (0, 1):
                    yield "ring-replay", dict(CONF, isa=isa, burst=burst, ring=ring, meta=meta)
    for isa in isas(build, "igb"):
        for burst in (8, 32, 64):
            yield "ring-replay-bare", dict(CONF, isa=isa, burst=burst, bare=1)
    for isa in isas(build, "igb"):
        for burst in (8, 32, 64):
            for meta in (0, 1):
                yield "ring-replay-3-fragments", dict(CONF, isa=isa, burst=burst, meta=meta, frags=3)
    for isa in isas(build, "igb"):
        for burst in (1, 5, 13, 32):
            yield "ring-replay-partial", dict(CONF, isa=isa, burst=burst, budget=64)
    for isa in isas(build, "floor"):
        yield "ring-replay-floor", dict(CONF, driver="floor", isa=isa)


def shown(row):
    """What the document shows: rings of other sizes cost the same instructions."""
    usual = row["burst"] == 32 and not row["metadata"]
    partial = row["bench"] == "ring-replay-partial" and row["isa"] == "avx2"
    return row["ring"] == 512 and (row["bench"] == "ring-replay" or usual or partial) or usual and row["isa"] == "avx2"


def rows(build):
    names, confs = zip(*matrix(build))
    verify(build, [conf for conf in confs if conf["driver"] != "floor"])
    for name, conf, (rx, tx, both), (tsc, floor) in zip(names, confs, count(build, confs), cycles(build, confs)):
        yield {"bench": name, "driver": conf["driver"], "isa": conf["isa"], "burst": conf["burst"], "ring": conf["ring"],
               "metadata": bool(conf["meta"]), "insn_rx": round(rx, 2), "insn_tx": round(tx, 2), "insn": round(both, 2),
               "tsc": tsc, "floor_tsc": floor}


def verify(build, confs):
    """Every packet of every configuration; and, once each way, that whatever goes wrong is noticed."""
    run([build.exe("tests/bench/ring_replay"), "verify"] + [text(conf) for conf in confs])
    run([build.exe("tests/bench/ring_replay"), "wrong"]
        + [text(dict(CONF, meta=1, frags=frags, bare=bare)) for frags in (1, 3) for bare in (0, 1)])


def check(build):
    """What is wrong, if anything: packets, and instructions above their limit."""
    names, confs = zip(*matrix(build))
    verify(build, [conf for conf in confs if conf["driver"] != "floor"])
    confs = [dict(CONF, isa=isa, burst=burst, meta=meta, frags=frags, budget=budget)
             for isa in isas(build, "igb") for burst, meta, frags, budget in LIMITS[isa]]
    for conf, (rx, tx, both) in zip(confs, count(build, confs)):
        limit = LIMITS[conf["isa"]][(conf["burst"], conf["meta"], conf["frags"], conf["budget"])]
        print(f"{text(conf)}: {both:.1f} instructions (rx {rx:.1f}, tx {tx:.1f}), limit {limit}")
        if both > limit:
            yield f"ring-replay: {text(conf)}: {both:.1f} instructions a packet, limit {limit}"
