# SPDX-License-Identifier: BSD-3-Clause
"""What the benchmarks share: finding and running what was built, and the table."""
import os
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
    if done.returncode:
        fail(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip() or done.returncode}")
    return done.stdout


def text_of(value):
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"
    return str(value)


def print_table(rows):
    """Rows that have the same columns follow each other; a new head where they change."""
    at = 0
    while at < len(rows):
        keys = list(rows[at])
        end = at
        while end < len(rows) and list(rows[end]) == keys:
            end += 1
        cells = [keys] + [[text_of(row[key]) for key in keys] for row in rows[at:end]]
        widths = [max(len(line[i]) for line in cells) for i in range(len(keys))]
        numeric = [all(isinstance(row[key], (int, float)) for row in rows[at:end]) for key in keys]
        for line in cells:
            print("  ".join(cell.rjust(width) if right else cell.ljust(width)
                            for cell, width, right in zip(line, widths, numeric)).rstrip())
        print(flush=True)
        at = end
