# SPDX-License-Identifier: BSD-3-Clause
"""What testpmd's engines do to frames, seen from both ends of the wire: the ports' wires are sockets held here."""

import re
import socket
import struct

from testpmd import Testpmd, check, main

HOST = bytes.fromhex("525400010203")
BROADCAST = b"\xff" * 6


class Wire:
    """The other end of a port: frames behind their length, as QEMU's stream netdev has them."""

    def __init__(self, directory, name):
        self.path = directory / name
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(1)
        self.listener.settimeout(60)
        self.device = f"sim:igb,wire=socket:{self.path}"
        self.peer = None

    def accept(self):
        self.peer, _ = self.listener.accept()
        self.peer.settimeout(60)

    def send(self, frame):
        self.peer.sendall(struct.pack("!I", len(frame)) + frame)

    def _exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.peer.recv(n - len(data))
            check(more, f"{self.path}: closed")
            data += more
        return data

    def receive(self):
        return self._exactly(struct.unpack("!I", self._exactly(4))[0])

    def nothing(self):
        """No frame arrives; told by one that was sent behind it and does, so nothing is waited for."""
        self.peer.setblocking(False)
        try:
            data = self.peer.recv(1)
            check(not data, f"{self.path}: a frame came that should not")
        except BlockingIOError:
            pass
        self.peer.settimeout(60)


def wires(directory, count, *options):
    """So many connected wires and a testpmd that forwards between them, and its ports' addresses."""
    ends = [Wire(directory, f"wire{i}") for i in range(count)]
    devices = [word for end in ends for word in ("-a", end.device)]
    pmd = Testpmd(*devices, "--", "-i", "--auto-start", *options)
    macs = [bytes.fromhex(pmd.wait_for(rf"^Port {i}: ([0-9A-F:]+)$").group(1).replace(":", ""))
            for i in range(count)]
    pmd.ready()
    for end in ends:
        end.accept()
    # A frame is taken only once the link is up.
    for i in range(count):
        while "Link status: up" not in pmd.command(f"show port info {i}"):
            pass
    return pmd, ends, macs


def frame(dst, src, kind, payload):
    data = dst + src + struct.pack("!H", kind) + payload
    return data + bytes(max(0, 60 - len(data)))


def checksum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def io_between_two(directory):
    pmd, (a, b), _ = wires(directory, 2)
    for size in (60, 61, 128, 1000, 1514):
        for i in range(20):
            sent = frame(BROADCAST, HOST, 0x88b5, bytes((size + i + j) & 0xff for j in range(size - 14)))
            a.send(sent)
            check(b.receive() == sent, f"{size} bytes from 0 to 1")
            b.send(sent)
            check(a.receive() == sent, f"{size} bytes from 1 to 0")
    a.nothing()
    b.nothing()
    stats = pmd.command("show fwd stats all")
    check(re.search(r"RX Port= 0/Queue= 0 -> TX Port= 1/Queue= 0.*\n +RX-packets: 100 ", stats), stats)
    check(re.search(r"Accumulated.*\n +RX-packets: 200 .*\n +TX-packets: 200 ", stats), stats)
    check(pmd.quit() == 0, pmd.transcript())


def three_ports(directory):
    pmd, (a, b, c), _ = wires(directory, 3)
    for end, to in ((a, b), (b, a), (c, c)):
        sent = frame(BROADCAST, HOST, 0x88b5, str(end.path).encode())
        end.send(sent)
        check(to.receive() == sent, f"{end.path} forwards to {to.path}")
    check(pmd.quit() == 0, pmd.transcript())


def mac(directory):
    pmd, (a, b), macs = wires(directory, 2, "--forward-mode=mac")
    sent = frame(BROADCAST, HOST, 0x88b5, b"payload")
    a.send(sent)
    check(b.receive() == b"\x02\0\0\0\0\x01" + macs[1] + sent[12:], "addresses of the sending port and its peer")
    check(pmd.quit() == 0, pmd.transcript())


def macswap(directory):
    pmd, (a,), macs = wires(directory, 1, "--forward-mode=macswap")
    sent = frame(macs[0], HOST, 0x88b5, b"payload")
    a.send(sent)
    check(a.receive() == HOST + macs[0] + sent[12:], "addresses exchanged")
    check(pmd.quit() == 0, pmd.transcript())


def icmpecho(directory):
    for mode in ("interrupt", "busy"):
        (directory / mode).mkdir()
        pmd, (a,), (own,) = wires(directory / mode, 1, "--forward-mode=icmpecho", f"--poll-mode={mode}")
        ask = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + HOST + bytes([10, 0, 0, 1]) + bytes(6) + bytes([10, 0, 0, 2])
        a.send(frame(BROADCAST, HOST, 0x0806, ask))
        answer = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + own + bytes([10, 0, 0, 2]) + HOST + bytes([10, 0, 0, 1])
        check(a.receive() == frame(HOST, own, 0x0806, answer), "the answer to an ARP request")
        for size in (0, 1, 56, 1400):
            icmp = struct.pack("!BBHHH", 8, 0, 0, 77, size) + bytes(j & 0xff for j in range(size))
            icmp = icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:]
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(icmp), 1, 0, 64, 1, 0, bytes([10, 0, 0, 1]),
                             bytes([10, 0, 0, 2]))
            ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
            a.send(frame(own, HOST, 0x0800, b"\x60" * 40))  # not to be answered
            a.send(frame(own, HOST, 0x0800, ip + icmp))
            got = a.receive()
            check(got[:12] == HOST + own, f"to whom it came from: {got[:14].hex()}")
            check(got[26:34] == bytes([10, 0, 0, 2, 10, 0, 0, 1]), "IP addresses exchanged")
            check(checksum(got[14:34]) == 0 and checksum(got[34:34 + len(icmp)]) == 0, "both checksums are right")
            check(got[34] == 0 and got[38:34 + len(icmp)] == icmp[4:], "an echo reply with the same payload")
        a.nothing()
        check(pmd.quit() == 0, pmd.transcript())


def txonly(directory):
    pmd, (a,), (own,) = wires(directory, 1, "--forward-mode=txonly", "--txq=2")
    flows = set()
    for _ in range(20000):
        got = a.receive()
        check(len(got) == 60 and got[:14] == b"\x02\0\0\0\0\0" + own + b"\x08\0", f"a frame of ours: {got.hex()}")
        check(checksum(got[14:34]) == 0, "IP checksum")
        flows.add(got[26:34])
    check(len(flows) == 2, f"a flow for each queue: {flows}")
    # It goes on after a stop, with buffers that may still be on their way.
    for _ in range(3):
        a.peer.settimeout(0.01)
        pmd.write("stop\n")
        pmd.wait_for("Done.")
        a.peer.settimeout(60)
        pmd.command("start")
        a.peer.recv(100000)
    pmd.write("quit\n")
    while a.peer.recv(1 << 20):
        pass
    pmd.ended_well()


if __name__ == "__main__":
    main(io_between_two, three_ports, mac, macswap, icmpecho, txonly)
