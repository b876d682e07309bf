# SPDX-License-Identifier: BSD-3-Clause
"""Threads and deferral of the instances of a NIC under vfio-pci, changed while traffic flows: no frame is lost or late, no
interrupt is left behind."""

from rig import check, check_nothing_lost, log, main
from testpmd import RING, Testpmd, bind

QUEUES = 4
FLOWS = 16
# In turn, each under traffic: what is set, and of which instances.
CHANGES = [
    "set port 0 defer-hard-irqs 2", "set port 0 gro-flush-timeout 200000",
    "set port 0 threaded 1", "set napi 0 1 threaded 2", "set napi 0 2 threaded 0", "set napi 0 all threaded 2",
    "set port 0 gro-flush-timeout 20000", "set napi 0 3 threaded 1", "set port 0 threaded 0",
    "set napi 0 0 gro-flush-timeout 2000000", "set napi 0 0 threaded 1", "set port 0 defer-hard-irqs 0",
    "set napi 0 all threaded 1", "set napi 0 all threaded 0",
]
ROUNDS = 3


def changing(guest):
    testpmd = Testpmd(guest, QUEUES, "interrupt")
    testpmd.start()
    guest.traffic.start(flows=FLOWS, window=RING // 2 // FLOWS, dst=guest.macs[0], macs="same")
    for change in ROUNDS * CHANGES:
        testpmd.command(change)
        report = guest.traffic.report()
        guest.traffic.wait_received(report["received"] + RING)
    report = guest.traffic.stop()
    log(f"{ROUNDS * len(CHANGES)} changes: {report}")
    check_nothing_lost(report)
    for instance in testpmd.quit()["ports"][0]["napis"]:
        log(f"    {instance}")
        check(instance["work"] > 0, f"queue {instance['rx_queues']} got no traffic")
        check(instance["interrupts"] > 0, f"no interrupt was taken: {instance}")


def threads(guest):
    """What the kernel shows of a thread: its name, and that an idle one sleeps."""
    testpmd = Testpmd(guest, 1, "interrupt")
    testpmd.start()
    testpmd.command("set port 0 threaded 1")
    testpmd.command("set port 0 defer-hard-irqs 3")
    testpmd.command("set port 0 gro-flush-timeout 100000")
    guest.traffic.start(flows=1, window=RING // 4, dst=guest.macs[0], macs="same")
    guest.traffic.wait_received(4 * RING)
    check_nothing_lost(guest.traffic.stop())
    names = guest.run("cat /proc/$(pidof unapi-testpmd)/task/*/comm").split()
    check(any(name.startswith("napi/") for name in names), f"no such thread: {names}")
    final = testpmd.quit()["ports"][0]["napis"][0]
    log(f"    {final}")
    check(final["context"] == final["name"], f"it was not polled by its thread at the end: {final}")


main(bind, changing, threads)
