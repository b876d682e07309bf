# SPDX-License-Identifier: BSD-3-Clause
"""Channels of one direction and several queues on one instance on QEMU's igb: each has its vector, gets its interrupts and
serves its queues; and a vector's interrupt goes to the CPU that it is told."""

import re

from rig import PATIENCE, check, log, main
from testpmd import Testpmd, bind, forward


def interrupts(guest):
    """Vector to the counts of each CPU, and its number, from the kernel's own table."""
    table = guest.run("cat /proc/interrupts")
    cpus = len(table.split("\n", 1)[0].split())
    found = {}
    for number, counts, vector in re.findall(r"^ *(\d+):((?: +\d+)+) .*vfio-msix\[(\d+)\]\(" + re.escape(guest.nics[0]) + r"\)",
                                             table, re.M):
        found[int(vector)] = int(number), [int(n) for n in counts.split()][:cpus]
    return found


def shape(name, queues, options, expected):
    """@expected: the receive and transmit queues of each instance."""
    def test(guest):
        for mode in ("interrupt", "busy"):
            testpmd = Testpmd(guest, queues, mode, options=options)
            info = testpmd.command("show port info 0")
            for i, (rx, tx) in enumerate(expected):
                words = [",".join(map(str, q)) or "none" for q in (rx, tx)]
                line = f"NAPI instance {i}: RX queues {words[0]}, TX queues {words[1]}, vector {i + 1}, interrupt "
                check(line in info, f"\"{line}\" in {info}")
            testpmd.start()
            before = {vector: sum(counts) for vector, (_, counts) in interrupts(guest).items()}
            check(sorted(before) == list(range(len(expected) + 1)), f"a vector each, and one for the link: {before}")
            quiet = testpmd.next_stats()["ports"][0]["napis"]
            report = forward(guest, 20000)
            busy = testpmd.next_stats()["ports"][0]["napis"]
            after = {vector: sum(counts) for vector, (_, counts) in interrupts(guest).items()}
            check(testpmd.command("set poll-mode 0 all interrupt").count("poll mode interrupt") >= len(expected), "switched")
            more = forward(guest, 5000)
            port = testpmd.quit()["ports"][0]
            log(f"{name}, {mode}: {report}, then {more}; vectors {before} -> {after}")
            check([(n["rx_queues"], n["tx_queues"]) for n in port["napis"]] == expected, f"{port['napis']}")
            for i, napi in enumerate(port["napis"]):
                log(f"    {napi}")
                check((napi["work"] > 0) == bool(napi["rx_queues"]), f"only who receives has packets: {napi}")
                check(napi["completions"] > 0, f"it completes: {napi}")
                taken = busy[i]["interrupts"] - quiet[i]["interrupts"]
                # Of those that fire, busy poll takes only what comes before its first look at them masks the vector. By
                # interrupts there may be few too: traffic that does not cease is polled on.
                check(taken > 2 if mode == "interrupt" else taken <= 5, f"{taken} interrupts of vector {i + 1}, {mode}")
                check((napi["handovers"] > 0) == (mode == "busy"), f"an application had it in busy mode, and let go: {napi}")
                check(after[i + 1] - before[i + 1] >= taken, f"its own vector's: {before} -> {after}")
            check(sum(n["work"] for n in port["napis"]) >= report["received"] + more["received"], "all by these instances")

    test.__name__ = name
    return test


def affinity(guest):
    testpmd = Testpmd(guest, 2, options="--combined 1 --rx-only 1 --tx-only 1")
    testpmd.start()
    for cpu in (1, 0):
        for instance in range(3):
            said = testpmd.command(f"set napi 0 {instance} affinity {cpu}")
            number = interrupts(guest)[instance + 1][0]
            check(f"Port 0 napi {instance}: interrupt {number} on CPUs {cpu}" in said, said)
            told = guest.run(f"cat /proc/irq/{number}/smp_affinity_list").strip()
            check(told == str(cpu), f"the kernel says {told}, not {cpu}")
        # A change may take effect at the next interrupt, which may still come where they came before.
        forward(guest, 1000)
        before = interrupts(guest)
        forward(guest, 2000)
        after = interrupts(guest)
        for vector in (1, 2, 3):
            grown = [b - a for a, b in zip(before[vector][1], after[vector][1])]
            log(f"vector {vector}, to go to CPU {cpu}: {grown}")
            check(grown[cpu] > 0 and grown[1 - cpu] == 0, f"vector {vector} went to {grown}, not to CPU {cpu}")
            check(f"interrupt {after[vector][0]} on CPUs {cpu} (now {cpu})" in testpmd.command("show port info 0"), "shown")
    check(testpmd.command("set napi 0 all affinity 0-1").count("on CPUs 0-1") == 3, "both")
    testpmd.command("set napi 0 all affinity 2")
    # What it complains of comes by another way than the prompt.
    guest.wait_until(lambda: testpmd.job.err.count("CPU 2 is not online") == 3, PATIENCE, "three refusals", testpmd.job)
    testpmd.errors_at_start = len(testpmd.job.err)
    testpmd.quit()


def affinity_by_an_ordinary_user(guest):
    """It is told where the interrupt goes, and why it cannot say where."""
    nic = guest.nics[0]
    group = guest.run(f"basename $(readlink /sys/bus/pci/devices/{nic}/iommu_group)").strip()
    guest.run(f"echo user:x:1000:1000::/:/bin/sh >> /etc/passwd; chown 1000 /dev/vfio/{group}")
    commands = "show port info 0\\nset napi 0 0 affinity 0\\nquit\\n"
    job = guest.spawn(f"printf '{commands}' | su user -c 'unapi-testpmd -l 0-1 -a {nic} -- -i --rxd 64 --txd 64'")
    check(job.wait() == 0 and re.search(r"vector 1, interrupt \d+ on CPUs 0-1", job.out), job.transcript())
    check(re.search(r"smp_affinity_list: Permission denied \(root may\)", job.err), job.transcript())
    guest.run(f"chown 0 /dev/vfio/{group}")


def more_than_vectors(guest):
    job = guest.spawn(f"unapi-testpmd -l 0-1 -a {guest.nics[0]} -- --rx-only 5 --tx-only 5")
    check(job.wait() == 1 and "interrupt vectors for 9" in job.err, job.transcript())


main(bind, shape("one of each kind", 2, "--combined 1 --rx-only 1 --tx-only 1", [([0], [0]), ([1], []), ([], [1])]),
     shape("four queues over two instances", 4, "--combined 2", [([0, 2], [0, 2]), ([1, 3], [1, 3])]),
     shape("four queues on one instance", 4, "--combined 1", [([0, 1, 2, 3], [0, 1, 2, 3])]),
     shape("apart", 4, "--rx-only 4 --tx-only 4", [([q], []) for q in range(4)] + [([], [q]) for q in range(4)]),
     affinity, affinity_by_an_ordinary_user, more_than_vectors)
