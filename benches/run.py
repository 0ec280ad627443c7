#!/usr/bin/env python3
"""Measures flowc and its peers, and prints medians, ratios and goals.

    python3 benches/run.py                    everything, five runs each (about half an hour)
    python3 benches/run.py --quick            the same with two short runs
    python3 benches/run.py --only w1,http     some rows: {rows}
    python3 benches/run.py --write-docs       no run: puts the last results into docs and README

Builds flowc, makes the input files and an environment with the peers under `out/bench`, and writes
`out/bench/results.json`; rows that are not run now stay in it as they were. Needs Linux, Rust and
Python 3.11 or newer with `venv`; wrk for the row `http`. Nothing else should run on the machine.

Exit code: 0 measured, 1 a result is wrong or a row could not be measured, 2 wrong usage,
130 Ctrl-C. Whether a goal is met does not change it.
"""

import argparse
import json
import os
import pathlib
import signal
import sys

sys.dont_write_bytecode = True

from bench import aws, docs, facts, ingest, kernels, shop  # noqa: E402
from bench import single, starts, table, venv, works  # noqa: E402
from bench.context import OUT, Context, build  # noqa: E402
from bench.process import Failed  # noqa: E402

ROWS = {
    "w1": lambda context: works.measure("w1", context),
    "w2": lambda context: works.measure("w2", context),
    "w3": lambda context: works.measure("w3", context),
    "ecommerce": shop.ecommerce,
    "tenfold": shop.tenfold,
    "http": ingest.measure,
    "latency": single.measure,
    "aws": aws.measure,
    "check": starts.check,
    "start": starts.start,
    "allocations": kernels.allocations,
    "kernels": kernels.kernels,
}
RESULTS = OUT / "results.json"
BUSY = 0.5


def main():
    args = arguments()
    if args.write_docs:
        return docs.write(RESULTS)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    OUT.mkdir(parents=True, exist_ok=True)
    if os.getloadavg()[0] > BUSY:
        print(f"the machine is busy (load {os.getloadavg()[0]:.1f}): the figures will be too high")
    try:
        context = Context(
            flowc=(args.flowc or build(say)).resolve(),
            limit=args.limit and args.limit.resolve(),
            data=args.data and args.data.resolve(),
            runs=args.runs or (2 if args.quick else 5),
            quick=args.quick,
            say=say,
        )
        known = facts.facts(venv.versions(say))
    except Failed as failed:
        say("")
        print(failed, file=sys.stderr)
        return 1
    say("")
    print(table.facts(known))
    return measured(args.only, context, known)


def measured(names, context, known):
    """Runs the rows and prints each when it is done; gives the exit code."""
    parts, wrong = {}, False
    for name in names:
        moment = facts.moment()
        try:
            part = ROWS[name](context)
        except Failed as failed:
            wrong = True
            say("")
            print(f"\n{name}: {failed}")
            continue
        parts[name] = {**part, **moment, "runs": context.runs, "quick": context.quick}
        wrong = wrong or part["failed"]
        say("")
        print(table.section(part), flush=True)
        save(parts, known)
    goals = table.goals(parts.values())
    if goals:
        print(goals)
    print(f"\nwritten to {os.path.relpath(RESULTS)}")
    return 1 if wrong else 0


def save(parts, known):
    """Puts the new rows into the file of results."""
    old = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else {}
    rows = {name: parts.get(name) or old.get(name) for name in ROWS}
    kept = {"facts": known, "rows": {name: row for name, row in rows.items() if row}}
    RESULTS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def say(text):
    """Progress, on one line of a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text[:98]}", end="", file=sys.stderr, flush=True)


def arguments():
    doc = __doc__.replace("{rows}", ", ".join(ROWS))
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="ROWS", help="rows, joined by commas; default: all")
    parser.add_argument("--runs", type=int, metavar="N", help="of each program; default 5")
    parser.add_argument("--quick", action="store_true", help="two runs, short ones")
    parser.add_argument("--data", type=pathlib.Path, metavar="FILE", help="the published CSV file")
    parser.add_argument("--flowc", type=pathlib.Path, metavar="FILE", help="use this build")
    parser.add_argument("--limit", type=pathlib.Path, metavar="FILE", help="the limit program")
    parser.add_argument("--write-docs", action="store_true", help="results into docs and README")
    args = parser.parse_args()
    args.only = args.only.split(",") if args.only else list(ROWS)
    for name in args.only:
        if name not in ROWS:
            parser.error(f"no row {name!r}: {', '.join(ROWS)}")
    for path in (args.data, args.flowc, args.limit):
        if path is not None and not path.exists():
            parser.error(f"{path} is not there")
    if args.runs is not None and args.runs < 1:
        parser.error("--runs is at least 1")
    return args


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        sys.exit(130)
