# SPDX-License-Identifier: BSD-3-Clause
"""unapi-devbind moves a NIC between the kernel's driver and vfio-pci, refuses what would cut the user off, says what stands
in the way, and puts the old driver back when a new one will not have the device."""

import json

from rig import check, main


def bind_and_back(guest):
    nic = guest.nics[0]
    group = guest.run(f"basename $(readlink /sys/bus/pci/devices/{nic}/iommu_group)").strip()
    check(nic in guest.run("unapi-devbind --status"), "the status names the NIC")
    guest.run(f"unapi-devbind --bind=vfio-pci {nic}")
    check(guest.driver(nic) == "vfio-pci", "bound to vfio-pci")
    guest.run(f"test -c /dev/vfio/{group}")
    check(guest.driver(guest.nics[1]) == "igb", "the other NIC is left alone")
    guest.run(f"unapi-devbind --unbind {nic}")
    check(guest.driver(nic) == "none", "no driver has it")
    guest.run(f"unapi-devbind --bind=igb {nic}")
    check(guest.driver(nic) == "igb", "the kernel has it again")
    guest.run(f"until ls /sys/bus/pci/devices/{nic}/net; do usleep 10000; done")
    # Nothing of unapi's stays behind: the next hot-plug of such a device goes where it would have gone.
    override = guest.run(f"cat /sys/bus/pci/devices/{nic}/driver_override").strip()
    check(override in ("(null)", "", "igb"), f"driver_override is left at {override}")


def status_json(guest):
    status = json.loads(guest.run("unapi-devbind --status --json"))
    text = json.dumps(status)
    for nic in guest.nics:
        check(nic in text, f"{nic} is in {text}")


def old_driver_comes_back(guest):
    nic = guest.nics[0]
    # virtio-pci is made to match by driver_override, and its probe then refuses a device that is not virtio.
    job = guest.spawn(f"unapi-devbind --bind=virtio-pci {nic}")
    check(job.wait() != 0, "binding to a driver that refuses the device fails")
    check(job.err.strip() != "", "and says so")
    check(guest.driver(nic) == "igb", "and the old driver is back")
    guest.run(f"unapi-devbind --bind=nonsense {nic} && exit 1 || exit 0")
    check(guest.driver(nic) == "igb", "an unknown driver changes nothing")
    # vfio-pci takes a device by driver_override alone, which has to come back with it.
    guest.run(f"unapi-devbind --bind=vfio-pci {nic}")
    job = guest.spawn(f"unapi-devbind --bind=virtio-pci {nic}")
    check(job.wait() != 0 and guest.driver(nic) == "vfio-pci", "vfio-pci has it again: " + job.transcript())
    guest.run(f"unapi-devbind --bind=igb {nic}")


def hindrances_are_told(guest):
    nic = guest.nics[0]
    job = guest.spawn(f"unapi-devbind --check {nic}")
    check(job.wait() == 1 and f"--bind=vfio-pci {nic}" in job.out, "what mends it is told: " + job.transcript())
    guest.run(f"unapi-devbind --bind=vfio-pci {nic}")
    check("ready" in guest.run(f"unapi-devbind --check {nic}"), "then nothing is in the way")
    holder = guest.spawn(f"exec /vfio {nic} hold")
    holder.wait_for("held")
    pid = guest.run("pidof vfio").strip()
    job = guest.spawn(f"unapi-devbind --bind=igb {nic}")
    check(job.wait() == 1 and pid in job.err, "who has the device is told: " + job.transcript())
    check(guest.driver(nic) == "vfio-pci", "and keeps it")
    forced = guest.spawn(f"unapi-devbind --force --bind=igb {nic}")
    check(holder.wait() == 0, "unless forced: then it is asked to give it back: " + holder.transcript())
    check(forced.wait() == 0 and guest.driver(nic) == "igb", "which is waited for: " + forced.transcript())


def default_route_is_kept(guest):
    nic = guest.nics[0]
    name = guest.run(f"until ls /sys/bus/pci/devices/{nic}/net; do usleep 10000; done").split()[-1]
    guest.run(f"ip addr add 192.0.2.1/24 dev {name}; ip link set {name} up; ip route add default via 192.0.2.254")
    job = guest.spawn(f"unapi-devbind --bind=vfio-pci {nic}")
    check(job.wait() != 0, "the interface of the default route is refused")
    check(name in job.out + job.err, "and named")
    check(guest.driver(nic) == "igb", "nothing changed")
    guest.run(f"unapi-devbind --force --bind=vfio-pci {nic}")
    check(guest.driver(nic) == "vfio-pci", "unless forced")
    guest.run(f"unapi-devbind --bind=igb {nic}")


def no_noiommu_mode(guest):
    job = guest.spawn(f"unapi-devbind --noiommu-mode --bind=vfio-pci {guest.nics[0]}")
    check(job.wait() != 0, "Debian's kernels have no no-IOMMU mode")
    check("no-IOMMU" in job.err + job.out, "which is said: " + job.transcript())
    check(guest.driver(guest.nics[0]) == "igb", "nothing changed")


def bad_arguments(guest):
    for arguments in ("--bind=vfio-pci 0000:ff:1f.7", "--bind=vfio-pci nonsense", "--bind=vfio-pci", "--nonsense"):
        job = guest.spawn("unapi-devbind " + arguments)
        check(job.wait() > 0, f"\"{arguments}\" is refused")
        check(len(job.err.strip().splitlines()) >= 1, f"\"{arguments}\" is answered: {job.transcript()}")


main(bind_and_back, status_json, old_driver_comes_back, hindrances_are_told, default_route_is_kept, no_noiommu_mode,
     bad_arguments, nics=2)
