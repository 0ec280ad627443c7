"""Puts results into the documents, so that no figure is typed by hand.

Between `<!-- bench:NAME -->` and `<!-- /bench -->` of a document stands what this writes: `table`
(works and peers), `goals`, `others`, `machine`, `readme`. The plot is `docs/performance.svg`.
"""

import json
import re
import sys

from . import plot, stats, table
from .context import ROOT

DOCUMENTS = ("docs/performance.md", "README.md")
PLOT = "docs/performance.svg"
MARKS = re.compile(r"(<!-- bench:(\w+) -->\n).*?(<!-- /bench -->)", re.DOTALL)
WORKS = ("w1", "w2", "w3")


def write(results):
    """Rewrites the marked places and the plot; the exit code."""
    if not results.exists():
        print("there are no results yet: python3 benches/run.py", file=sys.stderr)
        return 1
    found = json.loads(results.read_text(encoding="utf-8"))
    missing = [name for name in WORKS if name not in found["rows"]]
    if missing:
        print(f"not measured yet: {', '.join(missing)}", file=sys.stderr)
        return 1
    texts = {
        "table": works(found), "goals": goals(found), "machine": machine(found),
        "readme": readme(found), "others": others(found),
    }
    for name in DOCUMENTS:
        path = ROOT / name
        old = path.read_text(encoding="utf-8")
        new = MARKS.sub(lambda match: f"{match[1]}{texts[match[2]]}{match[3]}", old)
        path.write_text(new, encoding="utf-8")
        print(f"{name}: {'rewritten' if new != old else 'as it was'}")
    (ROOT / PLOT).write_text(plot.works({name: found["rows"][name] for name in WORKS}),
                             encoding="utf-8")
    print(f"{PLOT}: drawn")
    return 0


def works(found):
    """CPU seconds, wall seconds and memory of each program on each work."""
    rows = [found["rows"][name] for name in WORKS]
    names = list(dict.fromkeys(name for row in rows for name in row["programs"]))
    lines = ["| CPU s (wall s, MiB) | W1 | W2 | W3 |", "|---|---|---|---|"]
    for name in names:
        cells = [_cell(row["programs"].get(name)) for row in rows]
        lines.append(f"| {_versioned(name, found['facts'])} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def readme(found):
    """CPU seconds alone."""
    rows = [found["rows"][name] for name in WORKS]
    names = [name for name in rows[0]["programs"] if name != "limit program"]
    lines = ["| CPU seconds | CSV → NDJSON | + filter, computed field | NDJSON → three files |",
             "|---|---|---|---|"]
    for name in names:
        cells = [table.number(row["programs"].get(name, {}).get("cpu_s"), 2) for row in rows]
        lines.append(f"| {_versioned(name, found['facts'])} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def goals(found):
    """Every goal with what was found."""
    lines = ["| | goal | found | |", "|---|---|---|---|"]
    for row in found["rows"].values():
        for goal in row["goals"]:
            sign = {True: "met", False: "**missed**", None: "not measured"}[stats.met(goal)]
            lines.append(
                f"| {goal['what']} | {table.wanted(goal)} | {table.reached(goal)} | {sign} |")
    return "\n".join(lines) + "\n"


def others(found):
    """The rows that have no peer: a small table each."""
    texts = []
    for name, row in found["rows"].items():
        if name in WORKS or not row["programs"]:
            continue
        columns = [column for column in row["columns"]
                   if any(mine.get(column[0]) is not None for mine in row["programs"].values())]
        lines = [f"| {_title(row)} | " + " | ".join(column[1] for column in columns) + " |",
                 "|---|" + "---|" * len(columns)]
        for program, mine in row["programs"].items():
            cells = [table.number(mine.get(key), digits) for key, _, digits in columns]
            lines.append(f"| {program} | {' | '.join(cells)} |")
        texts.append("\n".join(lines))
    return "\n\n".join(texts) + "\n"


def machine(found):
    """The machine, the versions, when."""
    known, first = found["facts"], found["rows"][WORKS[0]]
    peers = ", ".join(f"{name} {version}" for name, version in known["peers"].items())
    return (f"{known['cores']} cores of {known['cpu']}, {known['memory_gib']} GiB, "
            f"{known['system']}, Linux {known['kernel']}, {known['rustc'].split(' (')[0]}, "
            f"Python {known['python']}, {peers}; {first['date'][:10]}, {_commits(found)}, "
            f"medians of {first['runs']} runs; {first['note']}.\n")


def _title(row):
    return row["title"].split("  ")[0]


def _cell(mine):
    if not mine or "cpu_s" not in mine:
        return "–"
    return f"**{mine['cpu_s']:.2f}** ({mine['wall_s']:.2f}, {mine['rss_mib']:.0f})"


def _versioned(name, known):
    version = known["peers"].get(name.lower())
    return f"{name} {version}" if version else name


def _commits(found):
    """The commit of the rows, or those of each where they differ."""
    commits = {}
    for name, row in found["rows"].items():
        commits.setdefault(row["commit"] + (" (quick)" if row["quick"] else ""), []).append(name)
    if len(commits) == 1:
        return f"commit {next(iter(commits))}"
    return "commits " + ", ".join(f"{key}: {', '.join(names)}" for key, names in commits.items())
