# SPDX-License-Identifier: BSD-3-Clause
"""vm-forward: instructions a packet in a guest, on QEMU's igb under vfio-pci: those of unapi-testpmd and, in the same guest,
of DPDK's testpmd and of the kernel's own driver.

QEMU's clock counts instructions (-icount shift=0: each takes a nanosecond), so the guest's TSC does, and so does every
time that the guest's kernel accounts for.
"""
import re
import signal
import statistics
import time

from lib import guest as vm
from lib.guest import rig

RUNS = 5
RING = 4096
FLOWS = 8
WINDOW = (RING - 64) // FLOWS
FILLED = WINDOW * FLOWS
CHRT = "/usr/bin/chrt"
# Of each 50 ms a real-time thread gets so many, and who tells it to stop the rest. To empty the ring takes one or less.
RT_PERIOD_US, RT_RUNTIME_US = 50000, 40000
RATE = 1000
DEFER_IRQS, FLUSH_NS = 2, 2000000  # of the row "deferred"
SECONDS = 5  # how long this rate, or nothing at all, is watched
QUIET = 6    # no tick runs any more so many seconds after the last packet


def fill(guest):
    """Frames for the receive ring while nobody takes any."""
    guest.traffic.start(flows=FLOWS, window=WINDOW, dst=guest.macs[0], macs="any", size=60)
    vm.until(lambda: guest.traffic.report()["sent"] >= FILLED, "the frames were not sent")
    guest.traffic.stop()  # waits for a second: by then the device has written them


def back(guest):
    """Waits until they are all back, which is after their run."""
    vm.until(lambda: guest.traffic.report()["stale"] >= FILLED, "the ring was not forwarded")


def started(guest, command):
    """Its forwarding thread goes before all others on the guest's only processor: what they do, such as printing, is not to be
    in its time."""
    testpmd = vm.Testpmd(guest, command)
    guest.run(f"{CHRT} --fifo -p 50 {testpmd.tid}")
    return testpmd


def busy(guest, command, engine):
    """Of some full rings emptied by busy polling the median, by the program's own count."""
    testpmd = started(guest, command)
    testpmd.command("set record-core-cycles on")
    testpmd.command(f"set fwd {engine}")
    for _ in range(RUNS):
        fill(guest)
        testpmd.command("start")
        if engine == "rxonly":
            # DPDK prints no cycles without a packet that has come since start.
            time.sleep(0.2)
            guest.traffic.start(flows=1, window=1, dst=guest.macs[0], macs="any", size=60)
            guest.traffic.stop()
        else:
            back(guest)
        testpmd.command("stop")
    cycles = [int(each) for each in re.findall(r"(?:total|busy) cycles=(\d+)", testpmd.quit())]
    rig.check(len(cycles) == RUNS, f"{len(cycles)} figures of {RUNS} runs: {testpmd.job.transcript()}")
    each = [one / (FILLED + (engine == "rxonly")) for one in cycles]
    rig.log(f"{engine} {command.split()[0]}: {' '.join(f'{one:.2f}' for one in each)}")
    return statistics.median(each)


def at_once(guest, testpmd):
    """The same by interrupts: the forwarding thread's time. The program, asleep, is stopped while the ring fills."""
    figures = []
    for _ in range(RUNS):
        testpmd.job.kill(signal.SIGSTOP)
        vm.until(lambda: guest.run(f"grep State {testpmd.task}/status").split()[1] == "T", "it does not stop")
        fill(guest)
        rig.check(not guest.traffic.report()["stale"], "a stopped program forwarded")
        before = testpmd.cpu()
        testpmd.job.kill(signal.SIGCONT)
        back(guest)
        time.sleep(0.2)
        figures.append((testpmd.cpu() - before) / FILLED)
    rig.log(f"interrupts: {' '.join(f'{one:.2f}' for one in figures)}")
    return statistics.median(figures)


def looked_at(guest):
    """The guest's time, how much of it its processor was idle, and the NIC's interrupts; nanoseconds are instructions."""
    out = guest.run("grep -E 'now at|idle_sleeptime' /proc/timer_list; grep -E 'vfio-msi|eth[0-9]' /proc/interrupts", status=None)
    now, idle = (int(each) for each in re.findall(r"(\d+) nsecs", out))
    return now, idle, sum(int(each) for each in re.findall(r"^ *\d+: +(\d+)", out, re.M))


def watched(guest):
    """Over some seconds: instructions that were executed in all the guest, how long it was, and interrupts."""
    before = looked_at(guest)
    time.sleep(SECONDS)
    now, idle, irqs = (late - early for early, late in zip(before, looked_at(guest)))
    return now - idle, now, irqs


def trickle(guest, resting, window=1):
    """Instructions, less the guest's own at rest, and interrupts, for each of a trickle of packets. With a window of 1 each is
    sent when the one before is back, so that none meet on a host that is busy."""
    guest.traffic.start(flows=1, window=window, dst=guest.macs[0], macs="any", size=60, rate=RATE)
    guest.traffic.wait_received(RATE // 2)
    first = guest.traffic.report()["received"]
    insn, passed, irqs = watched(guest)
    insn -= resting * passed
    packets = guest.traffic.report()["received"] - first
    rig.check_nothing_lost(guest.traffic.stop())
    return insn / packets, irqs / packets


def sleeping(guest, testpmd):
    """Instructions a second of all the program's threads, when nothing has come for a while."""
    time.sleep(QUIET)
    before, began = testpmd.cpu_of_all(), looked_at(guest)[0]
    time.sleep(SECONDS)
    return (testpmd.cpu_of_all() - before) * 1e9 / (looked_at(guest)[0] - began)


def by_kernel(guest, resting):
    """The kernel's own driver, sending back from its poll."""
    nic = guest.nics[0]
    guest.run(f"unapi-devbind --bind=igb {nic}")
    name = guest.run(f"ls /sys/bus/pci/devices/{nic}/net").strip()
    guest.run(f"ip link set {name} promisc on up")
    job = guest.spawn(f"exec /xdp {name}")
    job.wait_for("sending back")
    guest.run(f"until grep -qx 1 /sys/class/net/{name}/carrier; do usleep 50000; done")
    time.sleep(2)
    return trickle(guest, resting)


def rows(build):
    guest = vm.start(build, [CHRT, *vm.dpdk_files(vm.FEW_PLUGINS)], hugepages=256, cpus=1,
                     options=["-icount", "shift=0,sleep=on"])
    guest.run(f"cd /proc/sys/kernel; echo {RT_RUNTIME_US} > sched_rt_runtime_us; echo {RT_PERIOD_US} > sched_rt_period_us")
    insn, passed, _ = watched(guest)
    resting = insn / passed
    nic, rings = guest.nics[0], f"--rxd={RING} --txd=512"
    dpdk = f"{vm.DPDK} --lcores '(0,1)@0' -a {nic} --in-memory -- -i --no-flush-rx --total-num-mbufs=16384 {rings}"
    unapi = f"unapi-testpmd -l 0 -a {nic} -- -i --no-flush-rx {rings}"
    for engine in ("rxonly", "io", "mac"):
        its, ours = busy(guest, dpdk, engine), busy(guest, unapi + " --poll-mode=busy", engine)
        yield {"bench": "vm-forward", "driver": "igb", "engine": engine, "mode": "busy", "insn_dpdk": round(its, 1),
               "insn": round(ours, 1), "ratio": round(ours / its, 3)}

    testpmd = started(guest, unapi)
    testpmd.command("start")
    insn = at_once(guest, testpmd)
    yield {"bench": "vm-forward", "driver": "igb", "engine": "io", "mode": "interrupt", "insn_dpdk": "none such",
           "insn": round(insn, 1), "ratio": "-"}
    found = {"unapi-testpmd, interrupt": trickle(guest, resting)}
    our_sleep = sleeping(guest, testpmd)
    testpmd.command(f"set port 0 defer-hard-irqs {DEFER_IRQS}")
    testpmd.command(f"set port 0 gro-flush-timeout {FLUSH_NS}")
    found["unapi-testpmd, deferred"] = trickle(guest, resting, window=64)
    testpmd.quit()
    testpmd = started(guest, dpdk)
    testpmd.command("start")
    found["DPDK testpmd"], its_sleep = trickle(guest, resting), sleeping(guest, testpmd)
    testpmd.quit()
    found["kernel igb, XDP_TX"] = by_kernel(guest, resting)
    for program, (insn, irqs) in found.items():
        yield {"bench": "vm-forward-trickle", "driver": "igb", "program": program, "pps": RATE, "insn": round(insn),
               "irqs_a_packet": round(irqs, 2)}
    for program, insn in (("unapi-testpmd, interrupt", our_sleep), ("DPDK testpmd", its_sleep)):
        yield {"bench": "vm-forward-idle", "driver": "igb", "program": program, "insn_a_second": round(insn)}
    guest.close()
