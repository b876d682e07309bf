# SPDX-License-Identifier: BSD-3-Clause
"""testpmd under generated traffic: nothing may be lost, in any mode and across every change of mode."""

import itertools
import pathlib
import re
import signal
import time

from testpmd import (Testpmd, await_true, check, check_nothing_lost, drain, json_lines, main, sim_stats)


def generator(directory, name="nic", **options):
    """A simulated NIC with a traffic generator, and the file with its figures."""
    path = directory / name
    words = [f"{key.replace('_', '-')}={value}" for key, value in options.items()]
    return ",".join(["sim:igb", "wire=gen", f"stats={path}", "stats-ms=20", *words]), path


def moved(path):
    figures = sim_stats(path)
    return figures["rx"] if figures else 0


def await_packets(path, more=20000):
    """Until so many more have come back, through whatever is being changed meanwhile."""
    goal = moved(path) + more
    await_true(lambda: moved(path) >= goal, f"{more} more packets")


def queue_options(queues):
    return [f"--rxq={queues}", f"--txq={queues}"]


def both_ends_agree(port, figures):
    for key in ("rx_packets", "tx_packets"):
        check(port[key] == figures["tx"], f"{key} {port[key]}, the generator sent {figures['tx']}")
    for key in ("drops", "idle_drops", "rx_missed", "rx_errors", "tx_errors"):
        check(port[key] == 0, f"{key}: {port}")
    check(sum(n["work"] for n in port["napis"]) == figures["tx"], f"work: {port['napis']}")


def forward(directory, mode, queues, fwd, **options):
    nic, stats = generator(directory, f"nic-{mode}-{queues}-{fwd}", **options)
    report = directory / f"json-{mode}-{queues}-{fwd}"
    pmd = Testpmd("-a", nic, "--", "-i", "--auto-start", f"--poll-mode={mode}", f"--forward-mode={fwd}",
                  *queue_options(queues), f"--stats-json={report}").ready()
    await_packets(stats)
    figures, = drain(pmd, stats)
    check(pmd.quit() == 0, pmd.transcript())
    check_nothing_lost(figures)
    final = json_lines(report)[-1]
    both_ends_agree(final["ports"][0], figures)
    for napi in final["ports"][0]["napis"]:
        check(napi["work"] > 0, f"every queue got traffic: {napi}")
        check(napi["polls"] >= napi["work"] / 64, f"64 packets a poll at most: {napi}")
        if mode == "busy":
            check(napi["interrupts"] < 100, f"busy mode takes no interrupts: {napi}")
        else:
            check(napi["interrupts"] > 0 and napi["completions"] > 0, f"interrupts: {napi}")
    return pmd


def interrupt_mode(directory):
    for queues in (1, 4):
        forward(directory, "interrupt", queues, "io")


def busy_mode(directory):
    for queues in (1, 4):
        forward(directory, "busy", queues, "io")


def sixteen_queues(directory):
    """More queues than vectors: some share an instance."""
    for mode in ("interrupt", "busy"):
        forward(directory, mode, 16, "io")


def engines(directory):
    """The generator knows its frames by their payload, so whatever the addresses."""
    for fwd in ("mac", "macswap"):
        forward(directory, "interrupt", 1, fwd)


def channels(directory):
    """Channels of one direction, and several queues on one instance: each queue's packets are its instance's work."""
    shapes = {"each": (["--combined=1", "--rx-only=1", "--tx-only=1"], [([0], [0]), ([1], []), ([], [1])]),
              "apart": (["--rx-only=2", "--tx-only=2"], [([0], []), ([1], []), ([], [0]), ([], [1])]),
              "two": (["--rxq=4", "--txq=4", "--combined=2"], [([0, 2], [0, 2]), ([1, 3], [1, 3])]),
              "one": (["--rxq=4", "--txq=4", "--combined=1"], [([0, 1, 2, 3], [0, 1, 2, 3])])}
    for (name, (options, expected)), mode in itertools.product(shapes.items(), ("interrupt", "busy")):
        nic, stats = generator(directory, f"nic-{name}-{mode}")
        report = directory / f"json-{name}-{mode}"
        pmd = Testpmd("-a", nic, "--", "-i", "--auto-start", f"--poll-mode={mode}", *options,
                      f"--stats-json={report}").ready()
        await_packets(stats)
        for other in ("busy", "interrupt", mode):
            check(pmd.command(f"set poll-mode 0 all {other}").count(f"poll mode {other}") >= len(expected), "all of them")
            await_packets(stats, 2000)
        figures, = drain(pmd, stats)
        check(pmd.quit() == 0, pmd.transcript())
        check_nothing_lost(figures)
        port = json_lines(report)[-1]["ports"][0]
        both_ends_agree(port, figures)
        check([(n["rx_queues"], n["tx_queues"]) for n in port["napis"]] == expected, f"{name}: {port['napis']}")
        for napi in port["napis"]:
            check(napi["interrupts"] > 0 and napi["completions"] > 0, f"interrupts: {napi}")
            check((napi["work"] > 0) == bool(napi["rx_queues"]), f"only who receives has packets: {napi}")
            check(napi["work"] == sum(figures["rxq"][q] for q in napi["rx_queues"]), f"its queues' packets: {napi}")
        fired = figures["vectors"][1:]
        check(all(fired[:len(expected)]) and not any(fired[len(expected):]), f"a vector for each: {figures['vectors']}")


def large_frames(directory):
    forward(directory, "interrupt", 2, "io", size=1518)


def bursts(directory):
    for burst in (1, 7, 512):
        nic, stats = generator(directory, f"nic{burst}")
        pmd = Testpmd("-a", nic, "--", "-i", "--auto-start", f"--burst={burst}").ready()
        await_packets(stats)
        check(f"set to {burst + 1 if burst < 512 else 3}" in
              pmd.command(f"set burst {burst + 1 if burst < 512 else 3}"), "burst is changed under traffic")
        await_packets(stats)
        check_nothing_lost(drain(pmd, stats)[0])
        check(pmd.quit() == 0, pmd.transcript())


def mode_switches(directory):
    """Forty switches of all queues, then of single queues, while traffic flows."""
    nic, stats = generator(directory)
    report = directory / "json"
    pmd = Testpmd("-a", nic, "--", "-i", "--auto-start", *queue_options(4), f"--stats-json={report}").ready()
    await_packets(stats)
    for i in range(40):
        mode = ("busy", "interrupt")[i % 2]
        said = pmd.command(f"set poll-mode 0 all {mode}")
        check(said.count(f"poll mode {mode}\n") == 4, f"in force at once: {said}")
        await_packets(stats, 2000)
    for i in range(40):
        pmd.command(f"set poll-mode 0 {i % 4} {('busy', 'interrupt')[i // 4 % 2]}")
        await_packets(stats, 500)
    napi = pmd.command("show napi")
    figures, = drain(pmd, stats)
    check(pmd.quit() == 0, pmd.transcript())
    check_nothing_lost(figures)
    both_ends_agree(json_lines(report)[-1]["ports"][0], figures)
    print(napi)


def switches(pmd):
    """How often the main thread and the forwarding thread have been given the CPU. (A sanitizer has one of its own.)"""
    tasks = [task for task in pathlib.Path(f"/proc/{pmd.process.pid}/task").iterdir()
             if task.name == str(pmd.process.pid) or (task / "comm").read_text().startswith("lcore/")]
    check(len(tasks) == 2, f"two threads: {tasks}")
    return {task.name: re.findall(r"ctxt_switches:\s+(\d+)", (task / "status").read_text()) for task in tasks}


def sleeps_when_quiet(directory):
    """In interrupt mode nothing runs once the traffic has ceased, whatever modes there were before."""
    nic, stats = generator(directory)
    pmd = Testpmd("-a", nic, "--", "-i", "--auto-start").ready()
    await_packets(stats)
    pmd.command("set poll-mode 0 all busy")
    await_packets(stats)
    pmd.command("set poll-mode 0 all interrupt")
    await_packets(stats)
    check_nothing_lost(drain(pmd, stats)[0])
    before = switches(pmd)

    def quiet():
        nonlocal before
        time.sleep(3)  # longer than the housekeeping tick, of which two more may come
        last, before = before, switches(pmd)
        return last == before

    await_true(quiet, "three seconds in which no thread runs")
    check(pmd.quit() == 0, pmd.transcript())


def start_and_stop(directory):
    """What is on its way when forwarding stops is freed, and counted as that; then it goes on."""
    nic, stats = generator(directory)
    report = directory / "json"
    pmd = Testpmd("-a", nic, "--", "-i", "--auto-start", f"--stats-json={report}").ready()
    for i in range(5):
        await_packets(stats, 2000)
        out = pmd.command("stop")
        check("Forward statistics for port 0" in out and "Done." in out, out)
        pmd.command(f"set fwd {('macswap', 'io')[i % 2]}")
        pmd.command(f"set poll-mode 0 0 {('busy', 'interrupt')[i % 2]}")
        pmd.command("start")
    await_packets(stats, 2000)
    figures, = drain(pmd, stats)
    check(pmd.quit() == 0, pmd.transcript())
    port = json_lines(report)[-1]["ports"][0]
    check(port["rx_packets"] == figures["tx"] and port["tx_packets"] == figures["rx"], f"{port} {figures}")
    check(port["idle_drops"] + port["drops"] == figures["lost"], f"all losses are counted: {port} {figures}")


def keeps_until_start(directory):
    """What comes while nothing is forwarded waits in the ring, if that is asked for."""
    nic, stats = generator(directory)
    report = directory / "json"
    pmd = Testpmd("-a", nic, "--", "-i", "--no-flush-rx", "--poll-mode=busy", f"--stats-json={report}").ready()
    for i in range(5):
        pmd.command("start")
        await_packets(stats, 2000)
        pmd.command("stop")
    pmd.command("start")
    figures, = drain(pmd, stats)
    check(pmd.quit() == 0, pmd.transcript())
    check_nothing_lost(figures)
    both_ends_agree(json_lines(report)[-1]["ports"][0], figures)


def ports_under_traffic(directory):
    """Ports are stopped, started and reset while the generator goes on."""
    nic, stats = generator(directory)
    pmd = Testpmd("-a", nic, "--", "-i", "--auto-start", *queue_options(2)).ready()
    for i in range(6):
        await_packets(stats, 2000)
        pmd.command("stop")
        if i % 2:
            pmd.command("port reset 0")
        else:
            pmd.command("port stop 0")
            pmd.command("port start 0")
        pmd.command(f"set poll-mode 0 all {('busy', 'interrupt')[i % 2]}")
        pmd.command("clear port stats 0")
        pmd.command("start")
    await_packets(stats, 2000)
    figures, = drain(pmd, stats)
    check(not figures["corrupt"] and not figures["dma_faults"] and not figures["driver_errors"], f"{figures}")
    check(pmd.quit() == 0, pmd.transcript())


def signals_under_traffic(directory):
    for number in (signal.SIGINT, signal.SIGTERM):
        for mode in ("interrupt", "busy"):
            nic, stats = generator(directory, f"nic-{number}-{mode}")
            pmd = Testpmd("-a", nic, "--", "-i", "--auto-start", f"--poll-mode={mode}").ready()
            await_packets(stats)
            pmd.signal(number)
            pmd.ended_well()


def removal_under_traffic(directory):
    """Each of two ports gets what the other's generator made, until one port goes: then the other gets its own."""
    for mode in ("interrupt", "busy"):
        other, stats = generator(directory, f"other-{mode}")
        nic, _ = generator(directory, f"nic-{mode}", remove_after=500)
        pmd = Testpmd("-a", other, "-a", nic, "--", "-i", "--auto-start", f"--poll-mode={mode}").ready()
        pmd.wait_for(r"^Port 1 \(.*\) has been removed$")
        pmd.wait_for("Port 1 is closed", errors=True)
        await_packets(stats)
        check("Forward statistics for port 1" not in pmd.command("stop"), "port 1 takes no part any more")
        check(pmd.quit() == 0, pmd.transcript())


def counts_what_it_drops(directory):
    """rxonly against a generator that does not wait: each frame was received or missed."""
    nic, stats = generator(directory, count=200000, lossy=1)
    report = directory / "json"
    pmd = Testpmd("-a", nic, "--", "-i", "--auto-start", "--forward-mode=rxonly", f"--stats-json={report}").ready()
    figures = await_true(lambda: (s := sim_stats(stats)) and s["tx"] >= 200000 and s, "all are sent")
    await_true(lambda: (m := re.search(r"RX-packets: (\d+) +RX-missed: (\d+)", pmd.command("show port stats 0"))) and
               int(m.group(1)) + int(m.group(2)) == figures["tx"], "all are counted")
    check(pmd.quit() == 0, pmd.transcript())


def full_disk(directory):
    """Statistics that cannot be written do the traffic no harm."""
    nic, stats = generator(directory)
    pmd = Testpmd("-a", nic, "--", "-i", "--auto-start", "--stats-period=1", "--stats-json=/dev/full").ready()
    pmd.wait_for("No space left", errors=True)
    await_packets(stats)
    check_nothing_lost(drain(pmd, stats)[0])
    check(pmd.quit() == 1, pmd.transcript())


main(interrupt_mode, busy_mode, sixteen_queues, channels, engines, large_frames, bursts, mode_switches, sleeps_when_quiet,
     start_and_stop, keeps_until_start, ports_under_traffic, signals_under_traffic, removal_under_traffic,
     counts_what_it_drops, full_disk)
