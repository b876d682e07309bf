# SPDX-License-Identifier: BSD-3-Clause
"""The virtual machine tests' rig: a QEMU guest (software emulation) with igb NICs behind an emulated IOMMU, commands run in
it through the agent, and a traffic generator at the other end of its wires.

A test file defines functions that take a Guest, and hands them to main(). What the guest runs is what is installed."""

import atexit
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import image
from image import Missing

BOOT_MODULES = ("virtio_pci", "virtio_console", "igb", "vfio_iommu_type1", "vfio-pci")
# One host thread for all processors: with a thread each, one of them was seen (three times in some 300 starts of testpmd, QEMU
# 10.0) to get no more timer interrupts, so that whatever ran there slept on, in msleep() within the kernel among others.
ACCELERATOR = "tcg,thread=single"
HEADER = struct.Struct("=IIc")
# Software emulation on a busy machine of two cores: a deadline is there to end a test that hangs, not to measure.
PATIENCE = 60


class Failed(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)


def log(text):
    print(text, flush=True)


class Job:
    """A command that runs, or ran, in the guest."""

    def __init__(self, guest, number, command):
        self.guest, self.number, self.command = guest, number, command
        self.out = self.err = ""
        self.status = None
        self.seen = 0  # how much of the output wait_for() has gone past

    def write(self, text):
        self.guest.send(b"i", self.number, text.encode())

    def close_input(self):
        self.guest.send(b"i", self.number, b"")

    def kill(self, number=signal.SIGKILL):
        self.guest.send(b"k", self.number, bytes([number]))

    def wait(self, timeout=PATIENCE):
        """The exit status, or minus the signal that ended it."""
        self.guest.wait_until(lambda: self.status is not None, timeout, f"the end of \"{self.command}\"", self)
        return os.waitstatus_to_exitcode(self.status)

    def wait_for(self, pattern, timeout=PATIENCE):
        """The next match of the pattern in the output, after the last one that was waited for."""
        found = []

        def look():
            match = re.compile(pattern, re.M).search(self.out, self.seen)
            if match:
                found.append(match)
            return match or self.status is not None

        self.guest.wait_until(look, timeout, f"\"{pattern}\" from \"{self.command}\"", self)
        if not found:
            raise Failed(f"\"{self.command}\" ended ({self.status}) without printing \"{pattern}\":\n{self.transcript()}")
        self.seen = found[0].end()
        return found[0]

    def transcript(self):
        return f"--- output\n{self.out[-6000:]}\n--- errors\n{self.err[-3000:]}"


class Guest:
    def __init__(self, nics=1, cpus=2, memory=1024, modules=BOOT_MODULES, at_hand=(), command_line="",
                 files=(), options=()):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="unapi-vm-"))
        atexit.register(self.close)
        self.jobs, self.next_job = {}, 1
        self.changed = threading.Condition()
        self.hello = self.gone = False
        self.process = self.traffic = None
        self.macs = [f"52:54:00:00:00:{n + 1:02x}" for n in range(nics)]
        build = pathlib.Path(os.environ["UNAPI_BUILD"])
        wires = [self.work / f"wire{n}" for n in range(nics)]
        qemu = image.qemu()
        newest = os.environ.get("UNAPI_VM_KERNEL") == "newest"
        kernel, initramfs = image.build(self.work, build, modules, at_hand,
                                        image.newest_kernel() if newest else image.DEFAULT_KERNEL, files)
        self.traffic = Traffic(build / "tests" / "vm" / "vm-traffic", wires)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.work / "agent"))
        listener.listen(1)
        command = [
            qemu, "-accel", ACCELERATOR, "-machine", "q35,kernel-irqchip=off", "-cpu", "max", "-smp", str(cpus),
            "-m", str(memory), "-nodefaults", "-display", "none", "-no-reboot", "-serial", f"file:{self.work}/console",
            "-kernel", kernel, "-initrd", initramfs,
            "-append", f"console=ttyS0 loglevel=5 panic=-1 intel_iommu=on {command_line}",
            "-device", "intel-iommu,intremap=on,device-iotlb=on", "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=agent,path={self.work}/agent", "-device", "virtserialport,chardev=agent"]
        for n, (wire, mac) in enumerate(zip(wires, self.macs)):
            # A root port for each NIC, as on a real board: it puts the NIC alone into its IOMMU group.
            command += ["-netdev", f"stream,id=wire{n},server=off,addr.type=unix,addr.path={wire}",
                        "-device", f"pcie-root-port,id=port{n},chassis={n + 1},addr={8 + n:#x}",
                        "-device", f"igb,netdev=wire{n},mac={mac},bus=port{n},romfile="]
        command += options
        began = time.monotonic()
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                        stdout=open(self.work / "qemu", "wb"), stderr=subprocess.STDOUT)
        listener.settimeout(PATIENCE)
        try:
            self.connection, _ = listener.accept()
        except TimeoutError:
            raise Failed("QEMU did not start:\n" + self.console()) from None
        threading.Thread(target=self._read_messages, daemon=True).start()
        self.wait_until(lambda: self.hello or self.gone, 3 * PATIENCE, "the guest to boot")
        check(self.hello, "the guest did not boot:\n" + self.console())
        log(f"guest is up after {time.monotonic() - began:.1f} s: {self.run('uname -r').strip()}")
        found = self.run("for d in /sys/bus/pci/devices/*; do echo ${d##*/} $(cat $d/vendor $d/device); done")
        self.nics = re.findall(r"^(\S+) 0x8086 0x10c9$", found, re.M)
        check(len(self.nics) == nics, f"{nics} NICs were plugged in, the guest sees {self.nics}")

    def close(self):
        if self.traffic:
            self.traffic.close()
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = self.traffic = None
        shutil.rmtree(self.work, ignore_errors=True)

    def console(self):
        texts = [(self.work / name).read_text(errors="replace")[-6000:] for name in ("qemu", "console")
                 if (self.work / name).exists()]
        return "\n".join(texts)

    def send(self, kind, number, body):
        self.connection.sendall(HEADER.pack(len(body), number, kind) + body)

    def _receive(self, size):
        data = b""
        while len(data) < size:
            part = self.connection.recv(size - len(data))
            if not part:
                raise ConnectionError
            data += part
        return data

    def _read_messages(self):
        try:
            while True:
                size, number, kind = HEADER.unpack(self._receive(HEADER.size))
                body = self._receive(size)
                with self.changed:
                    self._take_message(self.jobs.get(number), kind, body)
                    self.changed.notify_all()
        except OSError:
            with self.changed:
                self.gone = True
                self.changed.notify_all()

    def _take_message(self, job, kind, body):
        if kind == b"h":
            self.hello = True
        elif kind == b"o":
            job.out += body.decode(errors="replace")
        elif kind == b"e":
            job.err += body.decode(errors="replace")
        elif kind == b"q":
            job.status = struct.unpack("=i", body)[0]

    def wait_until(self, condition, timeout, what, job=None):
        """Waits for the condition, which only the agent's messages can change."""
        with self.changed:
            if self.changed.wait_for(lambda: self.gone or condition(), timeout) and (condition() or not self.gone):
                return
        why = "the guest is gone" if self.gone else f"nothing after {timeout} s"
        raise Failed(f"waiting for {what}: {why}\n{job.transcript() if job else ''}\n{self.console()}")

    def spawn(self, command):
        """Starts a command; its input stays open."""
        with self.changed:
            job = self.jobs[self.next_job] = Job(self, self.next_job, command)
            self.next_job += 1
        self.send(b"x", job.number, command.encode())
        return job

    def run(self, command, timeout=PATIENCE, status=0):
        """Runs a command to its end, and returns its output; status None takes any exit status."""
        job = self.spawn(command)
        job.close_input()
        ended = job.wait(timeout)
        check(status is None or ended == status, f"\"{command}\" ended with {ended}:\n{job.transcript()}")
        return job.out

    def bind_by_hand(self, nic):
        """To vfio-pci, through sysfs alone."""
        self.run(f"cd /sys/bus/pci/devices/{nic}; echo vfio-pci > driver_override; echo {nic} > driver/unbind; "
                 f"echo {nic} > /sys/bus/pci/drivers_probe")
        check(self.driver(nic) == "vfio-pci", f"{nic} is not bound to vfio-pci")

    def kill_all(self):
        """Ends what a failed test has left running, so that the next one starts from nothing."""
        for job in list(self.jobs.values()):
            if job.status is None:
                job.kill()
                job.wait()

    def driver(self, nic):
        """The name of the kernel driver that has the device, or None."""
        return self.run(f"basename $(readlink /sys/bus/pci/devices/{nic}/driver || echo none)").strip()


class Traffic:
    """The generator at the other end of the wires (traffic.c)."""

    def __init__(self, program, wires):
        self.process = subprocess.Popen([program, *wires], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()

    def close(self):
        self.process.kill()
        self.process.wait()

    def _answer(self):
        line = self.process.stdout.readline()
        check(line, "the traffic generator ended")
        return json.loads(line)

    def _ask(self, command):
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Failed("the traffic generator ended") from None
        return self._answer()

    def start(self, **plan):
        return self._ask("start " + " ".join(f"{key}={value}" for key, value in plan.items()))

    def report(self):
        return self._ask("report")

    def stop(self):
        """Stops and says what became of all that was sent."""
        return self._ask("stop")

    def wait_received(self, count, timeout=PATIENCE):
        """Waits until this many frames of the run are back."""
        deadline = time.monotonic() + timeout
        while True:
            report = self.report()
            if report["received"] >= count:
                return report
            check(time.monotonic() < deadline, f"{count} frames were not back within {timeout} s: {report}")
            time.sleep(0.02)


def check_nothing_lost(report):
    wrong = {key: report[key] for key in ("lost", "duplicated", "reordered", "corrupt", "misdirected") if report[key]}
    check(not wrong, f"traffic suffered {wrong}: {report}")


def is_alive(guest):
    """Whether the guest still answers and the clock of each of its processors ticks, which has nothing to do with the
    program under test: a processor that lost its timer leaves whoever sleeps there, in the kernel too, asleep for ever."""
    try:
        guest.run("for cpu in $(grep -o '^cpu[0-9]\\+' /proc/stat | cut -c4-); do taskset -c $cpu sleep 1 || exit 1; done",
                  timeout=30)
        return True
    except Failed:
        return False


def run_tests(guest, tests):
    """How many failed; None if the guest froze, as emulated processors on a busy host do now and then. One that is gone (a
    kernel panic ends QEMU) has not frozen."""
    failures = 0
    for test in tests:
        began = time.monotonic()
        try:
            test(guest)
            log(f"ok: {test.__name__} ({time.monotonic() - began:.1f} s)")
        except Exception as why:  # whatever went wrong, the other tests still have something to say
            log(f"FAILED: {test.__name__}: {why}")
            if not isinstance(why, Failed):
                traceback.print_exc(file=sys.stdout)
            log("--- the guest's console\n" + guest.console())
            failures += 1
            if guest.gone:
                return failures
            if not is_alive(guest):
                return None
            log("--- where its processes are\n" + guest.run("ps; cat /proc/[0-9]*/stack", status=None))
            guest.kill_all()
    return failures


def main(*tests, **guest_options):
    """Runs each test in one guest; all of them again in another, twice at most, if the guest itself froze. A machine that
    lacks QEMU or the guest's kernel skips, but fails where CI is set."""
    for _ in range(3):
        try:
            guest = Guest(**guest_options)
        except Missing as what:
            log(f"cannot run: {what}")
            sys.exit(1 if os.environ.get("CI") else 77)
        except Failed as why:
            log(f"FAILED: {why}")
            continue
        failures = run_tests(guest, tests)
        guest.close()
        if failures is not None:
            sys.exit(1 if failures else 0)
        log("the guest does not answer, or a clock of its has stopped: starting over in a new one")
    sys.exit(1)
