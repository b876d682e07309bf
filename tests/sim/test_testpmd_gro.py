# SPDX-License-Identifier: BSD-3-Clause
"""GRO as a user of testpmd has it: switched by a command, counted, and no super-packet sent to where it cannot go."""

import re
import struct

from test_testpmd_frames import HOST, checksum, wires
from testpmd import await_true, check, main

SIZE = 200
TRAIN = 12


def segment(number, size=SIZE, flags=0x10):
    """Number so many of a TCP stream: nothing asks to be delivered at once."""
    source, target = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
    tcp = struct.pack("!HHIIBBHHH", 4000, 80, number * SIZE, 1, 5 << 4, flags, 500, 0, 0) + bytes(size)
    tcp = tcp[:16] + struct.pack("!H", checksum(source + target + struct.pack("!HH", 6, len(tcp)) + tcp)) + tcp[18:]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), number & 0xffff, 0x4000, 64, 6, 0) + source + target
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return b"\2\0\0\0\0\1" + HOST + b"\x08\0" + head + tcp


def xstats(pmd, port):
    return {name: int(value) for name, value in
            re.findall(r"^(\w+): (\d+)$", pmd.command(f"show port xstats {port}"), re.M)}


def switch_and_count(directory):
    pmd, (left, _), _ = wires(directory, 2, "--forward-mode=rxonly")
    check("GRO: off" in pmd.command("show port info 0"), "off at first")
    # Its pools are too small, and making them anew would stop what runs.
    pmd.command("set port 0 gro on")
    pmd.wait_for("stop forwarding first", errors=True)
    check("GRO: off" in pmd.command("show port info 0"), "off still")
    pmd.command("stop")
    check("Port 0: GRO on" in pmd.command("set port 0 gro on"), "on")
    check("GRO: on" in pmd.command("show port info 0"), "shown")
    check("GRO: off" in pmd.command("show port info 1"), "of one port only")
    check("Port state: started" in pmd.command("show port info 0"), "started again")
    pmd.command("start")
    await_true(lambda: "Link status: up" in pmd.command("show port info 0"), "link")

    sent = 0

    def merged():
        nonlocal sent
        for _ in range(TRAIN):
            left.send(segment(sent))
            sent += 1
        await_true(lambda: xstats(pmd, 0)["rx_good_packets"] == sent, "all received")
        return xstats(pmd, 0)["rx_q0_gro_wire_packets"] >= 2

    await_true(merged, "segments merged")
    figures = xstats(pmd, 0)
    check(figures["rx_q0_gro_packets"] * 2 <= figures["rx_q0_gro_wire_packets"] <= sent, f"{figures}")
    check(figures["rx_missed_errors"] == figures["rx_errors"] == 0, "nothing lost")

    # Under traffic too, now that there is room.
    for word in ("off", "tcp", "udp", "off"):
        check(f"Port 0: GRO {word}" in pmd.command(f"set port 0 gro {word}"), word)
    before = xstats(pmd, 0)["rx_q0_gro_wire_packets"]
    merged()
    check(xstats(pmd, 0)["rx_q0_gro_wire_packets"] == before, "off is off")
    check(pmd.quit() == 0, "ends well")


def forwarding(directory):
    """What cannot be sent is dropped and counted, and never tried for ever; off, everything goes through."""
    pmd, (left, right), _ = wires(directory, 2)
    pmd.command("stop")
    pmd.command("set port 0 gro on")
    pmd.command("start")
    await_true(lambda: "Link status: up" in pmd.command("show port info 0"), "link")
    sent = 0

    def refused():
        nonlocal sent
        for _ in range(TRAIN):
            left.send(segment(sent))
            sent += 1
        await_true(lambda: xstats(pmd, 0)["rx_good_packets"] == sent, "all received")
        return xstats(pmd, 1)["tx_q0_gso_refused"] >= 1

    await_true(refused, "a super-packet refused")
    pmd.command("set port 0 gro off")
    left.send(segment(sent, flags=0x18))
    last = segment(sent, flags=0x18)
    came = 0
    while right.receive() != last:
        came += 1
    before, after = xstats(pmd, 0), xstats(pmd, 1)
    alone = before["rx_good_packets"] - before["rx_q0_gro_wire_packets"]
    check(came + 1 == alone == after["tx_good_packets"], f"{came}, {before}, {after}")
    check(after["tx_q0_gso_refused"] == before["rx_q0_gro_packets"], "each refused once")
    check(after["tx_errors"] == after["tx_q0_stop"] == 0, "that is no error, and no full ring")
    dropped = re.search(r"TX-dropped: (\d+)", pmd.command("show fwd stats all").split("port 1")[1]).group(1)
    check(int(dropped) == before["rx_q0_gro_packets"], f"{dropped} shown as dropped")
    check(pmd.quit() == 0, "ends well")


main(switch_and_count, forwarding)
