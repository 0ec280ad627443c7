"""W1–W3 with the Python standard library: `csv` and `json`.

    stdlib_works.py w1|w2 IN.csv OUT.ndjson
    stdlib_works.py w3 IN.ndjson OUT.0 OUT.1 OUT.2
"""

import contextlib
import csv
import json
import sys

ENCODE = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


def typed(file):
    """The rows of the CSV with their numbers."""
    rows = csv.reader(file)
    header = next(rows)
    for row in rows:
        row[2] = row[2] or None
        row[3] = int(row[3])
        row[5] = float(row[5])
        row[6] = float(row[6]) if row[6] else None
        yield dict(zip(header, row))


def kept(rows):
    """Those that are sold to somebody, with their total."""
    for row in rows:
        if row["Quantity"] > 0 and row["CustomerID"] is not None:
            row["total"] = row["Quantity"] * row["UnitPrice"]
            yield row


def without(rows, name):
    for row in rows:
        del row[name]
        yield row


def main(work, source, *targets):
    with contextlib.ExitStack() as files:
        file = files.enter_context(open(source, encoding="utf-8", newline=""))
        how = {"encoding": "utf-8", "newline": "", "buffering": 1 << 20}
        outs = [files.enter_context(open(target, "w", **how)) for target in targets]
        rows = map(json.loads, file) if work == "w3" else typed(file)
        if work != "w1":
            rows = kept(rows)
        if work == "w2":
            rows = without(rows, "Description")
        for row in rows:
            line = ENCODE(row) + "\n"
            for out in outs:
                out.write(line)


main(*sys.argv[1:])
