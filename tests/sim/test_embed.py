#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Somebody else's program: the example forwarder, built as an application would build it, forwards on the simulated NIC.

usage: test_embed.py installed|subproject SOURCE BUILD SIMNIC SANITIZE CC...

installed: with a plain compiler and the installed pkg-config file, against the shared and against the static library.
subproject: in a small meson project of its own that has unapi among its subprojects.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

COUNT = 20000
PATIENCE = 120  # a deadline ends a test that hangs; it measures nothing


def run(*command, **kwargs):
    """Run a command; its output is shown only if it fails."""
    kwargs["env"] = {**os.environ, **kwargs.get("env", {})}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **kwargs)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}\nexit status {done.returncode}")
    return done.stdout


def until(what, condition):
    deadline = time.monotonic() + PATIENCE
    while not (result := condition()):
        if time.monotonic() > deadline:
            sys.exit(f"waited in vain for {what}")
        time.sleep(0.02)
    return result


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def check(condition, text):
    if not condition:
        sys.exit(text)


def forward(program, work, env, devices):
    """Run the forwarder until the generator has all its packets back, end it with SIGINT, and look at both sides' totals."""
    stats = work / "stats.json"
    stats.unlink(missing_ok=True)
    devices[0] += f",count={COUNT},stats={stats},stats-ms=20"
    with subprocess.Popen([program, *devices], env={**os.environ, **env}, stdout=subprocess.PIPE, text=True) as process:
        try:
            until("the generator to finish", lambda: process.poll() is not None or
                  stats.exists() and json.loads(stats.read_text())["drained"])
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    check(process.returncode == 0, f"the forwarder ended with {process.returncode}: {out}")

    gen = json.loads(stats.read_text())
    until("the simulated NIC to end", lambda: not alive(gen["pid"]))
    wrong = {key: gen[key] for key in ("lost", "dup", "reorder", "corrupt", "foreign", "dma_faults", "driver_errors")
             if gen[key]}
    check(gen["final"] and gen["tx"] == gen["rx"] == COUNT and not wrong, f"the generator is not content: {gen}")
    totals = re.findall(r"^sim:.*: rx (\d+) tx (\d+) missed (\d+) errors (\d+)$", out, re.MULTILINE)
    check(totals == [(str(COUNT), str(COUNT), "0", "0")] * len(devices), f"the forwarder's totals are wrong: {out}")
    print(f"{pathlib.Path(program).name} on {len(devices)} device(s): {COUNT} packets out and back")


def forward_both_ways(program, work, env):
    forward(program, work, env, ["sim:igb,wire=gen"])
    forward(program, work, env, ["sim:igb,wire=gen", "sim:igb,wire=loop"])


def installed(source, build, work, compiler):
    root = work / "root"
    run("meson", "install", "-C", build, "--no-rebuild", "--quiet", env={"DESTDIR": str(root)})
    found = sorted(root.rglob("unapi.pc"))
    check(len(found) == 1, f"installed pkg-config files: {found}")
    pc_env = {"PKG_CONFIG_PATH": str(found[0].parent), "PKG_CONFIG_SYSROOT_DIR": str(root)}
    libdir = found[0].parent.parent
    simnic = sorted(root.rglob("unapi-simnic"))
    check(len(simnic) == 1, f"installed simulated NICs: {simnic}")
    env = {"LD_LIBRARY_PATH": str(libdir), "UNAPI_SIMNIC": str(simnic[0])}
    example = source / "apps/examples/l2fwd.c"
    strict = ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror"]

    flags = run("pkg-config", "--cflags", "--libs", "unapi", env=pc_env).split()
    run(*compiler, *strict, "-o", work / "l2fwd", example, *flags)
    check("libunapi.so.0" in run("ldd", work / "l2fwd", env=env), "the forwarder does not use the shared library")
    forward_both_ways(work / "l2fwd", work, env)

    # What the archive needs comes from the system, not from below the root.
    cflags = run("pkg-config", "--cflags", "unapi", env=pc_env).split()
    needs = run("pkg-config", "--static", "--libs", "unapi", env={**pc_env, "PKG_CONFIG_SYSROOT_DIR": ""}).split()
    needs = [flag for flag in needs if flag != "-lunapi"]
    run(*compiler, *strict, "-o", work / "l2fwd-static", example, *cflags, libdir / "libunapi.a", *needs)
    check("libunapi" not in run("ldd", work / "l2fwd-static"), "the static forwarder uses the shared library")
    forward(work / "l2fwd-static", work, env, ["sim:igb,wire=gen"])


def subproject(source, work, simnic, sanitize, compiler):
    parent = work / "parent"
    (parent / "subprojects").mkdir(parents=True)
    (parent / "subprojects/unapi").symlink_to(source)
    (parent / "l2fwd.c").write_text((source / "apps/examples/l2fwd.c").read_text())
    (parent / "meson.build").write_text(
        "project('parent', 'c', default_options: ['c_std=c11'])\n"
        "unapi = dependency('unapi', fallback: 'unapi')\n"
        "executable('l2fwd', 'l2fwd.c', c_args: '-D_POSIX_C_SOURCE=200809L', dependencies: unapi)\n")
    # CC is one word to meson; flags of the outer build's compiler are not the parent's business.
    run("meson", "setup", parent / "build", parent, "--wrap-mode", "forcefallback", f"-Db_sanitize={sanitize}",
        "-Db_lundef=false", env={"CC": compiler[-1]})
    run("ninja", "-C", parent / "build", "-j2", "l2fwd")
    forward_both_ways(parent / "build/l2fwd", work, {"UNAPI_SIMNIC": str(simnic)})


def main():
    how, source, build, simnic, sanitize, *compiler = sys.argv[1:]
    source, build = pathlib.Path(source), pathlib.Path(build)
    if sanitize != "none":
        compiler = [*compiler, f"-fsanitize={sanitize}"]
    with tempfile.TemporaryDirectory(prefix="unapi-embed-") as work:
        work = pathlib.Path(work)
        if how == "installed":
            installed(source, build, work, compiler)
        else:
            subproject(source, work, simnic, sanitize, [c for c in compiler if not c.startswith("-")])


main()
