# SPDX-License-Identifier: BSD-3-Clause
"""Does the traffic generator see what goes wrong on a wire? A wire of Python echoes every frame but one, to which it does
something; the report has to name just that."""

import os
import pathlib
import socket
import sys
import tempfile
import threading

from rig import PATIENCE, Traffic, check, log

VICTIM = 300  # the frame that something happens to
FAULTS = ("lost", "duplicated", "reordered", "corrupt", "misdirected")


def read_exactly(wire, size):
    data = b""
    while len(data) < size:
        part = wire.recv(size - len(data))
        if not part:
            raise ConnectionError
        data += part
    return data


sending = threading.Lock()  # a frame must not be cut by another


def send(wire, frames):
    with sending:
        wire.sendall(frames)


def echo(wire, other, fault, passed):
    """Sends back what comes, until the generator ends; says when it has gone well past the victim."""
    count, held = 0, b""
    try:
        while True:
            size = read_exactly(wire, 4)
            frame = size + read_exactly(wire, int.from_bytes(size, "big"))
            count += 1
            if count == 2 * VICTIM:
                passed.set()
            if held and frame[4 + 26:4 + 38] == held[4 + 26:4 + 38]:  # the next one of the same flow: same addresses
                frame, held = frame + held, b""
            if count == VICTIM:
                if fault == "lost":
                    continue
                if fault == "duplicated":
                    frame *= 2
                if fault == "corrupt":
                    frame = frame[:-1] + bytes([frame[-1] ^ 1])
                if fault == "misdirected":
                    send(other, frame)
                    continue
                if fault == "reordered":
                    held = frame
                    continue
            send(wire, frame)
    except OSError:
        pass


def report_of(fault):
    with tempfile.TemporaryDirectory() as work:
        paths = [pathlib.Path(work) / f"wire{n}" for n in range(2)]
        traffic = Traffic(pathlib.Path(os.environ["UNAPI_BUILD"]) / "tests" / "vm" / "vm-traffic", paths)
        try:
            wires = [socket.socket(socket.AF_UNIX) for _ in paths]
            for wire, path in zip(wires, paths):
                wire.connect(str(path))
            passed = [threading.Event(), threading.Event()]
            for n in range(2):
                threading.Thread(target=echo, args=(wires[n], wires[1 - n], fault if n == 0 else None, passed[n]),
                                 daemon=True).start()
            traffic.start(flows=4, window=16, macs="same")
            for event in passed:
                check(event.wait(PATIENCE), "no traffic on a wire")
            return traffic.stop()
        finally:
            traffic.close()


failed = False
for fault in ("none", *FAULTS):
    report = report_of(fault)
    # A frame whose content is wrong is not the one that was sent: that one is lost.
    expected = {name: int(name == fault or (fault, name) == ("corrupt", "lost")) for name in FAULTS}
    if fault == "misdirected":
        del expected["reordered"]  # the two wires keep no order between them
    seen = {name: report[name] for name in expected}
    log(f"{fault}: {seen}")
    try:
        check(seen == expected, f"with {fault} on the wire: {report}")
        check(report["sent"] == report["received"] + report["lost"], f"the counts do not add up: {report}")
    except Exception as why:
        failed = True
        log(f"FAILED: {why}")
sys.exit(failed)
