# SPDX-License-Identifier: BSD-3-Clause
"""Every change from one poll mode to another while traffic flows: no frame is lost or late, no interrupt is left behind.
Traffic has to flow in every mode, so a switch that strands a queue cannot go unseen."""

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from poll_modes import all_pairs  # noqa: E402
from rig import check, check_nothing_lost, log, main  # noqa: E402
from testpmd import RING, Testpmd, bind  # noqa: E402

QUEUES = 4
FLOWS = 16


def switching(guest):
    testpmd = Testpmd(guest, QUEUES, "interrupt")
    testpmd.start()
    guest.traffic.start(flows=FLOWS, window=RING // 2 // FLOWS, dst=guest.macs[0], macs="same")
    walk = all_pairs()
    for n, mode in enumerate(walk):
        # All queues at once, and now and then each for itself: the others then run on in the mode that they have.
        for queue in range(QUEUES) if n % 10 >= 8 else ["all"]:
            testpmd.command(f"set poll-mode 0 {queue} {mode}")
        report = guest.traffic.report()
        guest.traffic.wait_received(report["received"] + 2 * RING)
    report = guest.traffic.stop()
    log(f"{len(walk)} switches: {report}")
    check_nothing_lost(report)
    instances = testpmd.quit()["ports"][0]["napis"]
    for instance in instances:
        log(f"    {instance}")
        check(instance["work"] > 0, f"queue {instance['rx_queues']} got no traffic")
        check(instance["interrupts"] > 10, f"modes with interrupts took none: {instance}")
        check(instance["polls"] > instance["interrupts"], f"busy poll did not poll: {instance}")
        check(all(instance["polls_by"][cause] > 0 for cause in ("interrupt", "timer", "application", "thread")),
              f"not every kind of poller polled: {instance}")
        check(instance["suspends"] > 0, f"mode suspend suspended nothing: {instance}")


main(bind, switching)
