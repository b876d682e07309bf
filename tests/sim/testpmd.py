# SPDX-License-Identifier: BSD-3-Clause
"""Runs unapi-testpmd on simulated NICs, types commands into it and looks at what it leaves behind.

A test file defines functions, and hands them to main(). A function that takes an argument gets a fresh directory."""

import inspect
import json
import os
import pathlib
import pty
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import uuid

BUILD = pathlib.Path(os.environ["UNAPI_BUILD"])
PROGRAM = BUILD / "apps/testpmd/unapi-testpmd"
PROMPT = "testpmd> "
# A deadline ends a test that hangs; nothing is measured by it. Sanitizers and busy machines are slow.
PATIENCE = 120
RUNS = {}  # process id of a testpmd to the mark in its environment


class Failed(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)


def await_true(condition, what, seconds=PATIENCE):
    """Wait for something that another process does and gives no other sign of."""
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        check(time.monotonic() < until, f"{what}: not within {seconds} s")
        time.sleep(0.01)


def children(pid):
    """Process ids of the living simulated NICs that a testpmd of ours started. They are nobody's children: known by a mark
    in the environment that they have from it."""
    mark = f"UNAPI_TEST_RUN={RUNS[pid]}".encode()
    found = []
    for comm in pathlib.Path("/proc").glob("[0-9]*/comm"):
        try:
            ours = comm.read_text() == "unapi-simnic\n" and mark in (comm.parent / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if ours:
            found.append(int(comm.parent.name))
    return sorted(found)


class Testpmd:
    """A running testpmd, its standard input a pipe, or a terminal."""

    started = []  # all of this test

    def __init__(self, *args, terminal=False, stdin=None):
        self.output, self.errors = "", ""
        self.lock = threading.Condition()
        self.ended = 0  # streams that have ended
        self.seen = 0   # how much of the output has been waited for
        self.terminal = None
        if terminal:
            self.terminal, stdin = pty.openpty()
        self.process = subprocess.Popen(
            [PROGRAM, *args], stdin=subprocess.PIPE if stdin is None else stdin,
            stdout=stdin if terminal else subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            env={**os.environ, "UNAPI_TEST_RUN": (run := str(uuid.uuid4()))})
        RUNS[self.process.pid] = run
        Testpmd.started.append(self.process)
        if terminal:
            os.close(stdin)
        self.input = self.terminal if terminal else self.process.stdin.fileno() if self.process.stdin else None
        out = self.terminal if terminal else self.process.stdout.fileno()
        self.threads = [threading.Thread(target=self._read, args=(fd, name), daemon=True)
                        for fd, name in ((out, "output"), (self.process.stderr.fileno(), "errors"))]
        for thread in self.threads:
            thread.start()
        self.sims = []

    def _read(self, fd, name):
        while True:
            try:
                data = os.read(fd, 65536)
            except OSError:  # a terminal whose other side is closed
                data = b""
            with self.lock:
                if not data:
                    self.ended += 1
                    self.lock.notify_all()
                    return
                setattr(self, name, getattr(self, name) + data.decode("utf-8", "replace").replace("\r\n", "\n"))
                self.lock.notify_all()

    def transcript(self):
        return f"--- output\n{self.output}\n--- errors\n{self.errors}\n---"

    def wait_for(self, pattern, errors=False, seconds=PATIENCE):
        """The next match in the output after the last one waited for (or anywhere in the errors)."""
        until = time.monotonic() + seconds
        with self.lock:
            while True:
                text = self.errors if errors else self.output
                match = re.compile(pattern, re.M).search(text, 0 if errors else self.seen)
                if match:
                    if not errors:
                        self.seen = match.end()
                    return match
                check(self.ended < 2, f"ended without \"{pattern}\"\n{self.transcript()}")
                check(time.monotonic() < until, f"no \"{pattern}\" within {seconds} s\n{self.transcript()}")
                self.lock.wait(1)

    def ready(self):
        """The first prompt."""
        self.wait_for(re.escape(PROMPT))
        self.sims = children(self.process.pid)
        return self

    def write(self, data):
        os.write(self.input, data if isinstance(data, bytes) else data.encode())

    def command(self, text):
        """What a command prints on standard output."""
        self.write(text + "\n")
        start = self.wait_for(re.escape(text) + "\n").end()  # the echo; events may have been told before it
        end = self.wait_for(re.escape(PROMPT)).start()
        return self.output[start:end]

    def signal(self, number):
        os.kill(self.process.pid, number)

    def wait(self, seconds=PATIENCE):
        """The exit status; nothing of it may be left running."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"does not end within {seconds} s\n{self.transcript()}") from None
        for thread in self.threads:
            thread.join(seconds)
        for sim in self.sims:
            # Waited for by testpmd, or, if that was killed, ended by its socket's end.
            await_true(lambda: not alive(sim), f"end of simulated NIC {sim}")
        return status

    def quit(self):
        self.write("quit\n")
        return self.wait()

    def ended_well(self, status=0):
        got = self.wait()
        check(got == status, f"exit status {got}, not {status}\n{self.transcript()}")
        return self


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def run(*args, stdin=b"", status=0):
    """Run to the end with this standard input; the finished Testpmd."""
    pmd = Testpmd(*args)
    try:
        pmd.write(stdin)
        pmd.process.stdin.close()
    except BrokenPipeError:
        pass  # it refused its arguments
    return pmd.ended_well(status)


def json_lines(path):
    """The objects of a statistics file, each line of which must be a whole one."""
    text = pathlib.Path(path).read_text()
    check(text.endswith("\n"), f"{path} ends with a whole line")
    return [json.loads(line) for line in text.splitlines()]


def sim_stats(path):
    """The simulated NIC's own figures, as it wrote them last."""
    try:
        return json.loads(pathlib.Path(path).read_text())
    except (OSError, ValueError):
        return None


def drain(pmd, *stats):
    """Stop the generators, wait until all that is on its way is back or lost, and return their figures."""
    check(pmd.sims, "there are simulated NICs")
    for sim in pmd.sims:
        os.kill(sim, signal.SIGUSR2)
    return [await_true(lambda: (s := sim_stats(path)) and s["drained"] and s, f"{path} drained") for path in stats]


def check_nothing_lost(figures):
    wrong = {key: figures[key] for key in ("lost", "dup", "reorder", "corrupt", "foreign", "dma_faults",
                                           "driver_errors") if figures[key]}
    check(not wrong, f"{wrong}: {figures}")
    check(figures["tx"] > 0 and figures["rx"] == figures["tx"], f"everything came back: {figures}")


def main(*functions):
    failed = 0
    wanted = sys.argv[1:]
    for function in functions:
        if wanted and function.__name__ not in wanted:
            continue
        print(f"=== {function.__name__}", flush=True)
        started = time.monotonic()
        try:
            with tempfile.TemporaryDirectory(prefix="unapi-testpmd-") as directory:
                function(*([pathlib.Path(directory)] if inspect.signature(function).parameters else []))
            print(f"ok, {time.monotonic() - started:.1f} s", flush=True)
        except Exception:  # one test's failure must not hide the next one's
            failed += 1
            traceback.print_exc()
            sys.stderr.flush()
        for process in Testpmd.started:  # a failed test's must not run on beside the next one's
            if process.poll() is None:
                process.kill()
                process.wait()
        Testpmd.started.clear()
    sys.exit(1 if failed else 0)
