"""W1–W3 with bytewax: its file sources, batches of 1,000, one worker.

    bytewax_works.py w1|w2 IN.csv OUT.ndjson
    bytewax_works.py w3 IN.ndjson OUT.0 OUT.1 OUT.2

Its own file sink writes one line a call and waits for the disk after each batch; this one writes
the lines of a batch at once and does not wait, which is faster.
"""

import json
import sys

import bytewax.operators as op
from bytewax.connectors.files import CSVSource, FileSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.run import cli_main

ENCODE = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


class Lines(StatelessSinkPartition):
    """Writes lines to a file."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8", newline="", buffering=1 << 20)

    def write_batch(self, items):
        self.file.write("".join(items))

    def close(self):
        self.file.close()


class File(DynamicSink):
    """A file of one worker."""

    def __init__(self, path):
        self.path = path

    def build(self, step_id, worker_index, worker_count):
        return Lines(self.path)


def typed(row):
    row["Description"] = row["Description"] or None
    row["Quantity"] = int(row["Quantity"])
    row["UnitPrice"] = float(row["UnitPrice"])
    row["CustomerID"] = float(row["CustomerID"]) if row["CustomerID"] else None
    return row


def kept(row):
    return row["Quantity"] > 0 and row["CustomerID"] is not None


def priced(row):
    row["total"] = row["Quantity"] * row["UnitPrice"]
    return row


def without_description(row):
    del row["Description"]
    return row


def main(work, source, *targets):
    flow = Dataflow(work)
    if work == "w3":
        rows = op.map("parse", op.input("in", flow, FileSource(source)), json.loads)
    else:
        rows = op.map("typed", op.input("in", flow, CSVSource(source)), typed)
    if work != "w1":
        rows = op.map("total", op.filter("kept", rows, kept), priced)
    if work == "w2":
        rows = op.map("without", rows, without_description)
    lines = op.map("encode", rows, lambda row: ENCODE(row) + "\n")
    for number, target in enumerate(targets):
        op.output(f"out{number}", lines, File(target))
    cli_main(flow)


main(*sys.argv[1:])
