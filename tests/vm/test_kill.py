# SPDX-License-Identifier: BSD-3-Clause
"""testpmd killed in the midst of traffic, and started again, 20 times: the kernel takes the device back, and the next one
finds it in a state that it can work with, with nothing left over in memory."""

import time

from rig import PATIENCE, check, log, main
from testpmd import RING, Testpmd, bind, forward

KILLS = 20
SLACK = 48 * 1024  # kB: what is available swings by up to 44 MB from one round to another, without a trend
QUEUES = 4
FLOWS = 16


def available_memory(guest):
    """In kB."""
    guest.run("echo 3 > /proc/sys/vm/drop_caches")
    return int(guest.run("sed -n 's/MemAvailable: *\\([0-9]*\\).*/\\1/p' /proc/meminfo"))


def wait_for_memory(guest, wanted):
    """The kernel takes a killed process apart after it is gone from sight, pinned pages last."""
    deadline = time.monotonic() + PATIENCE
    while (available := available_memory(guest)) < wanted:
        check(time.monotonic() < deadline, f"{wanted - available} kB did not come back")
    return available


def kill_and_restart(guest):
    at_first = available_memory(guest)
    for n in range(KILLS):
        began = time.monotonic()
        testpmd = Testpmd(guest, QUEUES, "busy" if n % 2 else "interrupt")
        prompt = time.monotonic() - began
        testpmd.start()
        # First all is well, after whatever the one before left in the device; then comes the kill, traffic flowing.
        report = forward(guest, 2000)
        guest.traffic.start(flows=FLOWS, window=RING // 2 // FLOWS, dst=guest.macs[0])
        guest.traffic.wait_received(2000)
        testpmd.job.kill()
        check(testpmd.job.wait() == -9, "it was not the kill that ended it: " + testpmd.job.transcript())
        guest.traffic.stop()  # what was under way is lost, and no matter
        check(guest.run("pidof unapi-testpmd", status=None) == "", "a process is left")
        # A leak of one queue's buffers in each round would come to 80 MB.
        available = wait_for_memory(guest, at_first - SLACK)
        log(f"{n}: prompt after {prompt:.2f} s, {report['received']} frames, {available} of {at_first} kB")


main(bind, kill_and_restart)
