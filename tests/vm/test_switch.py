# SPDX-License-Identifier: BSD-3-Clause
"""A hundred changes between interrupts and busy poll while traffic flows: no frame is lost or late, no interrupt is left
behind. Traffic has to flow in every mode, so a switch that strands a queue cannot go unseen."""

from rig import check, check_nothing_lost, log, main
from testpmd import RING, Testpmd, bind

SWITCHES = 100
QUEUES = 4
FLOWS = 16


def switching(guest):
    testpmd = Testpmd(guest, QUEUES, "interrupt")
    testpmd.start()
    guest.traffic.start(flows=FLOWS, window=RING // 2 // FLOWS, dst=guest.macs[0], macs="same")
    for n in range(SWITCHES):
        # All queues at once, and now and then each for itself: the others then run on in the mode that they have.
        mode = "busy" if n % 2 == 0 else "interrupt"
        for queue in range(QUEUES) if n % 10 >= 8 else ["all"]:
            testpmd.command(f"set poll-mode 0 {queue} {mode}")
        report = guest.traffic.report()
        guest.traffic.wait_received(report["received"] + 2 * RING)
    report = guest.traffic.stop()
    log(f"{SWITCHES} switches: {report}")
    check_nothing_lost(report)
    instances = testpmd.quit()["ports"][0]["napis"]
    for instance in instances:
        log(f"    {instance}")
        check(instance["work"] > 0, f"queue {instance['rx_queues']} got no traffic")
        check(instance["interrupts"] > SWITCHES // 10, f"interrupt mode took no interrupts: {instance}")
        check(instance["polls"] > instance["interrupts"], f"busy poll did not poll: {instance}")


main(bind, switching)
