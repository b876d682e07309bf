# SPDX-License-Identifier: BSD-3-Clause
"""Puts a guest's kernel and initramfs together: busybox, the kernel modules asked for, the installed unapi programs with the
shared libraries they use, and the agent that runs commands. Python's own library is all it takes: no depmod, no cpio."""

import lzma
import os
import pathlib
import re
import shutil
import stat
import subprocess


class Missing(Exception):
    """Something that this machine lacks; the text says what, and how to get it."""


# The directory that tools/lib/install.sh fills.
GUEST = "guest-2"
DEFAULT_KERNEL = "linux-image-amd64"

# The tests' own programs that run in the guest.
PROGRAMS = ("vm-agent", "vm-echo", "vm-vfio", "vm-xdp")

INIT = """#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LD_LIBRARY_PATH={library_path}
/bin/busybox mkdir -p /bin /sbin /usr/bin /usr/sbin /proc /sys /dev /tmp /root /run /var/log /etc
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sys /sys
[ -e /dev/null ] || mount -t devtmpfs dev /dev
mkdir -p /dev/shm /dev/hugepages
mount -t tmpfs shm /dev/shm
mount -t tmpfs tmp /tmp
mount -t hugetlbfs huge /dev/hugepages
ip link set lo up
for module in {modules}; do modprobe $module; done
until agent=$(ls /dev/vport* 2>/dev/null); do usleep 10000; done
cd /root
/agent $agent
echo "the agent ended: $?"
poweroff -f
"""


def cache_directory():
    if "UNAPI_CACHE" in os.environ:
        return pathlib.Path(os.environ["UNAPI_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("HOME", "/var/tmp") + "/.cache"
    return pathlib.Path(base) / "unapi"


def unpacked(name):
    path = cache_directory() / GUEST / name
    if not path.is_dir():
        raise Missing(f"{path} is not there: run tools/lib/install.sh vm")
    return path


def qemu():
    path = shutil.which("qemu-system-x86_64")
    if not path:
        raise Missing("there is no qemu-system-x86_64: run tools/lib/install.sh vm")
    first_line = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    if int(re.search(r"version (\d+)", first_line)[1]) < 8:
        raise Missing(f"{first_line} has no igb device, release 8 and newer have: run tools/lib/install.sh vm")
    return path


class Modules:
    """The kernel's modules, by the name that modprobe knows them by."""

    def __init__(self, kernel):
        trees = [tree for tree in kernel.glob("**/lib/modules/*") if tree.is_dir()]
        if not trees:
            raise Missing(f"{kernel} holds no kernel modules")
        self.release = trees[0].name
        self.files = {re.sub(r"\.ko.*", "", f.name).replace("-", "_"): f for f in trees[0].glob("**/*.ko*")}

    def content(self, name):
        data = self.files[name].read_bytes()
        return lzma.decompress(data) if self.files[name].suffix == ".xz" else data

    def depends(self, name):
        """What the module says it needs, less what is built into the kernel."""
        found = re.search(rb"\0depends=([^\0]*)\0", self.content(name))
        names = found[1].decode().replace("-", "_").split(",") if found else []
        return [each for each in names if each in self.files]

    def closure(self, names):
        """The modules and all that they need, in an order that they can be loaded in: name -> what it needs, likewise."""
        needs = {}

        def visit(name):
            if name not in needs:
                direct = self.depends(name)
                for each in direct:
                    visit(each)
                needs[name] = list(dict.fromkeys(other for each in direct for other in (*needs[each], each)))

        for name in names:
            visit(name.replace("-", "_"))
        return needs


class Initramfs:
    """A cpio archive in the "newc" format (Linux Documentation/driver-api/early-userspace/buffer-format.rst)."""

    def __init__(self):
        self.entries = {}

    def directory(self, path):
        parts = path.strip("/").split("/")
        for n in range(1, len(parts) + 1):
            self.entries.setdefault("/".join(parts[:n]), (stat.S_IFDIR | 0o755, b""))

    def add(self, path, data, mode=0o755):
        self.directory(os.path.dirname(path))
        self.entries[path.strip("/")] = (stat.S_IFREG | mode, data)

    def copy(self, source, path):
        """A file, or a link as a link."""
        source = pathlib.Path(source)
        if source.is_symlink():
            self.link(os.readlink(source), path)
        else:
            self.add(path, source.read_bytes(), source.stat().st_mode & 0o777)

    def link(self, target, path):
        self.directory(os.path.dirname(path))
        self.entries[path.strip("/")] = (stat.S_IFLNK | 0o777, target.encode())

    def write(self, path):
        with open(path, "wb") as out:
            for inode, (name, (mode, data)) in enumerate(self.entries.items(), 1):
                self._write_entry(out, inode, name.encode(), mode, data)
            self._write_entry(out, 0, b"TRAILER!!!", 0, b"")

    @staticmethod
    def _write_entry(out, inode, name, mode, data):
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        out.write(b"070701" + b"".join(b"%08X" % field for field in fields) + name + b"\0")
        out.write(b"\0" * (-out.tell() % 4) + data)
        out.write(b"\0" * (-out.tell() % 4))


def shared_libraries(programs, library_path):
    """The shared libraries that the programs use, the loader among them."""
    env = dict(os.environ, LD_LIBRARY_PATH=library_path)
    found = set()
    for program in programs:
        listing = subprocess.run(["ldd", program], capture_output=True, text=True, env=env).stdout
        if "not found" in listing:
            raise RuntimeError(f"{program}: {listing}")
        found.update(re.findall(r"(/\S+)(?: \(0x)", listing))
    return found


def is_program(path):
    with open(path, "rb") as f:
        return f.read(4) == b"\x7fELF"


def add_installed_tree(image, build, work):
    """What "meson install" puts on a machine, with the libraries it uses; returns where the loader is to look."""
    tree = work / "installed"
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", tree], check=True,
                   stdout=subprocess.DEVNULL)
    library_path = ":".join(sorted({"/" + str(f.parent.relative_to(tree)) for f in tree.glob("**/libunapi.so*")}))
    programs = []
    for file in tree.glob("**/*"):
        if file.is_dir() or file.suffix in (".a", ".h", ".pc"):
            continue
        image.copy(file, "/" + str(file.relative_to(tree)))
        if not file.is_symlink() and is_program(file):
            programs.append(file)
    in_tree = ":".join(str(tree) + directory for directory in library_path.split(":"))
    add_libraries(image, programs, in_tree, tree)
    return library_path


def add_libraries(image, programs, library_path="", leave_out=None):
    for library in shared_libraries(programs, library_path):
        if not (leave_out and library.startswith(str(leave_out))):
            # In its own place, and what it was found as a link: a program that gets it by two names is to see one.
            real = os.path.realpath(library)
            image.add(real, pathlib.Path(real).read_bytes())
            if real != library:
                image.link(real, library)


def newest_kernel():
    """Of the kernels at hand, the newest: Debian 12's tests have a second one."""
    kernels = (cache_directory() / GUEST).glob("linux-image-*/boot/vmlinuz-*")
    newest = max(kernels, key=lambda path: [int(n) for n in re.findall(r"\d+", path.name)], default=None)
    return newest.parent.parent.name if newest else DEFAULT_KERNEL


def build(work, build_directory, modules_loaded, modules_at_hand=(), kernel_name=DEFAULT_KERNEL, files=()):
    """Writes the initramfs into work; returns the kernel's path and the initramfs's. Files are this machine's, put into the
    same places with the libraries that they use."""
    kernel, busybox = unpacked(kernel_name), unpacked("busybox-static")
    modules = Modules(kernel)
    here = pathlib.Path(build_directory) / "tests" / "vm"
    image = Initramfs()
    library_path = add_installed_tree(image, build_directory, work)
    programs = [here / name for name in PROGRAMS]
    for program in programs:
        image.copy(program, "/" + program.name.removeprefix("vm-"))
    add_libraries(image, programs)
    for file in files:
        image.copy(file, file)
    add_libraries(image, [file for file in files if is_program(file)])
    image.add("/bin/busybox", next(busybox.glob("**/bin/busybox")).read_bytes())
    for link in ("/bin/sh", "/sbin/modprobe"):
        image.link("/bin/busybox", link)
    needs = modules.closure([name for name in (*modules_loaded, *modules_at_hand) if name.replace("-", "_") in
                             modules.files])
    lines = []
    for name, depends in needs.items():
        image.add(f"/lib/modules/{modules.release}/{name}.ko", modules.content(name), 0o644)
        # modprobe loads what a line names from its end to its beginning.
        lines.append(f"{name}.ko: " + " ".join(f"{each}.ko" for each in reversed(depends)))
    image.add(f"/lib/modules/{modules.release}/modules.dep", "\n".join(lines).encode() + b"\n", 0o644)
    image.add("/init", INIT.format(library_path=library_path, modules=" ".join(modules_loaded)).encode())
    image.directory("/dev")
    image.write(work / "initramfs")
    return next(kernel.glob("boot/vmlinuz-*")), work / "initramfs"
