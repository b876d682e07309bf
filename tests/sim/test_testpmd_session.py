# SPDX-License-Identifier: BSD-3-Clause
"""testpmd without traffic: how it starts, is spoken to, and ends; bad input; what it leaves behind."""

import os
import pathlib
import re
import signal
import termios

from testpmd import Testpmd, alive, await_true, check, children, json_lines, main, run

NIC = "sim:igb,wire=loop"


def refused(args, about, status=1):
    pmd = run(*args, status=status)
    lines = pmd.errors.strip().split("\n")
    check(len(lines) == 1 and about in lines[0], f"{args}: one line about \"{about}\", not {pmd.errors!r}")


def help_and_version():
    for args in (["--help"], ["-h"], ["--", "--help"]):
        pmd = run(*args)
        check("--forward-mode" in pmd.output and not pmd.errors, f"{args}: {pmd.transcript()}")
    check(re.search(r"unapi-testpmd \d+\.\d+\.\d+", run("-v").output), "a version")


def bad_options(directory):
    refused([], "no device")
    refused(["-l", "0-", "-a", NIC], "0-")
    refused(["-l", "1000", "-a", NIC], "core 1000")
    refused(["-a", NIC, "--", "--nb-cores=200"], "--nb-cores 200")
    refused(["-a", NIC, "--", "--frobnicate"], "--frobnicate")
    refused(["-a", NIC, "--", f"--stats-json={directory}/none/x"], "none/x")
    refused(["-a", NIC, "--", f"--stats-json={directory}"], str(directory))


def bad_devices():
    refused(["-a", "nonsense"], "nonsense")
    refused(["-a", "9999:99:99.9"], "9999:99:99.9")
    refused(["-a", "vfio-user:/nowhere/at/all"], "/nowhere/at/all")
    check("e1000" in run("-a", "sim:e1000", status=1).errors, "the simulated NIC says what models there are")
    # A good one before it is given back.
    refused(["-a", NIC, "-a", "vfio-user:/nowhere"], "/nowhere")


def bad_counts():
    refused(["-a", NIC, "--", "--rxq=17"], "17")
    refused(["-a", NIC, "--", "--txq=17"], "17")
    refused(["-a", NIC, "--", "--rxd=8"], "8")
    refused(["-a", NIC, "--", "--txd=8192"], "8192")
    refused(["-a", NIC, "--", "--rxd=100"], "100")
    # Each stream needs a transmit queue.
    refused(["-a", NIC, "--", "--rxq=2", "--txq=1"], "--txq 2")


def too_few_tx_queues_at_the_prompt():
    pmd = Testpmd("-a", NIC, "--", "-i", "--rxq=2", "--txq=1").ready()
    pmd.command("start")
    pmd.wait_for("--txq 2", errors=True)
    pmd.command("set fwd rxonly")
    check("rxonly packet forwarding" in pmd.command("start"), "rxonly needs no transmit queue")
    check(pmd.quit() == 0, pmd.transcript())


def quit_and_end_of_input():
    pmd = run("-a", NIC, "--", "--interactive", stdin=b"quit\nshow port info all\n")
    check("Infos" not in pmd.output and "Bye..." in pmd.output, pmd.transcript())
    pmd = run("-a", NIC, "--", "--interactive", stdin=b"show port info all")
    check("Infos for port 0" in pmd.output and "Bye..." in pmd.output, pmd.transcript())
    run("-a", NIC, "--", "--interactive", stdin=b"")
    check(not run("-a", NIC, "--", "-i", stdin=b"start\n").errors.strip(), "no complaint")


def without_a_prompt():
    """Forwarding starts at once, and a newline or the end of the input ends it."""
    for stdin in (b"\n", b"", b"some words\n"):
        pmd = run("-a", NIC, stdin=stdin)
        check("start packet forwarding" in pmd.output and "Forward statistics for port 0" in pmd.output,
              pmd.transcript())


def signals():
    for number in (signal.SIGINT, signal.SIGTERM):
        for args in ([], ["--stats-period=1"], ["-i"], ["-i", "--auto-start", "--poll-mode=busy"]):
            pmd = Testpmd("-a", NIC, "--", *args)
            pmd.wait_for("testpmd> " if "-i" in args else
                         "nb forwarding cores" if "--stats-period=1" in args else "Press enter")
            pmd.sims = children(pmd.process.pid)
            check(len(pmd.sims) == 1, f"one simulated NIC: {pmd.sims}")
            pmd.signal(number)
            pmd.ended_well()
            check(f"Signal {int(number)} received" in pmd.output, pmd.transcript())


def killed():
    """Nothing is left when it has no chance to clean up."""
    pmd = Testpmd("-a", NIC, "-a", NIC, "--", "-i", "--auto-start").ready()
    check(len(pmd.sims) == 2, "two simulated NICs")
    pmd.signal(signal.SIGKILL)
    pmd.ended_well(-signal.SIGKILL)


def period_without_a_prompt():
    pmd = Testpmd("-a", NIC, "--", "--stats-period=1")
    pmd.wait_for("NIC statistics for port 0 ")
    pmd.wait_for("NIC statistics for port 0 ")
    pmd.signal(signal.SIGINT)
    pmd.ended_well()


def garbage():
    pmd = Testpmd("-a", NIC, "--", "-i").ready()
    pmd.write(bytes(range(256)) + b"\n" + b"\0" * 5000 + b"\n" + b"x" * 100000 + b"\n" + b"\xff\xfe show \x1b[A\n")
    for _ in range(5):  # one of the 256 bytes is a newline itself
        pmd.wait_for("testpmd> ")
    await_true(lambda: pmd.errors.count("\n") == 5, "a complaint about each of the five lines")
    check(pmd.errors.count("Line too long") == 2 and pmd.errors.count("Command not found") == 3, pmd.errors)
    for line in ("show", "show port", "show port info 7", "show port stats -1", "port start 9", "set burst 0",
                 "set burst 513", "set poll-mode 0 5 busy", "set poll-mode 7 all busy", "set promisc 3 on",
                 "clear port stats 44", "port close 1000000", "start now", "a b c d e f g h i j k l m n o p"):
        before = len(pmd.errors)
        pmd.command(line)
        await_true(lambda: pmd.errors.endswith("\n", before), f"a complaint about \"{line}\"")
        check(pmd.errors.count("\n", before) == 1, f"one line about \"{line}\": {pmd.errors[before:]!r}")
    check("Infos for port 0" in pmd.command("show port info 0"), "the session is unharmed")
    check(pmd.quit() == 0, pmd.transcript())


def shows():
    pmd = Testpmd("-a", NIC, "-a", NIC, "--", "-i", "--rxq=2", "--txq=2").ready()
    info = pmd.command("show port info all")
    for text in ("Infos for port 0 ", "Infos for port 1 ", "MAC address: ", "Driver name: igb",
                 "Promiscuous mode: enabled", "Current number of RX queues: 2", "Max possible RX queues: 16",
                 "Port state: started"):
        check(text in info, f"\"{text}\" in {info}")
    check(re.search(r"RX-packets: 0 +RX-missed: 0 +RX-bytes:  0", pmd.command("show port stats 1")), "counters")
    check(re.search(r"^\S.*: \d+$", pmd.command("show port xstats 0"), re.M), "extended statistics")
    napi = pmd.command("show napi").strip().split("\n")
    check(len(napi) == 5 and all("interrupt" in line for line in napi), f"four instances: {napi}")
    pmd.command("set promisc 0 off")
    check("Promiscuous mode: disabled" in pmd.command("show port info 0"), "promiscuous mode off")
    check("Promiscuous mode: enabled" in pmd.command("show port info 1"), "and on at the other port")
    help_text = pmd.command("help")
    check("set poll-mode PORT|all QUEUE|all interrupt|deferred|threaded|" in help_text, help_text)
    check("RX P=0/Q=1 -> TX P=1/Q=1" in pmd.command("start"), "queue 1 forwards to the other port's")
    pmd.command("start")
    pmd.wait_for("already started", errors=True)
    check("Accumulated forward statistics for all ports" in pmd.command("show fwd stats all"), "forward statistics")
    check("Done." in pmd.command("stop"), "stop")
    pmd.command("stop")
    pmd.wait_for("not started", errors=True)
    check(pmd.quit() == 0, pmd.transcript())


def channels():
    pmd = Testpmd("-a", NIC, "--", "-i", "--combined=1", "--rx-only=1", "--tx-only=1").ready()
    info = pmd.command("show port info 0")
    for text in ("Current number of RX queues: 2\n", "Current number of TX queues: 2\n",
                 "Channels: 1 combined, 1 RX, 1 TX (max 9 in all)\n",
                 "NAPI instance 0: RX queues 0, TX queues 0, vector 1, no interrupt of this machine\n",
                 "NAPI instance 1: RX queues 1, TX queues none, vector 2, ",
                 "NAPI instance 2: RX queues none, TX queues 1, vector 3, "):
        check(text in info, f"\"{text}\" in {info}")
    check(re.search("Port 0 queue 1: poll mode busy\nPort 0 TX queue 1: poll mode busy\n",
                    pmd.command("set poll-mode 0 all busy")), "an instance that transmits only is meant by all")
    for line, why in (("set napi 0 2 affinity 0", "no interrupts of this machine"),
                      ("set napi 0 0 affinity 1-0", "1-0 is no range"),
                      ("set napi 0 3 affinity 0", "Invalid NAPI instance 3")):
        pmd.command(line)
        pmd.wait_for(why, errors=True)
    check(pmd.quit() == 0, pmd.transcript())
    for options, why in ((["--rx-only=2"], "none would transmit"), (["--combined=17"], "16 rx and 16 tx"),
                         (["--rx-only=5", "--tx-only=5"], "interrupt vectors for 9"),
                         (["--combined=2", "--rxq=1"], "2 rx and 2 tx queues at least")):
        pmd = run("-a", NIC, "--", *options, status=1)
        check(why in pmd.errors, pmd.transcript())


def shared_instances():
    """The 82576 has ten vectors: with sixteen queue pairs some share an instance, and one mode."""
    pmd = Testpmd("-a", NIC, "--", "-i", "--rxq=16", "--txq=16").ready()
    napi = pmd.command("show napi").strip().split("\n")[1:]
    check(len(napi) == 9, f"nine instances: {napi}")
    queues = sorted(int(q) for line in napi for q in re.search(r"rx ([\d,]+)", line).group(1).split(","))
    check(queues == list(range(16)), f"every queue is served once: {queues}")
    said = pmd.command("set poll-mode 0 0 busy")
    check("one instance for queues" in said, said)
    check(sum("busy" in line for line in pmd.command("show napi").split("\n")) == 1, "one instance is busy")
    check(pmd.quit() == 0, pmd.transcript())


def port_commands():
    pmd = Testpmd("-a", NIC, "-a", NIC, "--", "-i", "--poll-mode=busy").ready()
    pmd.command("start")
    pmd.command("port stop 0")
    pmd.wait_for("stop forwarding", errors=True)
    pmd.command("stop")
    for _ in range(5):
        pmd.command("port stop all")
        check("Port state: stopped" in pmd.command("show port info 1"), "stopped")
        pmd.command("port start all")
        check("Port state: started" in pmd.command("show port info 1"), "started")
        pmd.command("port reset all")
    await_true(lambda: pmd.command("show napi").count("busy ") == 2, "busy mode after stop and start")
    pmd.command("port start 0")
    pmd.wait_for("Port 0 is now not stopped", errors=True)
    pmd.command("port close 1")
    await_true(lambda: not alive(pmd.sims[1]), "the closed port's NIC has ended")
    check(alive(pmd.sims[0]), "and the other has not")
    pmd.command("show port info 1")
    pmd.wait_for("Port 1 is closed", errors=True)
    check("TX P=0/Q=0" in pmd.command("start"), "the port that is left forwards to itself")
    pmd.command("stop")
    pmd.command("port close all")
    pmd.command("start")
    pmd.wait_for("no port to forward on", errors=True)
    check(pmd.quit() == 0, pmd.transcript())


def modes_without_traffic():
    pmd = Testpmd("-a", NIC, "--", "-i", "--rxq=4", "--txq=4").ready()
    for _ in range(20):
        said = pmd.command("set poll-mode 0 all busy")
        check(said.count("poll mode busy\n") == 4, said)
        said = pmd.command("set poll-mode all 2 interrupt")
        check(said == "Port 0 queue 2: poll mode interrupt\n", said)
        said = pmd.command("set poll-mode 0 all interrupt")
        check(said.count("poll mode interrupt\n") == 4, said)
    check(pmd.quit() == 0, pmd.transcript())


def napi_threads(pmd):
    tasks = pathlib.Path(f"/proc/{pmd.process.pid}/task").glob("*/comm")
    return sorted(name for name in (task.read_text().strip() for task in tasks) if name.startswith("napi/"))


def napi_settings():
    pmd = Testpmd("-a", NIC, "-a", NIC, "--", "-i", "--rxq=2", "--txq=2").ready()
    said = pmd.command("set port 0 gro-flush-timeout 20000")
    check(said == "Port 0: gro-flush-timeout 20000\n", said)
    said = pmd.command("set port all defer-hard-irqs 2")
    check(said == "Port 0: defer-hard-irqs 2\nPort 1: defer-hard-irqs 2\n", said)
    said = pmd.command("set napi 0 1 irq-suspend-timeout 7")
    check(said == "Port 0 napi 1: irq-suspend-timeout 7\n", said)
    pmd.command("set port 1 threaded 1")
    await_true(lambda: len(napi_threads(pmd)) == 2, "a thread for each instance of port 1")
    pmd.command("set napi 1 0 threaded 0")
    await_true(lambda: len(napi_threads(pmd)) == 1, "and one that is left")
    number = napi_threads(pmd)[0].split("-")[-1]  # napi/<ifc>-<id>
    said = pmd.command(f"set napi all {number} threaded 2")
    check(said == "Port 1 napi 1: threaded 2\n", said)
    pmd.wait_for(f"Invalid NAPI instance {number} of port 0", errors=True)
    check("custom->interrupt" in pmd.command("show napi"), "nobody asked for a mode with these settings")
    # Settings and ids are still there after stop and start, and closing is not held up.
    pmd.command("port stop 1")
    check(number not in pmd.command("show napi"), "no id while it is stopped")
    pmd.command("port start 1")
    check(number in pmd.command("show napi") and len(napi_threads(pmd)) == 1, "the same id, the same thread")
    for line, about in (("set port 0 defer-hard-irqs 2147483648", "2147483648"), ("set port 0 threaded 2", "not 2"),
                        ("set napi 0 0 threaded 3", "not 3"), ("set napi 0 9 threaded 1", "instance 9 of port 0"),
                        ("set napi 0 0 defer-hard-irqs 4294967295", "4294967295"), ("set port 2 threaded 1", "port 2")):
        before = len(pmd.errors)
        pmd.command(line)
        await_true(lambda: pmd.errors.endswith("\n", before), f"a complaint about \"{line}\"")
        check(about in pmd.errors[before:] and pmd.errors.count("\n", before) == 1, pmd.errors[before:])
    check(pmd.quit() == 0, pmd.transcript())


def threads_while_forwarding():
    """Streams come and go while instances have threads, or get and lose them."""
    pmd = Testpmd("-a", "sim:igb,wire=gen", "--", "-i", "--rxq=2", "--txq=2").ready()
    for turn in range(6):
        pmd.command(f"set fwd {'txonly' if turn % 4 == 3 else 'io'}")
        pmd.command(f"set napi 0 all threaded {turn % 3}")
        pmd.command("start")
        pmd.command(f"set napi 0 {turn % 2} threaded {(turn + 1) % 3}")
        await_true(lambda: re.search(r"TX-packets: [1-9]", pmd.command("show fwd stats all")), "traffic")
        check("Done." in pmd.command("stop"), "stop")
    pmd.command("set napi 0 all threaded 0")
    await_true(lambda: not napi_threads(pmd), "no thread is left")
    said = pmd.command("set poll-mode 0 all busy")
    check(said.count("poll mode busy\n") == 2, f"its lcore has the instances again: {said}")
    check(pmd.quit() == 0, pmd.transcript())


def removed_while_others_remain():
    pmd = Testpmd("-a", NIC, "-a", NIC, "--", "-i", "--auto-start").ready()
    os.kill(pmd.sims[0], signal.SIGKILL)
    pmd.wait_for(r"^Port 0 \(.*\) has been removed$")
    pmd.wait_for("Port 0 is closed", errors=True)
    napi = pmd.command("show napi")
    check(not re.search(r"^ +0 ", napi, re.M) and re.search(r"^ +1 ", napi, re.M), f"port 1 alone: {napi}")
    check("Forward statistics for port 1" in pmd.command("show fwd stats all"), "and it forwards")
    check(pmd.quit() == 0, pmd.transcript())


def last_one_removed():
    for args in (["-i", "--auto-start"], ["-i", "--auto-start", "--poll-mode=busy"], ["-i"], ["--stats-period=1"]):
        pmd = Testpmd("-a", NIC, "--", *args)
        pmd.wait_for("testpmd> " if "-i" in args else "NIC statistics")
        pmd.sims = children(pmd.process.pid)
        os.kill(pmd.sims[0], signal.SIGKILL)
        pmd.ended_well(1)
        check("No port is left" in pmd.errors, pmd.transcript())


def registers_gone():
    """The server is there, but its device is not: the next look at a register finds out."""
    pmd = Testpmd("-a", NIC, "--", "-i").ready()
    os.kill(pmd.sims[0], signal.SIGHUP)
    await_true(lambda: pmd.process.poll() is not None or pmd.write("show port stats 0\n") or
               "has been removed" in pmd.output, "the removal is noticed")
    pmd.ended_well(1)


def json_file(directory):
    path = directory / "stats"
    pmd = Testpmd("-a", NIC, "-a", NIC, "--", "-i", "--rxq=2", "--txq=2", "--stats-period=1", f"--stats-json={path}",
                  "--poll-mode=busy").ready()
    await_true(lambda: path.read_text().count("\n") >= 2, "two periods")
    pmd.command("port close 1")
    check(pmd.quit() == 0, pmd.transcript())
    objects = json_lines(path)
    check([o["final"] for o in objects] == [False] * (len(objects) - 1) + [True], "the last is the final one")
    times = [o["time_ns"] for o in objects]
    check(times == sorted(times) and objects[0]["period_s"] == 1, "time goes on")
    port = objects[0]["ports"][1]
    for key in ("rx_packets", "tx_packets", "rx_bytes", "tx_bytes", "drops", "rx_missed", "rx_errors", "tx_errors"):
        check(port[key] == 0, f"{key}: {port}")
    check([n["rx_queues"] for n in port["napis"]] == [[0], [1]], f"queues: {port}")
    for napi in port["napis"]:
        check(napi["mode_asked"] == "busy" and napi["id"] > 8192, f"{napi}")
        for key in ("interrupts", "schedules", "polls", "empty_polls", "work", "completions"):
            check(isinstance(napi[key], int), f"{key}: {napi}")
    cpu = [o["lcores"][0]["cpu_ns"] for o in objects]
    check(cpu[0] > 0 and cpu == sorted(cpu), f"CPU time: {cpu}")
    check(objects[-1]["ports"][1]["state"] == "closed" and "napis" not in objects[-1]["ports"][1], "port 1 is closed")


def json_to_a_full_disk():
    pmd = Testpmd("-a", NIC, "--", "-i", "--stats-period=1", "--stats-json=/dev/full").ready()
    pmd.wait_for("/dev/full: No space left on device", errors=True)
    check("Infos for port 0" in pmd.command("show port info 0"), "the session goes on")
    check(pmd.quit() == 1, pmd.transcript())
    check(pmd.errors.count("/dev/full") == 1, f"it is said once: {pmd.errors}")


def terminal():
    """Editing, completion and history on a terminal; the terminal is put back."""
    pmd = Testpmd("-a", NIC, "--", "-i", terminal=True)
    before = termios.tcgetattr(pmd.terminal)
    pmd.wait_for("testpmd> ")
    pmd.sims = children(pmd.process.pid)
    pmd.write("sh\tna\t\n")
    pmd.wait_for(r"port +napi +queues")
    pmd.wait_for("testpmd> ")
    pmd.write("show port \t")
    pmd.wait_for("info  stats  xstats")
    pmd.write("i\t0\n")
    pmd.wait_for("Infos for port 0")
    pmd.wait_for("testpmd> ")
    pmd.write("\x1b[A\n")  # up: the last command again
    pmd.wait_for("Infos for port 0")
    pmd.wait_for("testpmd> ")
    pmd.write("nonsense\x7f\x7f\x01\x0bshow fwd stats all\xff\n".encode("latin1"))
    pmd.wait_for("testpmd> ")
    pmd.write("\x03")  # ctrl-C is SIGINT, and that ends it
    # A session of its own has no controlling terminal to send it: do that.
    pmd.signal(signal.SIGINT)
    pmd.wait_for("Signal 2 received")
    pmd.wait_for("Bye")
    check(termios.tcgetattr(pmd.terminal)[3] == before[3], "the terminal's modes are as they were")
    pmd.ended_well()


main(help_and_version, bad_options, bad_devices, bad_counts, too_few_tx_queues_at_the_prompt, quit_and_end_of_input,
     without_a_prompt, signals, killed, period_without_a_prompt, garbage, shows, channels, shared_instances, port_commands,
     modes_without_traffic, napi_settings, threads_while_forwarding, removed_while_others_remain, last_one_removed,
     registers_gone, json_file, json_to_a_full_disk, terminal)
