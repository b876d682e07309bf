# SPDX-License-Identifier: BSD-3-Clause
"""Runs the demonstration on a build: testpmd forwards what the simulated NIC's generator sends, in interrupt mode, in busy
poll, and in interrupt mode again. What the generator saw and what testpmd counted become one table.

    demo.py BUILD"""

import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import time

PHASES = ("interrupt", "busy", "interrupt")
PHASE_SECONDS = 3.2  # testpmd writes its figures every second: at least three times in each phase
PATIENCE = 10
COLUMNS = ("phase", "mode", "packets in", "packets out", "lost", "packets/s", "interrupts/s", "polls/s", "packets/poll",
           "CPU %", "p50 us", "p99 us")


class Failed(Exception):
    pass


def wait_for(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise Failed(f"no {what} within {PATIENCE} s")
        time.sleep(0.01)
    return result


class Testpmd:
    """testpmd at its prompt, and the lines of figures that it writes."""

    def __init__(self, build, work, device):
        self.figures_file = work / "testpmd.json"
        self.errors = open(work / "errors", "w+")
        cores = ",".join(str(core) for core in sorted(os.sched_getaffinity(0))[:2])
        self.process = subprocess.Popen(
            [build / "apps" / "testpmd" / "unapi-testpmd", "-l", cores, "-a", device, "--", "--interactive", "--auto-start",
             "--rxq", "2", "--txq", "2", "--poll-mode", PHASES[0], "--stats-period", "1", "--stats-json",
             self.figures_file],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)
        self.answer()

    def answer(self):
        """What it prints up to the next prompt."""
        text = b""
        while not text.endswith(b"testpmd> "):
            if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
                raise Failed(f"testpmd does not answer; it said: {text.decode()}{self.error_text()}")
            part = os.read(self.process.stdout.fileno(), 65536)
            if not part:
                raise Failed(f"testpmd ended: {text.decode()}{self.error_text()}")
            text += part
        return text.decode()

    def command(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return self.answer()

    def quit(self):
        self.process.stdin.write(b"quit\n")
        self.process.stdin.close()
        self.process.stdout.read()
        if self.process.wait(PATIENCE):
            raise Failed(f"testpmd ended with {self.process.returncode}: {self.error_text()}")

    def error_text(self):
        self.errors.seek(0)
        return self.errors.read()

    def figures(self):
        """One object for each second, oldest first; the last line may be half written."""
        lines = self.figures_file.read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines]


class Generator:
    """The simulated NIC's traffic generator, by the file that it writes and the signals that it takes."""

    def __init__(self, path):
        self.path = path
        self.phase = 0

    def read(self, suffix=""):
        return json.loads(pathlib.Path(f"{self.path}{suffix}").read_text())

    def running(self):
        return self.path.exists() and self.read()["tx"] > 0 and self.read()

    def end_phase(self):
        """The generator's figures now; its times start afresh."""
        self.phase += 1
        os.kill(self.read()["pid"], signal.SIGUSR1)
        return wait_for(lambda: pathlib.Path(f"{self.path}.{self.phase}").exists() and self.read(f".{self.phase}"),
                        "figures from the generator")

    def drain(self):
        """Stops it; what is not back a second later is lost."""
        os.kill(self.read()["pid"], signal.SIGUSR2)
        return wait_for(lambda: self.read()["drained"] and self.read(), "end of the traffic")


def totals(figures):
    """What the rates are made of: counts over all instances, and CPU time over all forwarding threads."""
    instances = [instance for port in figures["ports"] for instance in port["napis"]]
    counts = {key: sum(instance[key] for instance in instances) for key in ("interrupts", "polls", "work")}
    return counts | {"cpu": sum(lcore["cpu_ns"] for lcore in figures["lcores"]), "time": figures["time_ns"]}


def row(number, mode, before, after, figures):
    """A line of the table, from the generator's counts at both ends of the phase, and testpmd's lines within it."""
    first, last = totals(figures[0]), totals(figures[-1])
    change = {key: last[key] - first[key] for key in last}
    seconds = change["time"] / 1e9
    gone_in, gone_out = after["tx"] - before["tx"], after["rx"] - before["rx"]
    return (str(number), mode, f"{gone_in}", f"{gone_out}", f"{after['lost'] - before['lost']}",
            f"{gone_out / ((after['now_ns'] - before['now_ns']) / 1e9):.0f}", f"{change['interrupts'] / seconds:.0f}",
            f"{change['polls'] / seconds:.0f}", f"{change['work'] / change['polls'] if change['polls'] else 0:.1f}",
            f"{change['cpu'] / change['time'] * 100:.0f}", f"{after['p50_ns'] / 1000:.1f}", f"{after['p99_ns'] / 1000:.1f}")


def print_table(rows):
    widths = [max(len(line[column]) for line in (COLUMNS, *rows)) for column in range(len(COLUMNS))]
    for line in (COLUMNS, *rows):
        print("  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths)).rstrip())


def run(build, work):
    generator = Generator(work / "generator.json")
    testpmd = Testpmd(build, work, f"sim:igb,wire=gen,stats={generator.path},stats-ms=50")
    try:
        wait_for(generator.running, "traffic")
        before = generator.end_phase()
        rows = []
        for number, mode in enumerate(PHASES, 1):
            if number > 1:
                testpmd.command(f"set poll-mode 0 all {mode}")
            seen = len(testpmd.figures())
            time.sleep(PHASE_SECONDS)
            after = generator.end_phase()
            rows.append(row(number, mode, before, after, testpmd.figures()[seen:]))
            before = after
        end = generator.drain()
        testpmd.quit()
    finally:
        if testpmd.process.poll() is None:
            testpmd.process.kill()
            testpmd.process.wait()
    wrong = {key: end[key] for key in ("lost", "dup", "reorder", "corrupt", "overrun", "dma_faults") if end[key]}
    rows.append(("all", "", f"{end['tx']}", f"{end['rx']}", f"{end['lost']}") + ("",) * (len(COLUMNS) - 5))
    print_table(rows)
    if wrong or end["rx"] != end["tx"] or not end["rx"]:
        raise Failed(f"{end['tx']} packets went in, {end['rx']} came out; {wrong}")
    print("No packet was lost.")


def main():
    try:
        with tempfile.TemporaryDirectory(prefix="unapi-demo-") as work:
            run(pathlib.Path(sys.argv[1]), pathlib.Path(work))
    except Failed as why:
        sys.exit(f"demo: {why}")


main()
