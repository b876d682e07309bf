# SPDX-License-Identifier: BSD-3-Clause
"""unapi-testpmd in a guest, driven at its prompt, its figures read from the JSON file that it writes."""

import json
import re
import time

from rig import PATIENCE, check, check_nothing_lost

PROMPT = r"testpmd> ?"
# What may be under way on all flows together: half a ring, so that no queue can overflow, however flows fall on queues.
RING = 512


def bind(guest):
    """All the guest's NICs to vfio-pci, as a user would."""
    guest.run("unapi-devbind --bind=vfio-pci " + " ".join(guest.nics))


class Testpmd:
    started = 0  # each one writes a file of its own

    def __init__(self, guest, queues=1, mode="interrupt", forward="io", options=""):
        Testpmd.started += 1
        self.guest = guest
        self.stats_file = f"/tmp/stats{Testpmd.started}"
        devices = " ".join(f"-a {nic}" for nic in guest.nics)
        self.job = guest.spawn(f"exec unapi-testpmd -l 0-1 {devices} -- --interactive --forward-mode={forward} "
                               f"--rxq {queues} --txq {queues} --rxd {RING} --txd {RING} --poll-mode={mode} "
                               f"--stats-period 1 --stats-json {self.stats_file} {options}")
        self.job.wait_for(PROMPT)
        self.errors_at_start = len(self.job.err)

    def command(self, line):
        """What the command prints, up to the next prompt."""
        before = self.job.seen
        self.job.write(line + "\n")
        end = self.job.wait_for(PROMPT)
        return self.job.out[before:end.start()]

    def start(self):
        """Forwards, with every link up."""
        self.command("start")
        for port in range(len(self.guest.nics)):
            deadline = time.monotonic() + PATIENCE
            while not re.search(r"Link status: up", self.command(f"show port info {port}")):
                check(time.monotonic() < deadline, f"port {port} has no link: " + self.command(f"show port info {port}"))

    def quit(self):
        """Ends it as a user would, and returns the final figures."""
        self.job.write("quit\n")
        check(self.job.wait() == 0, "testpmd did not end well: " + self.job.transcript())
        errors = self.job.err[self.errors_at_start:]
        check(not errors, f"testpmd had something to complain of: {errors}")
        return self.stats()[-1]

    def next_stats(self):
        """The figures of the next period."""
        seen = len(self.stats())
        deadline = time.monotonic() + PATIENCE
        while len(stats := self.stats()) == seen:
            check(time.monotonic() < deadline, "testpmd writes no figures")
            time.sleep(0.1)
        return stats[-1]

    def stats(self):
        """What the JSON file holds, one object for each period, the final one last once testpmd has ended."""
        return [json.loads(line) for line in self.guest.run(f"cat {self.stats_file}").splitlines()]


def forward(guest, count, flows=16, **plan):
    """Sends at least so many frames to the guest and takes them back; returns the traffic's report."""
    guest.traffic.start(flows=flows, window=RING // 2 // flows, dst=guest.macs[0], macs="same", **plan)
    guest.traffic.wait_received(count)
    report = guest.traffic.stop()
    check_nothing_lost(report)
    return report
