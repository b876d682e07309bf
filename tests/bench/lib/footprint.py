# SPDX-License-Identifier: BSD-3-Clause
"""footprint: what unapi-testpmd and DPDK's testpmd take to be there, in one guest, on the same NIC, with the rings and
buffers that each takes if nothing is said."""
import os
import re
import statistics
import subprocess
import tempfile
import time

from lib import guest as vm
from lib.common import run
from lib.guest import rig

RUNS = 3
HUGEPAGE_MB = 2
HUGEPAGES = 512


def launched(guest, command):
    """Runs it; the job, and seconds to its prompt."""
    began = time.monotonic()
    job = guest.spawn("exec " + command)
    job.wait_for(vm.PROMPT, vm.PATIENCE)
    return job, time.monotonic() - began


def to_forwarding(guest, command):
    """Seconds until the first packet is back, of a stream that runs all the time."""
    # What is sent before is lost, and is to fit into the windows.
    guest.traffic.start(flows=64, window=512, dst=guest.macs[0], macs="any", size=60, rate=1000)
    began = time.monotonic()
    job = guest.spawn("exec " + command)
    guest.traffic.wait_received(1, vm.PATIENCE)
    took = time.monotonic() - began
    guest.traffic.stop()
    leave(job)
    return took


def leave(job):
    job.write("quit\n")
    rig.check(job.wait(vm.PATIENCE) == 0, f"it did not end well: {job.transcript()}")


def nothing(guest):
    """Seconds that the rig itself takes to start a program and hear of it."""
    began = time.monotonic()
    guest.spawn("exec echo there").wait_for("there")
    return time.monotonic() - began


def residents(guest, job):
    """Of the program at its prompt: memory, hugepages, and the shared objects that it has mapped."""
    # The first process that has its command line; the rig starts it by exec.
    name = job.command.split()[1]
    pid = guest.run(f"pidof {os.path.basename(name)}").split()[0]
    status = guest.run(f"cat /proc/{pid}/status")
    pages = re.search(r"HugePages_Free: *(\d+)", guest.run("cat /proc/meminfo"))[1]
    objects = set(re.findall(r"(/\S+\.so[.\d]*)$", guest.run(f"cat /proc/{pid}/maps"), re.M))
    sizes = guest.run("stat -L -c %s " + " ".join(sorted(objects))).split()
    return {"resident_mb": int(re.search(r"VmRSS:\s*(\d+)", status)[1]) / 1024,
            "hugepages_mb": (HUGEPAGES - int(pages)) * HUGEPAGE_MB,
            "shared_objects": len(objects), "shared_objects_mb": sum(map(int, sizes)) / 1e6}


def measured(guest, command, more):
    starts, forwards, found = [], [], {}
    for _ in range(RUNS):
        job, took = launched(guest, command)
        starts.append(took)
        found = residents(guest, job)
        leave(job)
        forwards.append(to_forwarding(guest, command + more))
    rig.log(f"{command.split()[0]}: {starts} {forwards}")
    return {"start_s": statistics.median(starts), "first_packet_s": statistics.median(forwards), **found}


def installed(build):
    """MB and packages. Of unapi, all that runs: neither headers nor what is to be linked statically."""
    with tempfile.TemporaryDirectory() as directory:
        run(["meson", "install", "-C", build.path, "--no-rebuild", "--quiet", "--strip", "--destdir", directory])
        ours = sum(os.path.getsize(os.path.join(path, name)) for path, _, names in os.walk(directory) for name in names
                   if not name.endswith((".h", ".a", ".pc")) and not os.path.islink(os.path.join(path, name)))
    listing = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package} ${source:Package} ${Installed-Size}\n"],
                             capture_output=True, text=True, check=True).stdout
    theirs = [int(size) for size in re.findall(r"^ii +(?!\S+-(?:dev|doc) )\S+ dpdk (\d+)$", listing, re.M)]
    return ours / 1e6, sum(theirs) * 1024 / 1e6, len(theirs)


def rows(build):
    guest = vm.start(build, vm.dpdk_files(), hugepages=HUGEPAGES)
    nic = guest.nics[0]
    guest.run("mkdir -p /var/run")  # DPDK wants it
    own = statistics.median(nothing(guest) for _ in range(RUNS))
    rig.log(f"of all times {own:.3f} s are the rig's, and not counted")
    ours = measured(guest, f"unapi-testpmd -l 0-1 -a {nic} -- -i", " --auto-start")
    its = measured(guest, f"{vm.DPDK} -l 0-1 -a {nic} -- -i", " --auto-start")
    guest.close()
    for found in (ours, its):
        found["start_s"] -= own
        found["first_packet_s"] -= own
    ours["installed_mb"], its["installed_mb"], its["packages"] = installed(build)
    ours["packages"] = 1
    for what in its:
        yield {"bench": "footprint", "driver": "igb", "what": what, "dpdk": round(its[what], 3), "unapi": round(ours[what], 3),
               "ratio": round(ours[what] / its[what], 4)}
