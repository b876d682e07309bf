# SPDX-License-Identifier: BSD-3-Clause
"""The virtual machine of the tests, for benchmarks: QEMU's igb under vfio-pci, with unapi-testpmd and, beside it, Debian's
unmodified testpmd of DPDK."""
import glob
import os
import re
import sys
import time

from lib.common import fail

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../vm"))

import rig  # noqa: E402

DPDK = "/usr/bin/dpdk-testpmd"
# DPDK's drivers: these are all that the device and this use of it need; None is all that are installed.
FEW_PLUGINS = ("mempool_ring", "net_e1000")
PROMPT = "testpmd> ?"
PATIENCE = 3 * rig.PATIENCE


def dpdk_files(plugins=None):
    """What the guest needs of DPDK, links as links: it opens whatever lies in its directory of drivers."""
    if not os.access(DPDK, os.X_OK):
        fail(f"there is no {DPDK} to compare with: apt-get install dpdk")
    # The C library opens libgcc_s when a thread is cancelled.
    files = [DPDK, *glob.glob("/lib/*/libgcc_s.so.1")]
    if plugins is None:
        return files + sorted(glob.glob("/usr/lib/*/dpdk/pmds-*/*.so*"))
    for name in plugins:
        found = glob.glob(f"/usr/lib/*/dpdk/pmds-*/librte_{name}.so.*.*")
        if not found:
            fail(f"DPDK's librte_{name} is not installed: apt-get install librte-{name.replace('_', '-')}")
        files += found
    return files


def start(build, files, hugepages, bind=True, **options):
    """A guest with so many hugepages, its NIC bound to vfio-pci."""
    os.environ["UNAPI_BUILD"] = build.path
    rig.log = lambda text: print(text, file=sys.stderr)
    try:
        guest = rig.Guest(files=files, memory=2048, **options)
    except rig.Missing as what:
        fail(what)
    guest.run(f"echo {hugepages} > /proc/sys/vm/nr_hugepages")
    if bind:
        guest.run("unapi-devbind --bind=vfio-pci " + guest.nics[0])
    return guest


def until(condition, what):
    deadline = time.monotonic() + rig.PATIENCE
    while not condition():
        rig.check(time.monotonic() < deadline, f"{what}: not within {rig.PATIENCE} s")
        time.sleep(0.02)


class Testpmd:
    """Either of the two, at its prompt and with a link; both take the same commands. DPDK's prompt may come before what a
    command has printed, which is all there only when it has ended."""

    def __init__(self, guest, command):
        self.guest = guest
        self.job = guest.spawn("exec " + command)
        self.job.wait_for(PROMPT, PATIENCE)
        # The forwarding thread: lcore/N here, rte-worker-N or lcore-worker-N there.
        found = guest.run("for task in /proc/[0-9]*/task/*; do echo $task $(cat $task/comm); done", status=None)
        self.task = re.findall(r"^(\S+) (?:lcore/|rte-worker-|lcore-worker-)\d+$", found, re.M)[-1]
        self.tid = os.path.basename(self.task)
        if DPDK not in command:  # which waits before its prompt
            until(self._link_is_up, "no link")

    def _link_is_up(self):
        before = len(self.job.out)
        self.command("show port info 0")
        return "Link status: up" in self.job.out[before:]

    def command(self, line):
        self.job.write(line + "\n")
        self.job.wait_for(PROMPT, PATIENCE)

    def cpu(self):
        """The forwarding thread's time so far, in nanoseconds."""
        return int(self.guest.run(f"cat {self.task}/schedstat").split()[0])

    def cpu_of_all(self):
        lines = self.guest.run(f"cat {os.path.dirname(self.task)}/*/schedstat").splitlines()
        return sum(int(line.split()[0]) for line in lines)

    def quit(self):
        """Ends it; all that it has printed."""
        self.job.write("quit\n")
        ended = self.job.wait(PATIENCE)
        rig.check(ended == 0, f"it ended with {ended}: {self.job.transcript()}")
        return self.job.out
