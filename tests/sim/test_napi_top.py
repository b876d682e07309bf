# SPDX-License-Identifier: BSD-3-Clause
"""unapi-napi-top beside a forwarding unapi-testpmd, and what testpmd itself shows of its instances."""

import json
import os
import pty
import re
import signal
import subprocess

from testpmd import BUILD, PATIENCE, Testpmd, await_true, check, drain, main, sim_stats

TOP = BUILD / "tools/napi-top/unapi-napi-top"


def start(directory, *options):
    os.environ["UNAPI_RUN_DIR"] = str(directory / "run")
    nic = f"sim:igb,wire=gen,stats={directory}/nic,stats-ms=20"
    return Testpmd("-a", nic, "--", "-i", "--auto-start", "--rxq=2", "--txq=2", *options).ready()


def top(*args, status=0):
    done = subprocess.run([TOP, *map(str, args)], capture_output=True, text=True, timeout=PATIENCE)
    check(done.returncode == status, f"{args}: exit status {done.returncode}: {done.stderr}")
    if status:
        check(done.stderr.count("\n") == 1, f"{args}: one line, not {done.stderr!r}")
    return done.stderr if status else done.stdout


def instances(look):
    return {n["id"]: n for c in look["contexts"] for n in c["instances"]}


def traffic(directory):
    pmd = start(directory)
    await_true(lambda: (s := sim_stats(directory / "nic")) and s["rx"] > 1000, "traffic")
    looks = [json.loads(line) for line in top("--json", "-n", 3, "-d", 0.3).splitlines()]
    check(len(looks) == 3 and all(look["pid"] == pmd.process.pid for look in looks), f"three looks: {looks}")
    for before, after in zip(looks, looks[1:]):
        check(after["time_ns"] > before["time_ns"], "time passes")
        for number, napi in instances(after).items():
            then = instances(before)[number]["total"]
            rate = (napi["total"]["work"] - then["work"]) / after["interval_s"]
            check(napi["packets_per_s"] > 0 and abs(napi["packets_per_s"] - rate) <= 1e-3 * rate, f"packets: {napi}")
            check(napi["interrupts_per_s"] > 0 and 0 < napi["polls_per_s"] and napi["cpu_percent"] > 0, f"rates: {napi}")
            check(0 < napi["packets_per_poll"] <= 64 and 0 <= napi["empty_percent"] <= 100, f"polls: {napi}")
    core = [c for c in looks[-1]["contexts"] if c["instances"]]
    check(len(core) == 1 and core[0]["cpu_percent"] > 0 and core[0]["tid"], f"one thread polls: {core}")

    # At rest all agree: the generator, the command and the tool.
    figures, = drain(pmd, directory / "nic")
    shown = {n["id"]: n for n in json.loads(pmd.command("show napi json"))}
    total = await_true(lambda: (t := {i: n["total"] for i, n in instances(json.loads(top("--json", "-n", 1, "-d", 0.3))).items()})
                       and sum(n["work"] for n in t.values()) == figures["tx"] and t, "all that was sent is counted")
    for number, napi in total.items():
        for key, value in napi.items():
            check(shown[number][key] == value, f"{key}: {shown[number]} and {napi}")
        check(napi["interrupts"] <= napi["interrupts_raised"] and napi["violations"] == 0, f"interrupts: {napi}")
        check(sum(napi["polls_by"].values()) == napi["polls"], f"every poll has a cause: {napi}")
    check(pmd.quit() == 0, pmd.transcript())
    check(not any((directory / "run").iterdir()), "no socket is left")


def commands(directory):
    pmd = start(directory)
    await_true(lambda: (s := sim_stats(directory / "nic")) and s["rx"] > 1000, "traffic")
    pmd.command("set napi 0 1 threaded 1")
    pmd.command("set napi 0 0 defer-hard-irqs 2")
    text = pmd.command("show napi 0")
    for pattern in (r"Port 0 napi 0: sim:igb.*-0, id 8193, enabled", r"Queues: rx 1 tx 1", r"Threaded: enabled, thread \d+",
                    r"Settings: defer-hard-irqs 2, gro-flush-timeout 0, irq-suspend-timeout 0",
                    r"Interrupts: taken [1-9]\d*, raised [1-9]", r"interrupt +[1-9]\d* +[\d.]+ +[\d.]+$",
                    r"Context: .*, home lcore/\d+, thread [1-9]\d*", r"contract violations: 0"):
        check(re.search(pattern, text, re.M), f"\"{pattern}\" in {text}")
    table = pmd.command("show cores")
    check(re.search(r"^lcore/\d+ +\d+ context +[\d.]+", table, re.M) and " thread " in table, table)
    for line in pmd.command("show napi").strip().split("\n")[1:]:
        check(re.match(r" +0 +819\d rx \d tx \d", line), line)

    drain(pmd, directory / "nic")
    check(pmd.command("clear napi all") == "Port 0: NAPI counters cleared\n", "cleared")
    for napi in json.loads(pmd.command("show napi json")):
        check(napi["work"] == napi["polls"] == napi["interrupts_raised"] == 0, f"from zero: {napi}")
    pmd.command("stop")
    pmd.command("port close 0")
    pmd.command("show napi 0")
    pmd.wait_for("Port 0 is closed", errors=True)
    check(json.loads(pmd.command("show napi json")) == [], "no port, no instance")
    check(pmd.quit() == 0, pmd.transcript())


def which_process(directory):
    os.environ["UNAPI_RUN_DIR"] = str(directory / "run")
    check("no process serves statistics" in top("-n", 1, status=1), "nobody is there")
    check("serves no statistics" in top(os.getpid(), status=1), "not this one")
    for wrong in (["-d", "0"], ["-n", "x"], ["-o", "y"], ["0"], ["1", "2"], ["-s", "x", "1"]):
        top(*wrong, status=2)
    hidden = start(directory, "--no-stats-socket")
    check("serves no statistics" in top(hidden.process.pid, status=1), "nor one that does not want to")
    a, b = start(directory), start(directory)
    said = top("-n", 1, status=1)
    check(all(f"{p.process.pid} (unapi-testpmd)" in said for p in (a, b)), said)
    check(f"({a.process.pid})" in top("-b", "-n", 1, "-d", 0.2, a.process.pid), "the one that is named")
    path = directory / "run" / f"{b.process.pid}.stats"
    check(f"({b.process.pid})" in top("-b", "-n", 1, "-d", 0.2, "-s", path), "the one at a path")
    for pmd in (hidden, a, b):
        check(pmd.quit() == 0, pmd.transcript())


def stopped_and_killed(directory):
    pmd = start(directory)
    os.kill(pmd.process.pid, signal.SIGSTOP)
    check("does not answer within 2 s" in top("-n", 1, status=1), "a process that is stopped")
    os.kill(pmd.process.pid, signal.SIGCONT)
    looker = subprocess.Popen([TOP, "-b", "-d", "0.2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    check("unapi-testpmd" in looker.stdout.readline(), "a first look")
    pmd.process.kill()
    out, errors = looker.communicate(timeout=PATIENCE)
    check(looker.returncode == 1 and f"process {pmd.process.pid} has ended" in errors and errors.count("\n") == 1, errors)
    pmd.process.wait()
    check("has ended" in top(status=1), "what it left")
    check("no process serves statistics" in top(status=1), "is gone")


def restarted(directory):
    """On a terminal it waits for the next process."""
    pmd = start(directory)
    terminal, other = pty.openpty()
    looker = subprocess.Popen([TOP, "-d", "0.2"], stdin=other, stdout=other, stderr=other)
    os.close(other)
    text = ""

    def until(wanted):
        nonlocal text
        while wanted not in text:
            text += os.read(terminal, 65536).decode()
        text = ""

    until(f"({pmd.process.pid})")
    check(pmd.quit() == 0, pmd.transcript())
    until("waiting for the next")
    pmd = start(directory)
    until(f"({pmd.process.pid})")
    looker.terminate()
    looker.wait(PATIENCE)
    os.close(terminal)
    check(pmd.quit() == 0, pmd.transcript())


main(traffic, commands, which_process, stopped_and_killed, restarted)
