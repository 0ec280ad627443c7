#!/usr/bin/env python3
"""Draws where a program's CPU time goes: `perf script` text to a flame graph as SVG.

    cargo rustc --release --bin flowc -- -C strip=none
    mkdir -p out/flame && cp benches/flows/w1.flow out/flame/
    perf record -F 2999 --call-graph dwarf,16384 -o out/flame/perf.data \\
        target/release/flowc run out/flame/w1.flow --param input=out/bench/retail.csv --from-start
    perf script -i out/flame/perf.data --no-inline \\
        | python3 benches/flame.py --title W1 -o docs/flame-w1.svg

A box is a function: as wide as the share of the samples in it or in what it calls, its callers
below. Frames of the runtime that lead to everything are left out, threads are put together, and
boxes under half a percent are not drawn. Without a name (kernel, stripped library) a frame is
`[kernel]` or `[library]`.
"""

import argparse
import re
import sys
from html import escape

WIDTH, ROW, TOP, LETTER = 1000, 17, 44, 6.4
FRAME = re.compile(r"^\s+[0-9a-f]+ (.*) \((.*)\)$")
HASH = re.compile(r"::h[0-9a-f]{16}$|\+0x[0-9a-f]+$")
PLAIN = re.compile(r"<[^<>]*>")
# Frames that say nothing of the work: threads, executor, panics, futures' plumbing.
PLUMBING = re.compile(
    r"^(\[unknown\]|_start|main|__libc_start|start_thread|clone3?$|__clone3|std::|core::|tokio::"
    r"|<core::|<alloc::boxed|<std::|<tokio::|<F as |alloc::boxed|__rust_begin_short|_dl_|stacker::"
    r"|entry_SYSCALL|do_syscall|x64_sys|__x64_sys|asm_|ret_from|el0)")
COLOURS = (
    ("stdlib::", "#8ecae6"), ("engine::", "#95d5b2"), ("dsl::", "#cdb4db"), ("flowc::", "#e0e1dd"),
    ("arrow", "#ffd6a5"), ("[kernel]", "#d6ccc2"),
)


class Node:
    """A function at one place of the stacks."""

    def __init__(self):
        self.samples, self.below = 0, {}


def stacks(lines):
    """The samples as lists of names, the outermost first."""
    frames, within = [], False
    for line in lines:
        if not line.strip():
            if within:
                yield frames[::-1]
            frames, within = [], False
        elif line[0] in " \t":
            match = FRAME.match(line.rstrip())
            if match:
                frames.append(name(*match.groups()))
        else:
            within = True
    if within:
        yield frames[::-1]


def name(symbol, module):
    """A function's name without its hash, its offset and its types."""
    if "kernel" in module:
        return "[kernel]"
    symbol = HASH.sub("", HASH.sub("", symbol))
    if symbol == "[unknown]":
        return "[unknown]" if "flowc" in module else "[library]"
    symbol = re.sub(r"^<(.*?) as .*?>::", r"\1::", symbol)
    for _ in range(6):
        symbol = PLAIN.sub("", symbol)
    return symbol.replace("::{{closure}}", "")


def tree(samples):
    """The samples joined at their beginnings, without plumbing and repetitions."""
    root = Node()
    for frames in samples:
        kept = [frame for frame in frames if not PLUMBING.match(frame)] or ["runtime, waiting"]
        node = root
        node.samples += 1
        last = None
        for frame in kept:
            if frame == last:
                continue
            last = frame
            node = node.below.setdefault(frame, Node())
            node.samples += 1
    return root


def boxes(node, x, depth, scale, least):
    """Name, place, width and share of each box that is wide enough."""
    for title, child in sorted(node.below.items()):
        width = child.samples * scale
        if width >= least:
            yield title, x, depth, width, child.samples
            yield from boxes(child, x, depth + 1, scale, least)
        x += width


def drawn(root, title):
    """The SVG text."""
    scale = (WIDTH - 20) / max(1, root.samples)
    found = list(boxes(root, 10.0, 0, scale, (WIDTH - 20) * 0.005))
    deepest = max((depth for _, _, depth, _, _ in found), default=0)
    height = TOP + (deepest + 1) * ROW + 14
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}">',
        "<style>text{font:11px ui-monospace,'DejaVu Sans Mono',monospace;fill:#1f2328}"
        ".t{font:600 15px system-ui,'DejaVu Sans',sans-serif}"
        "rect{stroke:#fff;stroke-width:1}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text class="t" x="12" y="27">{escape(title)}</text>',
    ]
    for what, x, depth, width, samples in found:
        y = TOP + (deepest - depth) * ROW
        share = f"{100 * samples / root.samples:.1f} %"
        room = int((width - 6) / LETTER)
        lines.append(f'<g><title>{escape(what)}: {share}</title><rect x="{x:.1f}" y="{y}" '
                     f'width="{width:.1f}" height="{ROW}" fill="{colour(what)}"/>')
        if room >= 4:
            lines.append(f'<text x="{x + 4:.1f}" y="{y + 12}">{escape(fitted(what, room))}</text>')
        lines.append("</g>")
    return "\n".join([*lines, "</svg>"]) + "\n"


def colour(what):
    """By the crate."""
    return next((fill for prefix, fill in COLOURS if what.startswith(prefix)), "#f1efe7")


def fitted(what, room):
    """As much of the name's end as there is room for."""
    if len(what) <= room:
        return what
    parts = what.split("::")
    while len(parts) > 1 and len("::".join(parts)) > room:
        parts.pop(0)
    short = "::".join(parts)
    return short if len(short) <= room else short[:room - 1] + "…"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--title", default="flowc", help="what is drawn")
    parser.add_argument("-o", "--output", required=True, help="the SVG file")
    args = parser.parse_args()
    root = tree(stacks(line for line in sys.stdin if not line.startswith("#")))
    if not root.samples:
        print("no samples on standard input: perf script …", file=sys.stderr)
        return 1
    title = f"{args.title}: CPU time by function, callers below ({root.samples:,} samples)"
    with open(args.output, "w", encoding="utf-8") as file:
        file.write(drawn(root, title))
    return 0


if __name__ == "__main__":
    sys.exit(main())
