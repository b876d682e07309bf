# SPDX-License-Identifier: BSD-3-Clause
"""The pictures of doc/performance.md, drawn by gnuplot from figures that --json would print and --plot keeps."""
import json
import os
import re
import subprocess

from lib.common import fail

COLOURS = ("#1f5fa8", "#d1701c", "#2f8f4e", "#b03a48", "#7a54a8", "#1aa3a3", "#c2479b", "#303030")
GREY, DARK, BLUE, LIGHT = "#b8b8b8", "#707070", "#1f5fa8", "#8db4dc"
MODE_NAMES = {"caller": "busy (application)", "threaded-busy": "busy (thread)"}


def of(rows, bench):
    return [row for row in rows if row["bench"] == bench]


def head(width, height):
    # No date and no random name in it: the same figures give the same file.
    return (f'set terminal svg size {width},{height} font "sans-serif,13" background "#ffffff" noenhanced name "unapi"\n'
            'set border 3 lc "#404040"\nset tics nomirror\nset grid ytics lc "#e0e0e0" lt 1\n'
            'set style line 99 lc "#909090" dt 2 lw 1.5\n')


def block(name, lines):
    return f"${name} << EOD\n" + "\n".join(lines) + "\nEOD\n"


def curves(rows, key, x, y):
    """A data block and a title for each value of @key, in the order in which they came."""
    for i, value in enumerate(dict.fromkeys(row[key] for row in rows)):
        points = [f"{x(row)} {y(row)}" for row in rows if row[key] == value]
        yield block(f"d{i}", points), f"d{i}", MODE_NAMES.get(value, value), COLOURS[i % len(COLOURS)]


def lines(rows, key, x, y, columns="1:2", more=""):
    drawn = list(curves(rows, key, x, y))
    plots = [f'${name} using {columns} with linespoints lw 2 pt 7 ps 0.5 lc "{colour}" title "{title}"'
             for _, name, title, colour in drawn]
    return "".join(data for data, *_ in drawn) + "plot " + ", ".join(plots + ([more] if more else [])) + "\n"


def bars(width, height, what, entries):
    """Horizontal bars: (name, value, colour), from the top."""
    data = [f'"{name}" {value} {len(entries) - i} {int(colour[1:], 16)}' for i, (name, value, colour) in enumerate(entries)]
    return (head(width, height) + block("d", data) + f'set xlabel "{what}"\nset xrange [0:{1.12 * max(e[1] for e in entries):.0f}]\n'
            f'set yrange [0.3:{len(entries) + 0.7}]\nunset grid\nset grid xtics lc "#e0e0e0" lt 1\nset tics nomirror\nset ytics scale 0\n'
            "plot $d using (0):3:(0):2:($3-0.38):($3+0.38):4:ytic(1) with boxxyerror fs solid 1 noborder lc rgb variable notitle, "
            '$d using 2:3:(sprintf(" %.4g", $2)) with labels left notitle\n')


def overload(rows, _):
    x = lambda row: round(row["offered_pps"] / row["capacity_pps"], 4)
    return (head(1000, 400) + 'set multiplot layout 1,2\nset xlabel "offered load, in capacities"\nset xrange [0:5.2]\nset yrange [0:1.4]\n'
            'set ylabel "delivered, in capacities"\nset key bottom right\n'
            + lines(rows, "mode", x, lambda row: round(row["delivered_pps"] / row["capacity_pps"], 4),
                    more='(x <= 1.4 ? x : NaN) with lines ls 99 title "offered"')
            + 'set ylabel "interrupts a second"\nset yrange [0:*]\nset key top right\n'
            + lines([row for row in rows if row["mode"] != "caller"], "mode", x, lambda row: row["irqs_a_second"])
            + "unset multiplot\n")


def ring_replay(rows, directory):
    entries = [(peer["what"], peer["insn"], DARK if peer["floor"] else GREY) for peer in read(os.path.join(directory, "peers.jsonl"))]
    for isa in ("scalar", "sse4.2", "avx2"):
        for row in of(rows, "ring-replay"):
            if row["isa"] == isa and row["ring"] == 512 and not row["metadata"]:
                entries.append((f"unapi igb, {isa}, burst {row['burst']}", row["insn"], BLUE if row["burst"] == 32 else LIGHT))
    entries += [(f"this rig's touch-only floor, {row['isa']}", row["insn"], DARK) for row in of(rows, "ring-replay-floor")]
    return bars(900, 560, "instructions a forwarded packet", entries)


def ablation(rows, _):
    rows = of(rows, "ablation")
    first = rows[0]["insn"]
    return bars(900, 26 * len(rows) + 90, "instructions a forwarded packet",
                [(row["without"], row["insn"], BLUE if row["insn"] <= first else GREY) for row in rows])


def modes(rows, _):
    loads = list(dict.fromkeys(row["load_percent"] for row in rows))
    return (head(720, 420) + 'set xlabel "load"\nset ylabel "CPU of the driver, %"\nset key above\n'
            f'set xrange [-0.3:{len(loads) - 0.7}]\nset yrange [0:*]\nset xtics ('
            + ", ".join(f'"{load} %%" {i}' for i, load in enumerate(loads)) + ")\n"
            + lines(rows, "mode", lambda row: loads.index(row["load_percent"]), lambda row: row["cpu_percent"]))


def latency(rows, _):
    load, low = lambda row: row["load_percent"], min(row["p99_us"] for row in rows)
    return (head(1100, 440) + 'set multiplot layout 1,2\nset xlabel "load, % of capacity"\nset xrange [0:102]\nset key top left\n'
            f'set ylabel "99th percentile of latency, us"\nset logscale y\nset yrange [{0.6 * low:.0f}:*]\n'
            + lines(rows, "mode", load, lambda row: row["p99_us"])
            + 'set ylabel "CPU of the driver, %"\nunset logscale y\nset yrange [0:105]\nset key bottom right\n'
            + lines(rows, "mode", load, lambda row: row["cpu_percent"]) + "unset multiplot\n")


def growth(rows, _):
    pools = [{"who": f"{what}, {row['returned_by']}", "buffers": row["buffers"], "insn": row[f"insn_{what}"]}
             for what in ("take", "give") for row in of(rows, "growth-pool")]
    many = [{"what": what, "n": row["instances"], "insn": row[key]} for row in of(rows, "growth-instances")
            for what, key in (("all scheduled together", "insn_each_scheduled_together"), ("one, the others idle", "insn_one_beside_idle"))]
    queues = [{"what": "interrupts", **row} for row in of(rows, "growth-queues")]
    return (head(1200, 380) + "set multiplot layout 1,3\nset yrange [0:*]\nset logscale x 2\nset key above maxcols 2\n"
            'set xlabel "instances"\nset ylabel "instructions, schedule to complete"\nset xtics (1, 4, 16, 64, 256, 1024)\n'
            + lines(many, "what", lambda row: row["n"], lambda row: row["insn"])
            + 'set xlabel "queues"\nset ylabel "CPU a forwarded packet, ns"\nset xtics (1, 2, 4, 8, 16)\n'
            + lines(queues, "what", lambda row: row["queues"], lambda row: row["cpu_ns_a_packet"])
            + 'set xlabel "buffers in the pool"\nset ylabel "instructions a buffer"\n'
            'set xtics ("512" 512, "4096" 4096, "32768" 32768, "131072" 131072)\n'
            + lines(pools, "who", lambda row: row["buffers"], lambda row: row["insn"]) + "unset multiplot\n")


PLOTS = {"overload": overload, "ring-replay": ring_replay, "ablation": ablation, "modes": modes, "growth": growth, "latency": latency}


def read(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def keep(directory, name, rows):
    if name not in PLOTS:
        return
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, f"{name}.jsonl"), "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def smaller(svg):
    """Without indentation, groups that draw nothing, and shapes of points that are not used."""
    svg = re.sub(r"\n\s+", "\n", svg)
    while True:
        shorter = re.sub(r"<g [^<>]*>\s*</g>\n", "", svg)
        for line in re.findall(r"^<[^<>]* id='gp\w+'[^<>]*/>\n", shorter, re.M):
            name = re.search(r"id='(gp\w+)'", line).group(1)
            if not re.search(rf"href='#{name}'", shorter):
                shorter = shorter.replace(line, "")
        if shorter == svg:
            return svg
        svg = shorter


def draw(directory):
    """A picture of each benchmark whose figures are kept there."""
    for name, script in PLOTS.items():
        path = os.path.join(directory, f"{name}.jsonl")
        if not os.path.exists(path):
            continue
        try:
            done = subprocess.run(["gnuplot"], input=script(read(path), directory), capture_output=True, text=True)
        except FileNotFoundError:
            fail("gnuplot is not installed: apt-get install gnuplot-nox")
        if done.returncode or "error" in done.stderr or "warning" in done.stderr:
            fail(f"gnuplot, {name}: {done.stderr.strip()}")
        with open(os.path.join(directory, f"{name}.svg"), "w") as file:
            file.write(smaller(done.stdout))
