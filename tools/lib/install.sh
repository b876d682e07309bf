#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Installs what building (build), checking (check) and the virtual machine tests (vm) need, on Debian 12 and 13.
#
#   tools/lib/install.sh SET...
#
# It says first what it is about to do, does only what is missing, and does nothing at all when nothing is. The guest's
# kernel and busybox are Debian packages too, but they are only downloaded and unpacked into a cache, never installed.
# UNAPI_NO_INSTALL=1 makes it trust that everything is there already (other systems, offline machines).
set -euo pipefail

build_packages=(gcc libc6-dev meson ninja-build pkg-config python3 libpci-dev libnuma-dev libjansson-dev libcmocka-dev
	libedit-dev libpcap-dev)
check_packages=(clang valgrind iproute2)
vm_packages=(qemu-system-x86)
unpacked_packages=(linux-image-amd64 busybox-static)
qemu_wanted=8 # the first release with -device igb
cache=${UNAPI_CACHE:-${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/unapi}

say() { printf '%s\n' "$*" >&2; }
die() {
	say "install: $*"
	exit 1
}

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

qemu_is_recent() {
	local version
	version=$(dpkg-query -W -f='${Version}' qemu-system-x86 2>/dev/null) || return 1
	dpkg --compare-versions "${version#*:}" ge "$qemu_wanted"
}

# The machine's own mirror of a suite, whatever syntax its sources are written in, and whether they name the suite or,
# once apt has its lists, something like "oldstable".
mirror_of() {
	# shellcheck disable=SC2016 # apt fills these in
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
		awk -v suite="$1" '($2 == suite || $3 == suite) && $4 == "main" { print $1; exit }'
}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt() {
	local log
	log=$(mktemp)
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" </dev/null >"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		rm -f "$log"
		die "apt-get $* failed"
	}
	rm -f "$log"
}

lists_are_fresh=false
refresh_lists() {
	$lists_are_fresh || apt update
	lists_are_fresh=true
}

# What the guest needs of a package, not the 400 MB that a kernel unpacks to. The number in the directory's name changes
# when this list does.
guest=$cache/guest-2
guest_files=(./boot/vmlinuz-* ./bin/busybox ./usr/bin/busybox)
for tree in virt drivers/vfio drivers/iommu drivers/virtio drivers/char drivers/net/ethernet/intel drivers/i2c \
	drivers/dca drivers/ptp drivers/pps drivers/net/phy net/core; do
	guest_files+=("./lib/modules/*/kernel/$tree/*" "./usr/lib/modules/*/kernel/$tree/*")
done

# linux-image-amd64 is empty and depends on the kernel of the day.
real_package() { # NAME[@SUITE]
	local suite=()
	case $1 in
	*@*) suite=(-t "${1#*@}") ;;
	esac
	case $1 in
	linux-image-amd64*)
		apt-cache "${suite[@]}" depends linux-image-amd64 |
			sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1
		;;
	*) echo "$1" ;;
	esac
}

download() { # NAME[@SUITE], into this directory
	local package
	package=$(real_package "$1")
	# apt's own download user cannot write into a private directory, and says so; the download works all the same.
	[ -n "$package" ] && apt-get -qq -o APT::Sandbox::User=root download "$package"
}

unpack() { # NAME[@SUITE]
	local work
	work=$(mktemp -d "$cache/unpack.XXXXXX")
	cd "$work"
	download "$1" 2>/dev/null || { refresh_lists && download "$1" >&2; } || die "cannot download $1"
	mkdir tree
	dpkg-deb --fsys-tarfile ./*.deb | tar -x -C tree --wildcards "${guest_files[@]}" 2>/dev/null || true
	[ -n "$(ls tree)" ] || die "$1 holds none of the files a guest needs"
	chmod -R u+rwX,go+rX tree
	mv tree "$guest/$1"
	cd /
	rm -rf "$work"
}

[ $# -gt 0 ] || die "usage: $0 build|check|vm..."
sets=("$@")
wanted=() unpacked=()
for set in "${sets[@]}"; do
	case $set in
	build) wanted+=("${build_packages[@]}") ;;
	check) wanted+=("${check_packages[@]}") ;;
	vm) wanted+=("${vm_packages[@]}") unpacked+=("${unpacked_packages[@]}") ;;
	*) die "unknown set \"$set\": build, check or vm" ;;
	esac
done
[ -z "${UNAPI_NO_INSTALL:-}" ] || exit 0

release=unknown
[ ! -r /etc/os-release ] || release=$(. /etc/os-release && echo "${ID:-unknown}-${VERSION_ID:-unknown}")
case $release in
debian-12)
	codename=bookworm
	qemu_suite=bookworm-backports
	# VFIO has learnt much since this release's kernel: the guest runs that and the newest.
	[ ${#unpacked[@]} = 0 ] || unpacked+=("linux-image-amd64@$qemu_suite")
	for package in "${wanted[@]}"; do [ "$package" != clang ] || wanted+=(clang-format-14); done
	;;
debian-13) qemu_suite= ;; # has no clang-format 14, which the tree follows
*)
	say "This system ($release) is neither Debian 12 nor Debian 13, so nothing was installed. By Debian's names, what is needed:"
	say "    ${wanted[*]}"
	[ ${#unpacked[@]} = 0 ] ||
		say "QEMU must be release $qemu_wanted or newer. Unpacked into $guest/NAME: ${unpacked[*]}."
	say "When all that is in place, set UNAPI_NO_INSTALL=1 and run the same command again."
	exit 1
	;;
esac

missing=() from_suite=() to_unpack=()
for package in "${wanted[@]}"; do
	if [ "$package" = qemu-system-x86 ] && [ -n "$qemu_suite" ]; then
		qemu_is_recent || from_suite+=("$package")
	else
		installed "$package" || missing+=("$package")
	fi
done
for package in "${unpacked[@]}"; do
	[ -d "$guest/$package" ] || to_unpack+=("$package")
done
[ $((${#missing[@]} + ${#from_suite[@]} + ${#to_unpack[@]})) -gt 0 ] || exit 0

[ ${#missing[@]} = 0 ] || say "Installing Debian packages: ${missing[*]}"
[ ${#from_suite[@]} = 0 ] || say "Installing from $qemu_suite, since $release's own are too old: ${from_suite[*]}"
[ ${#to_unpack[@]} = 0 ] || say "Unpacking into $guest, not installing: ${to_unpack[*]}"
suite_missing=false
case " ${from_suite[*]} ${to_unpack[*]}" in
*qemu* | *@*)
	if [ -z "$(mirror_of "$qemu_suite")" ]; then
		suite_missing=true
		say "Adding $qemu_suite to apt's sources for that: /etc/apt/sources.list.d/unapi-backports.sources"
	fi
	;;
esac

if { [ $((${#missing[@]} + ${#from_suite[@]})) -gt 0 ] || $suite_missing; } && [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
	die "that takes root, and there is no sudo here: run \"$0 ${sets[*]}\" as root first"
fi

if $suite_missing; then
	mirror=$(mirror_of "$codename")
	[ -n "$mirror" ] || { refresh_lists && lists_are_fresh=false && mirror=$(mirror_of "$codename"); }
	[ -n "$mirror" ] || die "apt's sources name no mirror of $codename, so $qemu_suite has no address"
	printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' "$mirror" "$qemu_suite" \
		/usr/share/keyrings/debian-archive-keyring.gpg |
		as_root tee /etc/apt/sources.list.d/unapi-backports.sources >/dev/null
fi
if [ ${#missing[@]} -gt 0 ]; then
	refresh_lists
	apt install --no-install-recommends -y "${missing[@]}"
fi
if [ ${#from_suite[@]} -gt 0 ]; then
	refresh_lists
	apt install --no-install-recommends -y -t "$qemu_suite" "${from_suite[@]}"
fi
if [ ${#to_unpack[@]} -gt 0 ]; then
	mkdir -p "$guest"
	exec 9>"$cache/lock"
	flock 9 # two checkouts may be checked at once
	rm -rf "$cache"/unpack.*
	for package in "${to_unpack[@]}"; do
		[ -d "$guest/$package" ] || (unpack "$package") || exit 1
	done
fi
