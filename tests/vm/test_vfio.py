# SPDX-License-Identifier: BSD-3-Clause
"""core/vfio on the kernel's VFIO, with no driver above it: what a device offers, what stands in the way of having one, and
giving it back when the kernel asks."""

from rig import BOOT_MODULES, check, log, main


def refused(guest, arguments, *words, command="/vfio {}"):
    job = guest.spawn(command.format(arguments))
    check(job.wait() == 1, f"\"{arguments}\" is refused, not crashed on: {job.transcript()}")
    check(len(job.err.splitlines()) == 1 and all(word in job.err for word in words), f"{words} in: {job.err}")


def module_missing(guest):
    refused(guest, guest.nics[0], "modprobe vfio-pci")
    guest.run("modprobe vfio-pci && modprobe vfio_iommu_type1")


def not_bound(guest):
    refused(guest, guest.nics[0], "igb", f"unapi-devbind --bind=vfio-pci {guest.nics[0]}")
    refused(guest, "0000:7f:1f.7", "no such")
    refused(guest, "nonsense", "nonsense")
    guest.bind_by_hand(guest.nics[0])  # unapi-devbind has a test of its own


def everything(guest):
    out = guest.run(f"/vfio {guest.nics[0]}")
    log(out)
    guest.run("echo 8 > /proc/sys/vm/nr_hugepages")
    log(guest.run(f"/vfio {guest.nics[0]} dma 4096"))
    guest.run("grep -q 'HugePages_Free: *8' /proc/meminfo; echo 0 > /proc/sys/vm/nr_hugepages")


def in_use(guest):
    holder = guest.spawn(f"exec /vfio {guest.nics[0]} hold")
    holder.wait_for("held")
    pid = guest.run("pidof vfio").strip()
    refused(guest, guest.nics[0], "in use", pid)
    # The kernel wants the device back: unbinding waits until the holder has let go of it.
    unbind = guest.spawn(f"echo {guest.nics[0]} > /sys/bus/pci/drivers/vfio-pci/unbind")
    holder.wait_for("wanted back")
    check(holder.wait() == 0 and unbind.wait() == 0, "given back")
    guest.run(f"echo {guest.nics[0]} > /sys/bus/pci/drivers_probe")


def as_ordinary_user(guest):
    nic = guest.nics[0]
    group = guest.run(f"basename $(readlink /sys/bus/pci/devices/{nic}/iommu_group)").strip()
    guest.run("echo user:x:1000:1000::/:/bin/sh >> /etc/passwd")
    as_user = "su user -c '/vfio {}'"
    refused(guest, nic, "permission", f"/dev/vfio/{group}", command=as_user)
    guest.run(f"chown 1000 /dev/vfio/{group}")
    # The limit is 8 MiB, the kernel's default.
    guest.run(as_user.format(f"{nic} dma 4096"))
    refused(guest, f"{nic} dma 16384", "ulimit -l", "16384", command=as_user)


main(module_missing, not_bound, everything, in_use, as_ordinary_user,
     modules=[name for name in BOOT_MODULES if "vfio" not in name], at_hand=("vfio-pci", "vfio_iommu_type1"))
