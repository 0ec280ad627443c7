#!/usr/bin/env python3
"""Compares what a run of flows/ecommerce.flow has stored on AWS with the file it has read, item by
item, with boto3 and no code of flowc.

    aws_verify.py CSV [--rows N] --endpoint URL [--services archive,tables,…]
    aws_verify.py CSV [--rows N] [--kinesis URL] [--dynamodb URL] [--s3 URL] [--redshift URL]

CSV is the input (ISO-8859-1); with --rows only its first N lines count. --endpoint is where all
services are; an emulator may stand in for some, each with its own address. Without an address the
SDK's own configuration says where, as for any program of AWS. --services picks what is compared, by
default everything that has an address:

  stream      Kinesis  every line once by `event_id`, in the file's order per InvoiceNo
  archive     S3       s3-bucket-de/*.txt: every line, once, at most 500 lines and 4 MiB an object
  invoices    DynamoDB by (InvoiceNo, StockCode): the values of the last line
  customers   DynamoDB by (CustomerID, InvoiceNo): date and country of the last line
  staging     S3       fire-hose-redshift: every line once by `event_id`; a delivery may repeat one
  warehouse   Redshift firehose_transactions by the Data API: every line once, every staging object
                       loaded once
  quarantine  S3       s3-bucket-de/quarantine/: nothing

Names are those of the file's `profile aws`; --names lake=…,staging=…,invoices=…,customers=…,
stream=…,workgroup=…,database=…,table=… says others. Prints a line per check and `OK`.
Exit code: 0 the same, 1 a difference, 2 the arguments are wrong or a service does not answer.
"""

import argparse
import base64
import itertools
import json
import sys
from collections import Counter
from datetime import datetime, timezone
from decimal import Decimal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

import verify
from verify import COLUMNS, STOCK, VISIT, Report, Wrong

NAMES = {"stream": "APIData", "lake": "s3-bucket-de", "staging": "fire-hose-redshift",
         "invoices": "invoices", "customers": "customers", "workgroup": "analytics",
         "database": "dev", "table": "firehose_transactions", "history": "flowc_load_history"}
# Which address each check needs.
CHECKS = {"stream": "kinesis", "archive": "s3", "invoices": "dynamodb", "customers": "dynamodb",
          "staging": "s3", "warehouse": "redshift", "quarantine": "s3"}
# What the loads put beside the objects: manifests and jsonpaths.
ASIDE = "flowc/"
EVENT_ID = "event_id"
CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 10}, connect_timeout=10,
                read_timeout=90, s3={"addressing_style": "path"})


class Services:
    """Clients by their address."""

    def __init__(self, arguments):
        self.addresses = {name: getattr(arguments, name) or arguments.endpoint
                          for name in ["kinesis", "dynamodb", "s3", "redshift"]}

    def client(self, name):
        service = "redshift-data" if name == "redshift" else name
        return boto3.client(service, endpoint_url=self.addresses[name], config=CONFIG)


# ── Lines and their ids

def line_row(text):
    """A JSON line as (event id or None, row)."""
    try:
        record = json.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise Wrong(f"no JSON ({error}): {text[:100]!r}") from None
    if not isinstance(record, dict):
        raise Wrong(f"no JSON object: {text[:100]!r}")
    event = record.pop(EVENT_ID, None)
    if event is not None and not is_id(event):
        raise Wrong(f"its {EVENT_ID} is {event!r}")
    return event, verify.record_row(record, COLUMNS)


def is_id(event):
    return isinstance(event, str) and len(event) == 32 and set(event) <= set("0123456789abcdef")


class Once:
    """Rows by their event id: each once, and the same row each time."""

    def __init__(self, report, what):
        self.report, self.what, self.rows, self.repeated = report, what, {}, 0

    def add(self, event, row):
        if event is None:
            self.report.difference(f"{self.what}: a row without {EVENT_ID}: {row!r}")
        elif event not in self.rows:
            self.rows[event] = row
        elif self.rows[event] != row:
            self.report.difference(f"{self.what}: {event} is two rows: {row!r}")
        else:
            self.repeated += 1

    def compare(self, expected):
        self.report.count(f"{self.what}: event ids", len(self.rows))
        self.report.count(f"{self.what}: repeated", self.repeated)
        self.report.multiset(self.what, Counter(self.rows.values()), expected)


# ── S3

def bucket_objects(s3, bucket, prefix=""):
    """Keys and sizes, in order."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [(found["Key"], found["Size"]) for page in pages for found in page.get("Contents", [])]


def object_lines(s3, bucket, key):
    text = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode("utf-8")
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def check_archive(report, services, names, rows, expected):
    s3 = services.client("s3")
    everything = bucket_objects(s3, names["lake"])
    archive = [(key, size) for key, size in everything
               if "/" not in key and key.endswith(".txt")]
    aside = [key for key, _ in everything if key.startswith(("quarantine/", ASIDE))]
    found = Counter()
    for key, size in archive:
        lines = object_lines(s3, names["lake"], key)
        if len(lines) > 500 or size > 4 << 20:
            report.difference(f"archive: {key} has {len(lines)} lines, {size} bytes")
        for number, line in enumerate(lines, 1):
            try:
                found[verify.json_row(line, COLUMNS)] += 1
            except Wrong as wrong:
                report.difference(f"archive: {key}, line {number}: {wrong}")
    report.count("archive: objects", len(archive))
    report.count("archive: lines", sum(found.values()))
    report.multiset("archive", found, expected)
    other = {key for key, _ in everything} - {key for key, _ in archive} - set(aside)
    report.equal(f"other objects in {names['lake']}", other, set())


def staged(s3, names):
    """The keys of the staging bucket's data."""
    found = bucket_objects(s3, names["staging"])
    return [key for key, _ in found if not key.startswith(ASIDE)]


def check_staging(report, services, names, rows, expected):
    s3 = services.client("s3")
    keys, once = staged(s3, names), Once(report, "staging")
    for key in keys:
        for number, line in enumerate(object_lines(s3, names["staging"], key), 1):
            try:
                once.add(*line_row(line))
            except Wrong as wrong:
                report.difference(f"staging: {key}, line {number}: {wrong}")
    report.count("staging: objects", len(keys))
    once.compare(expected)


def check_quarantine(report, services, names, rows, expected):
    s3 = services.client("s3")
    keys = bucket_objects(s3, names["lake"], "quarantine/")
    lines = [line for key, _ in keys for line in object_lines(s3, names["lake"], key)]
    report.count("quarantine: lines", len(lines))
    report.listed("quarantine", Counter(lines))


# ── DynamoDB

def plain(value):
    """An attribute value of DynamoDB as JSON would have it."""
    (kind, inner), = value.items()
    match kind:
        case "S" | "BOOL":
            return inner
        case "N":
            number = Decimal(inner)
            return int(number) if number == number.to_integral_value() else number
        case "NULL":
            return None
        case "M":
            return {name: plain(value) for name, value in inner.items()}
        case "L":
            return [plain(value) for value in inner]
    raise Wrong(f"a value of type {kind}")


def check_table(report, services, name, table, key, columns, expected):
    """Reads all items, strongly consistent, and compares attribute by attribute."""
    pages = services.client("dynamodb").get_paginator("scan")
    found, items = {}, 0
    for page in pages.paginate(TableName=table, ConsistentRead=True):
        for item in page["Items"]:
            items += 1
            identity = item.pop(key, {}).get("S")
            if identity is None or not item:
                report.difference(f"{name}: an item without key or attributes: {str(item)[:100]}")
            for attribute, value in item.items():
                try:
                    record = plain(value)
                    if not isinstance(record, dict):
                        raise Wrong(f"no map: {record!r}")
                    found[identity, attribute] = verify.record_row(record, columns)
                except Wrong as wrong:
                    report.difference(f"{name}: {identity}, {attribute}: {wrong}")
    report.count(f"{name}: items", items)
    report.count(f"{name}: attributes", len(found))
    report.mapping(name, found, expected)


def check_invoices(report, services, names, rows, expected):
    wanted, _ = verify.tables_of(rows)
    check_table(report, services, "invoices", names["invoices"], "InvoiceNo", STOCK, wanted)


def check_customers(report, services, names, rows, expected):
    _, wanted = verify.tables_of(rows)
    check_table(report, services, "customers", names["customers"], "CustomerID", VISIT, wanted)


# ── Kinesis

def shards_in_order(kinesis, stream):
    """All shards, each behind its parents."""
    arguments, shards = {"StreamName": stream}, {}
    while True:
        page = kinesis.list_shards(**arguments)
        shards.update({shard["ShardId"]: shard for shard in page["Shards"]})
        if "NextToken" not in page:
            break
        arguments = {"NextToken": page["NextToken"]}
    done = []

    def visit(shard):
        if shard in shards and shard not in done:
            visit(shards[shard].get("ParentShardId"))
            visit(shards[shard].get("AdjacentParentShardId"))
            done.append(shard)

    for shard in sorted(shards):
        visit(shard)
    return done


def shard_records(kinesis, stream, shard):
    """The data of all records of a shard, packed ones unpacked."""
    from aws_kinesis_agg.deaggregator import iter_deaggregate_records
    iterator = kinesis.get_shard_iterator(
        StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    empty = 0
    # Some emulators never end a closed shard: two empty answers at its end are enough.
    while iterator and empty < 2:
        page = kinesis.get_records(ShardIterator=iterator, Limit=10_000)
        empty = empty + 1 if not page["Records"] and page.get("MillisBehindLatest", 0) == 0 else 0
        iterator = page.get("NextShardIterator")
        for record in iter_deaggregate_records(page["Records"], data_format="Boto3"):
            data = record["kinesis"]["data"]
            yield base64.b64decode(data) if record["kinesis"].get("aggregated") else data


def check_stream(report, services, names, rows, expected):
    kinesis, once, order = services.client("kinesis"), Once(report, "stream"), {}
    for shard in shards_in_order(kinesis, names["stream"]):
        for data in shard_records(kinesis, names["stream"], shard):
            try:
                event, row = line_row(data.decode("utf-8"))
            except (Wrong, UnicodeDecodeError) as wrong:
                report.difference(f"stream: {shard}: {wrong}")
                continue
            if event not in once.rows:
                order.setdefault(row[0], []).append(row)
            once.add(event, row)
    once.compare(expected)
    wanted = {}
    for row in rows:
        wanted.setdefault(row[0], []).append(row)
    moved = {invoice: "other order" for invoice in wanted
             if order.get(invoice) != wanted[invoice]
             and Counter(order.get(invoice, [])) == Counter(wanted[invoice])}
    report.listed("stream: order per InvoiceNo", moved)


# ── Redshift

def select(data, names, sql):
    """Rows of values; numbers of decimal columns are texts."""
    answer = data.execute_statement(
        WorkgroupName=names["workgroup"], Database=names["database"], Sql=sql)
    while True:
        state = data.describe_statement(Id=answer["Id"], WaitTimeSeconds=30)
        if state["Status"] in ("FAILED", "ABORTED"):
            raise SystemExit(f"{sql}: {state.get('Error')}")
        if state["Status"] == "FINISHED":
            break
    token = {}
    while True:
        page = data.get_statement_result(Id=answer["Id"], **token)
        for record in page["Records"]:
            yield tuple(None if field.get("isNull") else next(iter(field.values()))
                        for field in record)
        if "NextToken" not in page:
            return
        token = {"NextToken": page["NextToken"]}


def check_warehouse(report, services, names, rows, expected):
    data, once = services.client("redshift"), Once(report, "warehouse")
    columns = ", ".join(column.lower() for column in COLUMNS)
    for event, *row in select(data, names, f"select {EVENT_ID}, {columns} from {names['table']}"):
        try:
            row[4], row[5] = verify.view_instant(row[4]), verify.thousandths(row[5])
        except (Wrong, ValueError, TypeError) as wrong:
            report.difference(f"warehouse: {row!r}: {wrong}")
            continue
        once.add(event, tuple(row))
    once.compare(expected)
    report.equal("warehouse: rows twice", once.repeated, 0)
    loads = list(select(data, names, f"select bucket, \"key\", \"rows\" from {names['history']} "
                                     f"where table_name = '{names['table']}'"))
    report.count("warehouse: objects loaded", len(loads))
    report.listed("warehouse: objects loaded twice",
                  Counter(key for _, key, _ in loads) - Counter({key for _, key, _ in loads}))
    if services.addresses["s3"] or not any(services.addresses.values()):
        keys = staged(services.client("s3"), names)
        report.multiset("warehouse: objects loaded",
                        Counter({key for _, key, _ in loads}), Counter(keys))
    report.count("warehouse: sum(Quantity)", sum(row[3] for row in once.rows.values()))
    revenue = sum(row[3] * row[5] for row in once.rows.values())
    report.count("warehouse: revenue", Decimal(revenue) / 1000)


# ── The command

def arguments_of(argv):
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("csv")
    parser.add_argument("--rows", type=int)
    for name in ["endpoint", "kinesis", "dynamodb", "s3", "redshift"]:
        parser.add_argument(f"--{name}")
    parser.add_argument("--services", type=lambda text: text.split(","))
    parser.add_argument("--names", default="")
    parser.error = lambda message: sys.exit(f"{message}\n\n{__doc__}")
    return parser.parse_args(argv)


def main(argv):
    arguments = arguments_of(argv)
    services, names = Services(arguments), dict(NAMES)
    for pair in filter(None, arguments.names.split(",")):
        name, _, value = pair.partition("=")
        if name not in names:
            raise SystemExit(f"--names: `{name}` is none of {', '.join(names)}")
        names[name] = value
    some = any(services.addresses.values())
    checks = arguments.services or [check for check, service in CHECKS.items()
                                    if not some or services.addresses[service]]
    unknown = [check for check in checks if check not in CHECKS]
    if unknown:
        raise SystemExit(f"--services: {unknown} is none of {', '.join(CHECKS)}")
    report = Report()
    rows = list(itertools.islice(verify.read_csv(arguments.csv), arguments.rows))
    expected = Counter(rows)
    report.count("file: lines", len(rows))
    for check in checks:
        before = report.differences
        globals()[f"check_{check}"](report, services, names, rows, expected)
        print(f"{check + ': ' + ('same' if report.differences == before else 'DIFFERENT')}")
    print("OK" if report.differences == 0 else f"{report.differences} differences")
    return 0 if report.differences == 0 else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (OSError, BotoCoreError, ClientError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except SystemExit as stop:
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
            sys.exit(2)
        raise
