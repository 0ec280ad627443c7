#!/usr/bin/env python3
"""Kills the whole shop with SIGKILL at random moments, until it is through, and checks the end.

    kills.py [--long] [--trials N] [--rows N] [--flowc PROGRAM] [--seed S]

A trial is one kill, 10 to 2,000 ms after the start (short times are as likely as long ones: the
logarithm of the time is uniform). The kills of one directory go on until the run ends by itself;
then the checker compares the sinks with the input, and the next directory begins. In every second
directory writes and objects are a tenth as large, so that there are ten times as many durable
steps; every tenth directory is run once more when it is through, which must change nothing.
"""

import json
import math
import random
import subprocess
import sys

import common


SMALLER = [("batch: 500", "batch: 50"), ("max: 500", "max: 50"), ("size: 5MiB", "size: 1MiB")]


def moment(chance):
    return math.exp(chance.uniform(math.log(0.010), math.log(2.0)))


def sent_again(summary):
    """Rows that the last run read again although they were on the stream."""
    writes = [node for node in summary["nodes"] if node["id"] == "gateway/orders.write"]
    return sum(dict(node["counts"]).get("already stored", 0) for node in writes)


def one_directory(chosen, chance, tally, rows, number):
    """Kills until the run is through. Gives the kills, and the rows that came twice."""
    kills = 0
    with common.Directory(chosen, "kills") as directory:
        csv = directory / "input.csv"
        common.write_csv(csv, rows, chosen.seed * 1000 + number)
        changes = SMALLER if number % 2 else ()
        shop = common.Shop(chosen.flowc, directory / "shop", csv, changes)
        while tally.line["trials"] + kills < chosen.trials:
            with open(directory / "summary", "wb") as out:
                process = shop.start("--json", out=out)
            try:
                code = process.wait(moment(chance))
            except subprocess.TimeoutExpired:
                common.kill(process)
                kills += 1
                continue
            if code != 0:
                raise common.Failed(f"a restart ended with code {code}: {shop.said()}")
            again = sent_again(json.loads((directory / "summary").read_text()))
            break
        else:
            again = sent_again(shop.to_the_end())
        found = shop.check()
        if any(found[kind] for kind in common.KINDS):
            raise common.Failed(f"{directory}: {found}")
        if number % 10 == 0:
            shop.to_the_end()
            found = shop.check()
        tally.add(found)
    return kills, again


def main(arguments):
    rows = 0
    if "--rows" in arguments:
        at = arguments.index("--rows")
        rows, arguments = int(arguments[at + 1]), arguments[:at] + arguments[at + 2:]
    chosen = common.options(__doc__, arguments, (5, 1000))
    rows = rows or (40_000 if chosen.long else 3_000)
    tally, chance = common.Tally("kills", chosen), random.Random(chosen.seed)
    runs, again_max, per_run = 0, 0, []
    while tally.line["trials"] < chosen.trials:
        try:
            kills, again = one_directory(chosen, chance, tally, rows, runs)
        except common.Failed as failed:
            tally.problem(str(failed))
            tally.line["stuck"] += "stuck" in str(failed)
            break
        tally.line["trials"] += kills
        runs, again_max = runs + 1, max(again_max, again)
        per_run.append(kills)
        print(f"run {runs}: {kills} kills, {tally.line['trials']} in all", flush=True)
    return tally.end(runs=runs, rows_each=rows, kills_each_max=max(per_run, default=0),
                     before_dedupe_max=again_max, bound=262_144)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
