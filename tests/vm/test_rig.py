# SPDX-License-Identifier: BSD-3-Clause
"""The rig by itself, with no unapi in it: commands, and frames echoed by a small program over the kernel's own igb. What
goes wrong here is not the driver's doing."""

import signal

from rig import check, check_nothing_lost, log, main


def commands(guest):
    check(guest.run("echo out; echo err >&2") == "out\n", "output and errors are told apart")
    guest.run("exit 3", status=3)
    job = guest.spawn("exec cat")
    job.write("one\n")
    job.wait_for("^one$")
    job.kill(signal.SIGTERM)
    check(job.wait() == -signal.SIGTERM, "the signal that ended a command is seen")
    check(len(guest.run("head -c 3000000 /dev/zero | tr '\\0' x")) == 3000000, "a long output arrives whole")


def iommu(guest):
    for nic in guest.nics:
        peers = guest.run(f"ls /sys/bus/pci/devices/{nic}/iommu_group/devices").split()
        check(peers == [nic], f"the NIC is alone in its IOMMU group, not with {peers}")
        check(guest.driver(nic) == "igb", "the kernel's igb has the NIC at first")


def echo_by_kernel(guest):
    names = [guest.run(f"ls /sys/bus/pci/devices/{nic}/net").strip() for nic in guest.nics]
    jobs = []
    for name in names:
        guest.run(f"ip link set {name} promisc on up")
        jobs.append(guest.spawn(f"exec /echo {name}"))
        jobs[-1].wait_for("echoing")
    for name in names:
        guest.run(f"until grep -qx 1 /sys/class/net/{name}/carrier; do usleep 50000; done")
    # One queue pair for each CPU and a ring of 256: half of it is the most that may be under way.
    guest.traffic.start(flows=16, window=8, macs="same")
    guest.traffic.wait_received(2000)
    report = guest.traffic.stop()
    log(f"echoed by the kernel's igb: {report}")
    check_nothing_lost(report)
    for job in jobs:
        job.kill()


main(commands, iommu, echo_by_kernel, nics=2)
