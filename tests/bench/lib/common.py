# SPDX-License-Identifier: BSD-3-Clause
"""What the benchmarks share: finding and running what was built, and the table."""
import os
import re
import subprocess
import sys


def fail(text):
    sys.exit(f"bench: {text}")


class Build:
    def __init__(self, path):
        self.path = os.path.abspath(path)

    def exe(self, name):
        path = os.path.join(self.path, name)
        if not os.access(path, os.X_OK):
            fail(f"{path} is not there; build it first: ninja -C {self.path}")
        return path


def run(command, **more):
    """The command's standard output; what it says on the other one, and its failure, end the benchmark."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, **more)
    except FileNotFoundError:
        fail(f"{command[0]} is not installed")
    except subprocess.TimeoutExpired as late:
        fail(f"{' '.join(command)}: no end after {late.timeout} s")
    if "debuginfo reader" in done.stderr:
        fail("valgrind cannot read what this compiler writes for debuggers; build by gcc to count instructions")
    if done.returncode:
        fail(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip() or done.returncode}")
    return done.stdout


def callgrind(command, function):
    """Instructions inside a function, which nothing else may collect."""
    try:
        done = subprocess.run(["valgrind", "--tool=callgrind", f"--toggle-collect={function}", "--callgrind-out-file=/dev/null",
                               *command], capture_output=True, text=True)
    except FileNotFoundError:
        fail("valgrind is not installed")
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not collected or not int(collected.group(1)):
        fail(f"{' '.join(command)}: callgrind counted nothing in {function}: {done.stderr.strip()}")
    return int(collected.group(1))


def text_of(value):
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.4f}" if 0 < abs(value) < 0.1 else f"{value:.2f}"
    return str(value)


def same_columns(rows):
    """Rows that have the same columns and follow each other, together."""
    together = []
    for row in rows:
        if together and list(together[0]) != list(row):
            yield together
            together = []
        together.append(row)
    if together:
        yield together


def wanted_by(path):
    """The benchmarks a document has lines for."""
    with open(path) as file:
        return re.findall(r"^<!-- figures (\S+) -->$", file.read(), re.M)


def update(path, name, rows):
    """Replace what is between the document's lines for this benchmark by a table of these rows."""
    with open(path) as file:
        before, begin, rest = file.read().partition(f"<!-- figures {name} -->\n")
    _, end, after = rest.partition("<!-- end -->\n")
    if not begin or not end:
        fail(f"{path} has no lines <!-- figures {name} --> and <!-- end -->")
    load = os.getloadavg()[0]
    tables = [f"Load average when it was measured: {load:.1f}, on {os.cpu_count()} CPUs.\n"]
    for group in same_columns(rows):
        lines = ["| " + " | ".join(group[0]) + " |", "|---" * len(group[0]) + "|"]
        lines += ["| " + " | ".join(text_of(value) for value in row.values()) + " |" for row in group]
        tables.append("\n".join(lines) + "\n")
    with open(path, "w") as file:
        file.write(before + begin + "\n" + "\n".join(tables) + "\n" + end + after)


def print_table(rows):
    """A table for all rows that have the same columns and follow each other."""
    for group in same_columns(rows):
        keys = list(group[0])
        cells = [keys] + [[text_of(row[key]) for key in keys] for row in group]
        widths = [max(len(line[i]) for line in cells) for i in range(len(keys))]
        numeric = [all(isinstance(row[key], (int, float)) for row in group) for key in keys]
        for line in cells:
            print("  ".join(cell.rjust(width) if right else cell.ljust(width)
                            for cell, width, right in zip(line, widths, numeric)).rstrip())
        print(flush=True)
