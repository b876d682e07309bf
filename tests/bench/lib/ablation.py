# SPDX-License-Identifier: BSD-3-Clause
"""ablation: ring-replay with one technique of the data path taken away at a time.

Where that is another loop, or a feature, the harness is asked for it. The rest is compiled: copies of a few sources, changed
as stated here, are linked in front of the library. What is to be changed must be there, once, or the benchmark fails.
"""
import os
import shlex
import statistics
import tempfile

from lib.common import fail, run
from lib.ring_replay import CONF, count, isas, text

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../..")
LOOPS = ["drivers/common/adv_avx2.c", "drivers/common/adv_sse42.c", "drivers/common/adv_isa.c", "drivers/common/adv_tx.c"]
POOL = ["core/net/page_pool.c", "core/net/pool_mem.c", "core/net/packet.c"]
HARNESS = "tests/bench/replay_igb.c"

SEND = "{\n\tstruct bench_igb *b = arg;\n\n\tunapi_tx_burst(b->txq, pkts, n);\n"
TOUCH = (HARNESS, SEND, "{\n\tstruct bench_igb *b = arg;\n\n\tfor (unsigned int i = 0; i < n; i++)\n"
         "\t\t(void)*(volatile uint64_t *)unapi_pkt_data(&pkts[i]);\n\tunapi_tx_burst(b->txq, pkts, n);\n")


def constant(path, name, old, new):
    return path, f"#define {name} {old}", f"#define {name} {new}"


# what is taken away; what is asked of the harness; (file, from, to) of the copies; what else has to be compiled anew
STEPS = (
    ("nothing", {}, [], []),
    ("AVX2: loops with SSE4.2", {"isa": "sse4.2"}, [], []),
    ("AVX2 and SSE4.2: portable C", {"isa": "scalar"}, [], []),
    ("refill in 128: after each 32", {}, [constant("drivers/common/adv_rx.c", "REFILL_BATCH", "128u", "32u")], []),
    ("cleaning in 128: each 32", {}, [constant("drivers/common/adv_tx.c", "CLEAN_BATCH", "128u", "32u")], []),
    ("RS and a look at DD once in 32: for each packet", {}, [constant("drivers/common/adv_tx.h", "ADV_TX_RS_EVERY", "32u", "1u")],
     LOOPS),
    ("buffers returned in bulk: one by one", {}, [
        ("drivers/common/adv_tx.c", "page_pool_put_same(t->bufs + from, to - from);",
         "for (; from < to; from++)\n\t\t\t\tpage_pool_put_same(t->bufs + from, 1);")], []),
    ("buffers taken in bulk: one by one", {}, [
        ("drivers/common/adv_rx.c", "const uint32_t *from = page_pool_take(r->q.pool, &n);",
         "uint32_t from[4096], got = 0;\n\n\tfor (; got < n; got++) {\n\t\tuint32_t one = 1;\n"
         "\t\tconst uint32_t *p = page_pool_take(r->q.pool, &one);\n\n\t\tif (!one)\n\t\t\tbreak;\n\t\tfrom[got] = *p;\n\t}\n"
         "\tn = got;")], []),
    ("sent in bursts: one by one", {}, [
        (HARNESS, SEND, SEND.replace("\tunapi_tx_burst(b->txq, pkts, n);", "\tfor (unsigned int i = 0; i < n; i++)\n"
                                     "\t\tunapi_tx_burst(b->txq, pkts + i, 1);"))], []),
    ("the poll method, ownership and gates: bare functions", {"bare": 1}, [], []),
    ("metadata off: on", {"meta": 1}, [], []),
)
# Their cost is in caches: an application that reads the first word of each packet, in cycles. The last two are not in the library.
DELIVER = "\tr->q.rx_fn(r->q.rx_arg, r->pkts, r->meta, (uint32_t)did.n);\n"
CYCLES = (
    ("nothing", {}, [TOUCH], []),
    ("a stride that is no power of two: 4096", {},
     [TOUCH, constant("core/net/pool_impl.h", "POOL_STRIDE", "POOL_BUF_SIZE", "4096u")], POOL),
    ("nothing, ring 4096", {"ring": 4096}, [TOUCH], []),
    ("no prefetch of descriptors: 32 ahead, ring 4096", {"ring": 4096},
     [TOUCH, ("drivers/common/adv_avx2.c", "\tfor (; i != end; i += 8) {\n\t\t__m256i x",
              "\tfor (; i != end; i += 8) {\n\t\t__builtin_prefetch(d + i + 32);\n\t\t__builtin_prefetch(d + i + 36);\n\t\t__m256i x")], []),
    ("no prefetch of packets: before delivery, ring 4096", {"ring": 4096},
     [TOUCH, ("drivers/common/adv_rx.h", DELIVER, "\tfor (uint32_t i = 0; i < (uint32_t)did.n; i++)\n"
              "\t\t__builtin_prefetch(unapi_pkt_data(&r->pkts[i]));\n" + DELIVER)], LOOPS),
)


def change(directory, edits):
    """Copies of what is changed, changed; returns their names."""
    changed = {}
    for path, old, new in edits:
        with open(os.path.join(ROOT, path)) as file:
            source = changed.get(path) or file.read()
        words = old.split()
        # whatever aligns the value behind the name of a constant
        if words[0] == "#define":
            lines = [line for line in source.splitlines() if line.split()[:3] == words]
            old = lines[0] if len(lines) == 1 else old
        if source.count(old) != 1:
            fail(f"ablation: {path} does not have, once, what is to be changed: {old}")
        changed[path] = source.replace(old, new)
    for path, source in changed.items():
        os.makedirs(os.path.dirname(os.path.join(directory, path)), exist_ok=True)
        with open(os.path.join(directory, path), "w") as file:
            file.write(source)
    return list(changed)


class Variant:
    """A ring_replay with changes, built by the commands that the build directory has for it."""

    def __init__(self, build, directory, edits, anew):
        self.path = os.path.join(directory, "ring_replay")
        changed = change(directory, edits)
        commands = [shlex.split(line) for line in
                    run(["ninja", "-C", build.path, "-t", "commands", "tests/bench/ring_replay"]).splitlines() if "ninja:" not in line]
        link, objects = commands[-1], []
        for unit in [path for path in changed if path.endswith(".c")] + [path for path in anew if path not in changed]:
            compile_it = next(c for c in commands if "-c" in c and c[-1].endswith("/" + unit))
            source = os.path.join(directory, unit) if unit in changed else compile_it[-1]
            old, new = compile_it[compile_it.index("-o") + 1], os.path.join(directory, unit.replace("/", "_") + ".o")
            at = next(i for i, word in enumerate(compile_it) if word.startswith("-I"))
            # The changed headers first.
            again = compile_it[:at] + [f"-I{directory}", "-w"] + [new if word == old else word for word in compile_it[at:-1]] + [source]
            run([word if word != old + ".d" else new + ".d" for word in again], cwd=build.path)
            if old in link:
                link = [new if word == old else word for word in link]
            else:
                objects.append(new)
        out = link.index("-o") + 1
        run(link[:out] + [self.path, *objects] + link[out + 1:], cwd=build.path)

    def exe(self, _):
        return self.path


def variants(build, steps):
    for name, *conf, edits, anew in steps:
        with tempfile.TemporaryDirectory() as directory:
            yield name, {**CONF, "isa": isas(build, "igb")[0], **(conf[0] if conf else {})}, (
                Variant(build, directory, edits, anew) if edits else build)


def rows(build):
    base = None
    for name, conf, variant in variants(build, STEPS):
        if conf["isa"] not in isas(build, "igb"):
            continue
        run([variant.exe("tests/bench/ring_replay"), "verify", text(conf)])
        rx, tx, both = next(count(variant, [conf]))
        base = base or both
        yield {"bench": "ablation", "without": name, "insn_rx": round(rx, 2), "insn_tx": round(tx, 2), "insn": round(both, 2),
               "more": round(both - base, 2)}
    for name, conf, variant in variants(build, CYCLES):
        tries = [float(run([variant.exe("tests/bench/ring_replay"), "time", text(conf)]).split()[0]) for _ in range(5)]
        if name.startswith("nothing"):
            base = statistics.median(tries)
        yield {"bench": "ablation-cycles", "without": name, "tsc": statistics.median(tries),
               "ratio": round(statistics.median(tries) / base, 2)}
