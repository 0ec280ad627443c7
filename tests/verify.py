#!/usr/bin/env python3
"""Compares what a run of flows/ecommerce.flow has stored with the file it has read, item by item.

    verify.py CSV DIR

CSV is the input (ISO-8859-1), DIR the directory of the local profile (out/local). It is a second,
independent reading of the job: Python's standard library only, no code and no summary of flowc.

  archive     s3/s3-bucket-de/*.txt        every line of the file as JSON, once, as a multiset;
                                           at most 500 lines and 4 MiB in an object
  invoices    tables.sqlite                by (InvoiceNo, StockCode): the values of the last line
  customers   tables.sqlite                by (CustomerID, InvoiceNo): date and country of the last
  staging     s3/fire-hose-redshift/**     every line as JSON, once, as a multiset
  warehouse   warehouse.sqlite             _firehose_transactions (exact values) and the view
                                           firehose_transactions as multisets; every staging object
                                           loaded once
  quarantine  s3/s3-bucket-de/quarantine/  nothing

Prices are compared exactly (as thousandths), timestamps as instants (the flow reads them as UTC),
texts character by character. Prints the counts and `OK`, or the first differences of each kind.
Exit code: 0 the same, 1 a difference, 2 the arguments are wrong or a file cannot be read.
"""

import csv
import json
import pathlib
import sqlite3
import sys
from collections import Counter
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation

COLUMNS = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice",
           "CustomerID", "Country"]
STOCK = ["Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
VISIT = ["InvoiceDate", "Country"]
TEXTS = {"InvoiceNo", "StockCode", "Country"}
NULLABLE = {"Description", "CustomerID"}
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)
SHOWN_MAX = 5


class Wrong(Exception):
    """A stored value that is no line of the file, whatever the line."""


class Report:
    """Collects differences; prints as it goes."""

    def __init__(self):
        self.differences = 0

    def count(self, what, number):
        print(f"{what:<34}{number:>12,}")

    def difference(self, what):
        self.differences += 1
        print(f"  DIFFERENT  {what}")

    def equal(self, what, found, expected):
        if found != expected:
            self.difference(f"{what}: {found} instead of {expected}")

    def multiset(self, what, found, expected):
        """Compares two Counters."""
        self.listed(f"{what}: missing", expected - found)
        self.listed(f"{what}: too many", found - expected)

    def mapping(self, what, found, expected):
        """Compares two dicts."""
        self.listed(f"{what}: missing", {k: expected[k] for k in expected.keys() - found.keys()})
        self.listed(f"{what}: too many", {k: found[k] for k in found.keys() - expected.keys()})
        other = {k: f"{found[k]} instead of {expected[k]}"
                 for k in expected.keys() & found.keys() if found[k] != expected[k]}
        self.listed(f"{what}: other values", other)

    def listed(self, what, items):
        if items:
            number = sum(items.values()) if isinstance(items, Counter) else len(items)
            self.difference(f"{what}: {number:,}")
            for item in sorted(items.items(), key=repr)[:SHOWN_MAX]:
                print(f"             {item!r}")


# ── The file

def thousandths(text):
    """A decimal text as whole thousandths."""
    try:
        scaled = Decimal(text) * 1000
    except InvalidOperation:
        raise Wrong(f"`{text}` is no price") from None
    if scaled != scaled.to_integral_value():
        raise Wrong(f"`{text}` has more than three decimals")
    return int(scaled)


def csv_instant(text):
    """`12/1/2010 8:26`, taken as UTC, as microseconds since 1970."""
    day, clock = text.split(" ")
    month, day, year = day.split("/")
    hour, minute = clock.split(":")
    time = datetime(int(year), int(month), int(day), int(hour), int(minute), tzinfo=timezone.utc)
    return (time - EPOCH) // MICROSECOND


def read_csv(path):
    """The lines of the file as tuples of values in the order of COLUMNS."""
    with open(path, encoding="latin-1", newline="") as file:
        reader = csv.reader(file, strict=True)
        header = next(reader)
        if sorted(header) != sorted(COLUMNS):
            raise SystemExit(f"{path}: the header is {header}")
        place = [header.index(column) for column in COLUMNS]
        for fields in reader:
            if len(fields) != len(header):
                raise SystemExit(f"{path}: line {reader.line_num} has {len(fields)} fields")
            invoice, stock, name, quantity, date, price, customer, country = (
                fields[n] for n in place)
            yield (invoice, stock, name or None, int(quantity), csv_instant(date),
                   thousandths(price), customer or None, country)


def tables_of(rows):
    """What invoices and customers hold at the end: the last line of each key."""
    invoices, customers = {}, {}
    for invoice, stock, name, quantity, date, price, customer, country in rows:
        invoices[invoice, stock] = (name, quantity, date, price, customer, country)
        if customer is not None:
            customers[customer, invoice] = (date, country)
    return invoices, customers


# ── What is stored

def json_instant(text):
    """An RFC 3339 text as microseconds since 1970; it must name its offset."""
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise Wrong(f"`{text}` is no timestamp") from None
    if time.tzinfo is None:
        raise Wrong(f"`{text}` names no time zone")
    return (time - EPOCH) // MICROSECOND


def json_value(column, value):
    """A value of a JSON object as read_csv has it; the JSON type must be the right one."""
    if value is None and column in NULLABLE:
        return None
    if column == "InvoiceDate":
        return json_instant(value)
    if column == "UnitPrice":
        if not isinstance(value, (int, Decimal)) or isinstance(value, bool):
            raise Wrong(f"price {value!r} is no JSON number")
        return thousandths(str(value))
    if column == "Quantity":
        if not isinstance(value, int) or isinstance(value, bool):
            raise Wrong(f"quantity {value!r} is no whole JSON number")
        return value
    if not isinstance(value, str):
        raise Wrong(f"{column} {value!r} is no JSON text")
    return value


def json_row(text, columns):
    """A JSON object with these fields as a tuple; a null may be left out."""
    try:
        record = json.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise Wrong(f"no JSON ({error}): {text[:100]!r}") from None
    if not isinstance(record, dict):
        raise Wrong(f"no JSON object: {text[:100]!r}")
    return record_row(record, columns)


def record_row(record, columns):
    """A record with these fields as a tuple; a null may be left out."""
    odd = record.keys() ^ set(columns)
    if not odd <= NULLABLE or record.keys() - set(columns):
        raise Wrong(f"its fields are {sorted(record)}: {str(record)[:100]}")
    return tuple(json_value(column, record.get(column)) for column in columns)


def lines_of(path):
    """The lines of an object; a line break at its end begins no further line."""
    text = path.read_bytes().decode("utf-8")
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def objects(report, what, paths, lines_max=None, bytes_max=None):
    """All lines of some objects as a Counter of rows."""
    rows = Counter()
    for path in paths:
        lines = lines_of(path)
        if lines_max and len(lines) > lines_max:
            report.difference(f"{what}: {path.name} has {len(lines)} lines")
        if bytes_max and path.stat().st_size > bytes_max:
            report.difference(f"{what}: {path.name} has {path.stat().st_size} bytes")
        for number, line in enumerate(lines, 1):
            try:
                rows[json_row(line, COLUMNS)] += 1
            except Wrong as wrong:
                report.difference(f"{what}: {path.name}, line {number}: {wrong}")
    report.count(f"{what}: objects", len(paths))
    report.count(f"{what}: lines", sum(rows.values()))
    return rows


def files(directory):
    """The objects below a directory; what begins with a dot is no object."""
    found = directory.rglob("*") if directory.is_dir() else []
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def database(path):
    if not path.is_file():
        raise SystemExit(f"{path}: not there")
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)


def attributes(report, tables, table, key, columns):
    """The attributes of a table by (key, attribute), and its keys."""
    found = {}
    for item, attribute, value in tables.execute(
            f'select "{key}", attribute, value from "{table}_attributes"'):
        try:
            found[item, attribute] = json_row(value, columns)
        except Wrong as wrong:
            report.difference(f"{table}: {item}, {attribute}: {wrong}")
    items = {item for item, in tables.execute(f'select "{key}" from "{table}"')}
    report.equal(f"{table}: items without attributes", items - {key for key, _ in found}, set())
    report.count(f"{table}: items", len(items))
    report.count(f"{table}: attributes", len(found))
    return found


def view_instant(text):
    """`2010-12-01 08:26:00[.ffffff]` as microseconds since 1970."""
    form = "%Y-%m-%d %H:%M:%S.%f" if "." in text else "%Y-%m-%d %H:%M:%S"
    return (datetime.strptime(text, form).replace(tzinfo=timezone.utc) - EPOCH) // MICROSECOND


# ── The comparison

def check_warehouse(report, directory, expected, staged):
    warehouse = database(directory / "warehouse.sqlite")
    columns = ", ".join(f'"{column}"' for column in COLUMNS)
    base = Counter(warehouse.execute(f"select {columns} from _firehose_transactions"))
    report.count("warehouse: rows", sum(base.values()))
    report.multiset("warehouse, exact values", base, expected)
    # Each text of the view is read once: there are few of them.
    instants, view = {}, Counter()
    for row in warehouse.execute(f"select {columns} from firehose_transactions"):
        date, price = row[4], row[5]
        if date not in instants:
            instants[date] = view_instant(date)
        exact = round(price * 1000)
        if exact / 1000 != price:
            report.difference(f"warehouse, view: price {price!r}")
        view[row[:4] + (instants[date], exact) + row[6:]] += 1
    report.multiset("warehouse, view", view, expected)
    loads = Counter(dict(warehouse.execute(
        "select key, rows from _loads where table_name = 'firehose_transactions'")))
    root = directory / "s3" / "fire-hose-redshift"
    lines = Counter({str(path.relative_to(root)): len(lines_of(path)) for path in staged})
    report.multiset("warehouse, rows of each object loaded", loads, lines)
    report.count("warehouse: objects loaded", len(loads))
    report.count("warehouse: sum(Quantity)", sum(row[3] * n for row, n in base.items()))
    revenue = sum(row[3] * row[5] * n for row, n in base.items())
    report.count("warehouse: revenue", Decimal(revenue) / 1000)


def check_tables(report, directory, rows):
    invoices, customers = tables_of(rows)
    tables = database(directory / "tables.sqlite")
    found = attributes(report, tables, "invoices", "InvoiceNo", STOCK)
    report.mapping("invoices", found, invoices)
    found = attributes(report, tables, "customers", "CustomerID", VISIT)
    report.mapping("customers", found, customers)


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    source, directory = pathlib.Path(arguments[0]), pathlib.Path(arguments[1])
    for path in [source, directory]:
        if not path.exists():
            print(f"{path}: not there", file=sys.stderr)
            return 2
    report = Report()
    rows = list(read_csv(source))
    expected = Counter(rows)
    report.count("file: lines", len(rows))
    lake = directory / "s3" / "s3-bucket-de"
    archive = sorted(lake.glob("*.txt"))
    found = objects(report, "archive", archive, lines_max=500, bytes_max=4 << 20)
    report.multiset("archive", found, expected)
    staged = files(directory / "s3" / "fire-hose-redshift")
    found = objects(report, "staging", staged)
    report.multiset("staging", found, expected)
    check_tables(report, directory, rows)
    check_warehouse(report, directory, expected, staged)
    quarantined = [line for path in files(lake / "quarantine") for line in lines_of(path)]
    report.count("quarantine: lines", len(quarantined))
    report.listed("quarantine", Counter(quarantined))
    other = set(files(lake)) - set(archive) - set(files(lake / "quarantine"))
    report.equal("other objects in s3-bucket-de", other, set())
    print("OK" if report.differences == 0 else f"{report.differences} differences")
    return 0 if report.differences == 0 else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (OSError, sqlite3.Error) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
