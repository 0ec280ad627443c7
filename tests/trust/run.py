#!/usr/bin/env python3
"""Runs every experiment of the trust benchmark and prints all numbers.

    run.py [--long] [--only NAME]… [--seed S] [--flowc PROGRAM] [--json FILE] [--write-docs]
    run.py --list | --from-json FILE

Short by default (a few minutes); --long gives the full figures: 1,000 `kill -9`, every failpoint,
10,000 seeds of the simulation, the disk experiments, the storm of partial failures, 2,000 loads
into Redshift, all planted bugs. Each experiment is a program of its own, whose last line is a JSON
object (`experiment`, `trials`, `lost`, `duplicated`, `extra`, `stuck`, `seconds`, and its
own figures) and whose exit code is 0 where nothing was wrong.

With 0 losses in n independent trials the 95 % upper bound on the chance of a loss is about 3/n: the
table says it. --json keeps what was found (default: target/trust.json), --write-docs writes it into
docs/guarantees.md. PROGRAM is a built flowc with the front beside it (default: those of
target/release, else target/debug): `cargo build --release --bins -p flowc -p awsfront`.

Exit code: 0 nothing was lost and nothing else was wrong, 1 something was (with --long or
--write-docs also: an experiment could not run here), 2 an argument is wrong.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

import front as aws

ROOT = aws.ROOT
HERE = pathlib.Path(__file__).resolve().parent
DOCS = ROOT / "docs/guarantees.md"
MARKS = ("<!-- trust: begin -->", "<!-- trust: end -->")
COUNTS = ("lost", "duplicated", "extra", "stuck")
# What a line says beside its own figures; those that count something bad only where it is there.
KNOWN = {"experiment", "trials", *COUNTS, "seconds", "shows", "problem", "skipped", "code", "long",
         "seed", "loss_probability_below"}
BAD = {"reordered", "altered", "problems", "seeds_failed", "traces_differ"}
LONG_S, SHORT_S = 4 * 3600, 1800


def script(name):
    """An experiment that is a script beside this one."""
    def command(options):
        return [sys.executable, HERE / f"{name}.py", *(["--long"] if options.long else []),
                *(["--flowc", options.flowc] if options.flowc else []),
                *(["--seed", str(options.seed)] if options.seed is not None else [])]
    return command


def simulation(options):
    """The deterministic simulation of the engine."""
    cargo = ["cargo", "test", "--quiet", "--package", "engine", "--test", "simulation"]
    seeds = ["--seeds", "10000" if options.long else "200"]
    first = ["--from", str(options.seed)] if options.seed is not None else []
    return [*cargo, *(["--release"] if options.long else []), "--", *seeds, *first]


def planted(options):
    return [sys.executable, ROOT / "tests/planted/run.py",
            *([] if options.long else ["--quick"])]


# What runs, in this order: its name, its command, and what it shows.
EXPERIMENTS = [
    ("kills", script("kills"), "`kill -9` of the whole shop at random moments"),
    ("failpoints", script("failpoints"), "a crash at every durable step, first and seventh hit"),
    ("signals", script("signals"), "SIGTERM under load and with a dead sink, SIGSTOP"),
    ("disk", script("disk"), "a full disk and failing syncs"),
    ("damage", script("damage"), "logs torn at every byte, flipped bits, missing segments"),
    ("durable", script("durable"), "what a 202 confirms was synced before, with its directories"),
    ("simulation", simulation, "random graphs, faults and crashes in simulated time"),
    ("storm", script("storm"), "30 % of the entries fail, 5 % of the replies are lost"),
    ("loads", script("loads"), "loads into Redshift by two rivals that are killed"),
    ("planted", planted, "bugs that are planted are caught"),
]
SHOWS = {name: shows for name, _, shows in EXPERIMENTS}


def run(name, command, options):
    """Runs an experiment, its words on standard error; gives what its last line says."""
    print(f"── {name}: {' '.join(str(part) for part in command)}", file=sys.stderr, flush=True)
    began, last = time.monotonic(), ""
    if not all(path.is_file() for path in command if isinstance(path, pathlib.Path)):
        return {"experiment": name, "long": options.long, "code": 0, "seconds": 0,
                "skipped": f"{pathlib.Path(command[1]).relative_to(ROOT)} is not there"}
    child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             text=True, start_new_session=True)
    limit = LONG_S if options.long else SHORT_S
    timer = threading.Timer(limit, os.killpg, (child.pid, signal.SIGKILL))
    timer.start()
    for line in child.stdout:
        print(line, end="", file=sys.stderr, flush=True)
        last = line.strip() or last
    code = child.wait()
    timer.cancel()
    if time.monotonic() - began >= limit:
        last = json.dumps({"stuck": 1, "problem": f"not done after {limit:,} s"})
    found = simulated(last) or parsed(last)
    found = {**found, "experiment": name, "long": options.long, "code": code}
    found.setdefault("seconds", round(time.monotonic() - began, 1))
    return found


def parsed(last):
    """The JSON object of an experiment's last line."""
    try:
        found = json.loads(last)
        if isinstance(found, dict):
            return found
    except ValueError:
        pass
    return {"problem": f"its last line is no JSON: {last[:200]!r}"}


def simulated(last):
    """The numbers of the line that the simulation ends with; None = it is not that line."""
    said = re.match(r"simulation: (\d+) seeds, (\d+) simulated hours in ([\d.]+) s \((\d+) times "
                    r"real time\), (\d+) run twice, (\d+) of them with another trace; (\d+) rows, .* "
                    r"(\d+) seeds failed", last)
    if not said:
        return None
    seeds, hours, seconds, ratio, twice, differ, rows, failed = said.groups()
    return {"trials": int(seeds), "lost": 0 if failed == "0" else None, "seconds": float(seconds),
            "seeds_failed": int(failed), "simulated_hours": int(hours), "times_real": int(ratio),
            "run_twice": int(twice), "traces_differ": int(differ), "rows": int(rows)}


def wrong(found, must_run):
    """Whether something is wrong; what did not run is, where it `must_run`."""
    bad = any(found.get(name) for name in (*COUNTS, *BAD))
    ran = "skipped" not in found and found.get("trials")
    return bool(found["code"] or found.get("problem") or bad or (must_run and not ran))


def bound(found):
    """The 95 % upper bound on the chance of a loss, where none was seen."""
    trials = found.get("trials", 0)
    if not trials or found.get("lost") is None:
        return ""
    return f"{3 / trials:.1e}" if found["lost"] == 0 else f"{found['lost'] / trials:.1e} seen"


def figures(found):
    """What an experiment says beside the common numbers."""
    said = [SHOWS.get(found["experiment"], "")]
    own = [(name, value) for name, value in found.items()
           if name not in KNOWN and (value or name not in BAD)]
    said += [f"{name.replace('_', ' ')} {value:,}" for name, value in own
             if isinstance(value, (int, float)) and not isinstance(value, bool)]
    said += [f"{name.replace('_', ' ')} {value}" for name, value in own
             if isinstance(value, str) and len(value) <= 60]
    if "problem" in found:
        said.insert(0, f"WRONG: {found['problem']}")
    if "skipped" in found:
        said.insert(0, f"skipped: {found['skipped']}")
    return "; ".join(part for part in said if part)


def table(all_found):
    """The numbers as a Markdown table, which reads well on a terminal too."""
    head = ["experiment", "trials", *COUNTS, "loss below (95 %)", "seconds", "shows"]
    count = lambda found, name: "" if found.get(name) is None else f"{found[name]:,}"  # noqa: E731
    rows = [[found["experiment"], f"{found.get('trials', 0):,}",
             *(count(found, name) for name in COUNTS), bound(found),
             f"{found['seconds']:,.0f}", figures(found)] for found in all_found]
    wide = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head) - 1)] + [0]
    right = range(1, len(head) - 1)

    def line(cells):
        return "| " + " | ".join(cell.rjust(size) if at in right else cell.ljust(size)
                                 for at, (cell, size) in enumerate(zip(cells, wide))) + " |"

    rule = "|" + "|".join("-" * (size + 1) + (":" if at in right else "-")
                          for at, size in enumerate(wide[:-1])) + "|---|"
    return "\n".join([line(head), rule, *(line(row) for row in rows)])


def write_docs(all_found):
    """Puts the table between the marks of the page."""
    text = DOCS.read_text() if DOCS.exists() else f"# Guarantees\n\n{MARKS[0]}\n{MARKS[1]}\n"
    before, begin, rest = text.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not begin or not end:
        raise SystemExit(f"{DOCS} has no lines {MARKS[0]} and {MARKS[1]}")
    day = datetime.date.today().isoformat()
    how = "tests/trust/run.py --long" if all(found["long"] for found in all_found) \
        else "tests/trust/run.py"
    said = f"`{how}`, {day}, {machine()}:"
    DOCS.write_text(f"{before}{begin}\n{said}\n\n{table(all_found)}\n{end}{after}")


def machine():
    kernel = os.uname()
    return f"{os.cpu_count()} cores, {kernel.sysname} {kernel.machine}"


def arguments():
    names = [name for name, *_ in EXPERIMENTS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--long", action="store_true", help="the full figures")
    parser.add_argument("--only", action="append", choices=names, metavar="NAME",
                        help=", ".join(names))
    parser.add_argument("--seed", type=int)
    parser.add_argument("--flowc", type=os.path.abspath)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--from-json", type=pathlib.Path, metavar="FILE",
                        help="print what such a file holds, and run nothing")
    parser.add_argument("--list", action="store_true", help="print the commands, and run nothing")
    return parser.parse_args()


def main():
    options = arguments()
    chosen = [(name, make(options)) for name, make, _ in EXPERIMENTS
              if not options.only or name in options.only]
    if options.list:
        for name, command in chosen:
            print(f"{name}: {' '.join(str(part) for part in command)}")
        return 0
    if options.from_json:
        all_found = json.loads(options.from_json.read_text())
    else:
        all_found = [run(name, command, options) for name, command in chosen]
        place = options.json or aws.targets()[0] / "trust.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(all_found, indent=1) + "\n")
    print(table(all_found))
    if options.write_docs:
        write_docs(all_found)
    must_run = options.long or options.write_docs
    bad = [found["experiment"] for found in all_found if wrong(found, must_run)]
    if missing := [found["experiment"] for found in all_found if "skipped" in found]:
        print(f"not measured: {', '.join(missing)}")
    print(f"WRONG: {', '.join(bad)}" if bad else "OK")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
