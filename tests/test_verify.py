#!/usr/bin/env python3
"""verify.py must say OK to a right directory and catch each planted fault: `test_verify.py`."""

import csv
import io
import contextlib
import json
import pathlib
import shutil
import sqlite3
import tempfile
import unittest
from datetime import datetime, timezone
from decimal import Decimal

import verify

LINES = [
    "I1,A,plain ,6,12/1/2010 8:26,2.55,17850,United Kingdom",
    'I1,A,"6"" ruler, oak",-1,12/1/2010 8:27,0.001,17850,United Kingdom',
    "I1,a,,2,12/1/2010 8:27,18,17850,United Kingdom",
    "C2,A,\u00a35 token,-6,1/31/2011 17:05,-1.1,,EIRE",
    "C2,A,\u00a35 token,-6,1/31/2011 17:05,-1.1,,EIRE",
]


def records():
    for row in csv.reader(LINES):
        invoice, stock, name, quantity, date, price, customer, country = row
        time = datetime.strptime(date, "%m/%d/%Y %H:%M").replace(tzinfo=timezone.utc)
        yield {"InvoiceNo": invoice, "StockCode": stock, "Description": name or None,
               "Quantity": int(quantity), "InvoiceDate": time.isoformat(),
               "UnitPrice": float(price), "CustomerID": customer or None, "Country": country}


def right(directory):
    """A directory as a right run leaves it, as far as verify.py looks."""
    (directory / "in.csv").write_bytes("\r\n".join(
        [",".join(verify.COLUMNS), *LINES, ""]).encode("latin-1"))
    all_lines = [json.dumps(record) for record in records()]
    for bucket in ["s3-bucket-de", "fire-hose-redshift"]:
        place = directory / "s3" / bucket
        place.mkdir(parents=True)
        (place / "1.txt").write_text("\n".join(all_lines[:3]))
        (place / "2.txt").write_text("\n".join(all_lines[3:]) + "\n")
    warehouse = sqlite3.connect(directory / "warehouse.sqlite")
    warehouse.executescript(f"""
        create table _firehose_transactions ({", ".join(verify.COLUMNS)});
        create view firehose_transactions as select InvoiceNo, StockCode, Description, Quantity,
            strftime('%Y-%m-%d %H:%M:%S', InvoiceDate / 1000000, 'unixepoch') as InvoiceDate,
            UnitPrice / 1000.0 as UnitPrice, CustomerID, Country from _firehose_transactions;
        create table _loads (table_name, key, rows);
        insert into _loads values ('firehose_transactions', '1.txt', 3);
        insert into _loads values ('firehose_transactions', '2.txt', 2);""")
    tables = sqlite3.connect(directory / "tables.sqlite")
    for table, key in [("invoices", "InvoiceNo"), ("customers", "CustomerID")]:
        tables.executescript(f"""
            create table {table}_attributes ({key}, attribute, value, unique ({key}, attribute));
            create view {table} as select distinct {key} from {table}_attributes;""")
    for record in records():
        time = datetime.fromisoformat(record["InvoiceDate"])
        row = dict(record, InvoiceDate=int(time.timestamp()) * 1_000_000,
                   UnitPrice=int(Decimal(str(record["UnitPrice"])) * 1000))
        warehouse.execute("insert into _firehose_transactions values (?, ?, ?, ?, ?, ?, ?, ?)",
                          tuple(row.values()))
        put = "insert or replace into {} values (?, ?, ?)"
        stock = json.dumps({column: record[column] for column in verify.STOCK})
        tables.execute(put.format("invoices_attributes"),
                       (record["InvoiceNo"], record["StockCode"], stock))
        if record["CustomerID"]:
            visit = json.dumps({column: record[column] for column in verify.VISIT})
            tables.execute(put.format("customers_attributes"),
                           (record["CustomerID"], record["InvoiceNo"], visit))
    for database in [warehouse, tables]:
        database.commit()
        database.close()


class Verify(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        right(self.directory)
        self.archive = self.directory / "s3" / "s3-bucket-de" / "1.txt"

    def code(self):
        with contextlib.redirect_stdout(io.StringIO()):
            return verify.main([str(self.directory / "in.csv"), str(self.directory)])

    def sql(self, database, statement):
        connection = sqlite3.connect(self.directory / f"{database}.sqlite")
        self.assertGreater(connection.execute(statement).rowcount, 0)
        connection.commit()
        connection.close()
        self.assertEqual(self.code(), 1, statement)

    def edit(self, path, old, new):
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new, 1))
        self.assertEqual(self.code(), 1, f"{old} to {new}")
        path.write_text(text)
        self.assertEqual(self.code(), 0)

    def test_a_right_directory_is_ok(self):
        self.assertEqual(self.code(), 0)

    def test_a_changed_line(self):
        for old, new in [("plain ", "plain"), ("2.55", "2.551"), ("2.55", '"2.55"'),
                         ('"Quantity": 6', '"Quantity": "6"'), ("08:26:00+", "08:26:00.000001+"),
                         ("08:26:00+00:00", "08:26:00"), ("08:26:00+00:00", "08:26:00+01:00"),
                         ('"17850"', "17850"), ("{", "["), ('"Country"', '"country"')]:
            self.edit(self.archive, old, new)
            self.edit(self.directory / "s3" / "fire-hose-redshift" / "1.txt", old, new)

    def test_a_line_lost_or_twice(self):
        lines = self.archive.read_text().split("\n")
        for wrong in [lines[1:], lines + lines[:1]]:
            self.archive.write_text("\n".join(wrong))
            self.assertEqual(self.code(), 1)

    def test_an_object_more_or_less(self):
        shutil.copy(self.archive, self.archive.with_name("3.txt"))
        self.assertEqual(self.code(), 1)
        self.archive.with_name("3.txt").unlink()
        quarantine = self.archive.parent / "quarantine"
        quarantine.mkdir()
        (quarantine / "x.ndjson").write_text("{}\n")
        self.assertEqual(self.code(), 1)

    def test_a_table(self):
        self.sql("tables", "update invoices_attributes set value = replace(value, '-1', '-2') "
                           "where InvoiceNo = 'I1' and attribute = 'A'")

    def test_an_attribute_lost(self):
        self.sql("tables", "delete from invoices_attributes where attribute = 'a'")

    def test_an_item_too_many(self):
        self.sql("tables", "insert into customers_attributes select 'x', attribute, value "
                           "from customers_attributes")

    def test_a_warehouse_price(self):
        self.sql("warehouse", "update _firehose_transactions set UnitPrice = 2 where UnitPrice = 1")

    def test_a_warehouse_row_twice(self):
        self.sql("warehouse", "insert into _firehose_transactions "
                              "select * from _firehose_transactions limit 1")

    def test_a_load_forgotten(self):
        self.sql("warehouse", "delete from _loads where key = '2.txt'")


if __name__ == "__main__":
    unittest.main()
