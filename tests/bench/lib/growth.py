# SPDX-License-Identifier: BSD-3-Clause
"""growth: what happens to the cost when there is more of something: instances, queues, buffers, threads that return them."""
from lib.common import callgrind, run
from lib.sim_forward import forward


def instances(build):
    cost = build.exe("tests/bench/napi_cost")
    for n in (1, 4, 16, 64, 256, 1024):
        rounds = max(4096 // n, 8)
        many = [cost, "many", str(rounds), str(n)]
        idle = [cost, "idle", "2000", str(n)]
        yield {"bench": "growth-instances", "instances": n,
               "insn_each_scheduled_together": round(callgrind(many, "measured") / rounds / n, 1),
               "insn_one_beside_idle": round(callgrind(idle, "measured") / 2000, 1)}


def queues(build):
    for n in (1, 2, 4, 8, 16):
        found = forward(build, "interrupt", n, 0, "mmap")
        yield {"bench": "growth-queues", "queues": n, "pps": found["pps"], "cpu_ns_a_packet": found["cpu_ns_a_packet"],
               "irqs_a_packet": found["irqs_a_packet"], "polls_a_packet": found["polls_a_packet"]}


def pools(build):
    cost = build.exe("tests/bench/pool_cost")
    for who in ("local", "remote"):
        for buffers in (512, 4096, 32768, 131072):
            batches = 4000
            counted = [cost, who, str(buffers), str(batches)]
            take, give = run(counted).split()
            yield {"bench": "growth-pool", "returned_by": "the owner" if who == "local" else "another thread",
                   "buffers": buffers, "insn_take": round(callgrind(counted, "measured_take") / batches / 64, 2),
                   "insn_give": round(callgrind(counted, "measured_give") / batches / 64, 2),
                   "tsc_take": float(take), "tsc_give": float(give)}


def rows(build):
    yield from instances(build)
    yield from queues(build)
    yield from pools(build)
