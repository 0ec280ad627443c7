#!/usr/bin/env python3
"""The independent checker: compares what was stored with what went in, and counts what differs.

    checker.py shop CSV DIR      flows/ecommerce.flow: CSV is its input, DIR its out/local
    checker.py lines WANT HAVE   two files of lines: HAVE must hold the lines of WANT, in order
    checker.py acked WANT DIR    WANT is the log of a client (`id` of each record that was answered
                                 with success, in order), DIR a directory of objects with lines of
                                 JSON that have `id` and `key`

It is code of its own: it reads only the input and the sinks, and nothing that flowc says. Prints
one line of JSON with

  lost         wanted and nowhere in a sink
  extra        in a sink and never given
  duplicated   more often in a sink than wanted
  reordered    not in the order of the input, within a key
  altered      under the right key, with another value

Exit code: 0 none of them, 1 some, 2 the arguments are wrong or a file cannot be read.
"""

import json
import pathlib
import sqlite3
import sys
from collections import Counter, defaultdict

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import verify  # noqa: E402  the reading of the shop's files, of no code of flowc


class Found:
    def __init__(self):
        self.counts = dict.fromkeys(["lost", "extra", "duplicated", "reordered", "altered"], 0)
        self.first = []

    def add(self, kind, number, what):
        if number:
            self.counts[kind] += number
            self.first.append(f"{kind} {number}: {what}"[:300])

    def rows(self, where, have, want):
        """Compares two Counters of rows."""
        lost, more = want - have, have - want
        again = {row: number for row, number in more.items() if row in want}
        new = {row: number for row, number in more.items() if row not in want}
        self.add("lost", sum(lost.values()), f"{where}: {sorted(lost, key=repr)[:2]}")
        self.add("duplicated", sum(again.values()), f"{where}: {list(again)[:2]}")
        self.add("extra", sum(new.values()), f"{where}: {list(new)[:2]}")

    def items(self, where, have, want):
        """Compares two dicts."""
        lost, new = want.keys() - have.keys(), have.keys() - want.keys()
        other = [key for key in want.keys() & have.keys() if want[key] != have[key]]
        self.add("lost", len(lost), f"{where}: {sorted(lost)[:2]}")
        self.add("extra", len(new), f"{where}: {sorted(new)[:2]}")
        self.add("altered", len(other), f"{where}: {other[:2]}")

    def order(self, where, have, want):
        """Compares two lists of (key, row) by key; what is missing is counted elsewhere."""
        places = {}
        for key, row in want:
            places.setdefault(key, defaultdict(list))[row].append(len(places[key]))
        wanted = defaultdict(list)
        for key, row in want:
            wanted[key].append(row)
        found = defaultdict(list)
        for key, row in have:
            found[key].append(row)
        wrong = [key for key, rows in found.items() if rows != wanted[key]
                 and Counter(rows) == Counter(wanted[key])]
        self.add("reordered", len(wrong), f"{where}: keys {wrong[:3]}")


def shop(found, source, stored):
    rows = list(verify.read_csv(source))
    want = Counter(rows)
    lake = stored / "s3" / "s3-bucket-de"
    archive = sorted(lake.glob("*.txt"), key=lambda path: path.name.split("-")[-2:])
    in_archive = read_objects(found, "archive", archive, 4 << 20)
    found.rows("archive", Counter(in_archive), want)
    found.order("archive", [(row[0], row) for row in in_archive], [(row[0], row) for row in rows])
    staged = verify.files(stored / "s3" / "fire-hose-redshift")
    found.rows("staging", Counter(read_objects(found, "staging", staged)), want)
    report = Quiet()
    tables = verify.database(stored / "tables.sqlite")
    invoices, customers = verify.tables_of(rows)
    have = verify.attributes(report, tables, "invoices", "InvoiceNo", verify.STOCK)
    found.items("invoices", have, invoices)
    have = verify.attributes(report, tables, "customers", "CustomerID", verify.VISIT)
    found.items("customers", have, customers)
    warehouse = verify.database(stored / "warehouse.sqlite")
    columns = ", ".join(f'"{column}"' for column in verify.COLUMNS)
    have = Counter(warehouse.execute(f"select {columns} from _firehose_transactions"))
    found.rows("warehouse", have, want)
    one_object_a_range(found, archive)
    quarantined = [line for path in verify.files(lake / "quarantine")
                   for line in verify.lines_of(path)]
    found.add("extra", len(quarantined), f"quarantine: {quarantined[:1]}")
    found.add("altered", report.differences, f"tables: {report.seen[:2]}")


def one_object_a_range(found, paths):
    """The objects of the archive hold rows first–last, by their names: no two of them overlap."""
    ranges = sorted(tuple(int(part) for part in path.stem.split("-")[-2:]) for path in paths)
    for before, after in zip(ranges, ranges[1:]):
        if after[0] <= before[1]:
            found.add("duplicated", before[1] - after[0] + 1, f"objects {before} and {after}")


def read_objects(found, what, paths, bytes_max=None):
    rows = []
    for path in paths:
        if bytes_max and path.stat().st_size > bytes_max:
            found.add("altered", 1, f"{what}: {path.name} is too large")
        for line in verify.lines_of(path):
            try:
                rows.append(verify.json_row(line, verify.COLUMNS))
            except verify.Wrong as wrong:
                found.add("extra", 1, f"{what}: {path.name}: {wrong}")
    return rows


class Quiet:
    """A report of verify.py that prints nothing."""

    def __init__(self):
        self.differences, self.seen = 0, []

    def difference(self, what):
        self.differences += 1
        self.seen.append(what)

    def count(self, *_):
        pass

    def equal(self, what, have, want):
        if have != want:
            self.difference(f"{what}: {have}")


def lines(found, want, have):
    wanted = want.read_text().splitlines()
    there = have.read_text().splitlines() if have.exists() else []
    found.rows(have.name, Counter(there), Counter(wanted))
    if there != wanted and Counter(there) == Counter(wanted):
        found.add("reordered", 1, have.name)


def acked(found, want, stored):
    """Records that were answered must be there once; others that were sent may be, once."""
    log = [json.loads(line) for line in want.read_text().splitlines()]
    answered = [record for record in log if record["answered"]]
    sent = {record["id"]: record for record in log}
    there = []
    names = [path for path in verify.files(stored) if path.suffix == ".ndjson"]
    for path in sorted(names, key=lambda path: path.name):
        there += [json.loads(line) for line in verify.lines_of(path)]
    ids = Counter(record["id"] for record in there)
    lost = [record["id"] for record in answered if record["id"] not in ids]
    found.add("lost", len(lost), f"{lost[:3]}")
    again = [each for each, number in ids.items() if number > 1]
    found.add("duplicated", len(again), f"{again[:3]}")
    extra = [each for each in ids if each not in sent]
    found.add("extra", len(extra), f"{extra[:3]}")
    altered = [each["id"] for each in there if each["id"] in sent
               and each["text"] != sent[each["id"]]["text"]]
    found.add("altered", len(altered), f"{altered[:3]}")
    have = [(record["key"], record["id"]) for record in there]
    found.order("objects", have, [(each["key"], each["id"]) for each in log if each["id"] in ids])


def main(arguments):
    kinds = {"shop": shop, "lines": lines, "acked": acked}
    if len(arguments) != 3 or arguments[0] not in kinds:
        print(__doc__, file=sys.stderr)
        return 2
    found = Found()
    kinds[arguments[0]](found, pathlib.Path(arguments[1]), pathlib.Path(arguments[2]))
    for what in found.first:
        print(what)
    print(json.dumps({**found.counts, "first": found.first[:5]}))
    return 1 if any(found.counts.values()) else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (OSError, sqlite3.Error) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
