"""W1–W3 with DuckDB: COPY from and to files.

    duckdb_works.py w1|w2 IN.csv OUT.ndjson
    duckdb_works.py w3 IN.ndjson OUT.0 OUT.1 OUT.2
"""

import sys

import duckdb

COLUMNS = """{'InvoiceNo': 'VARCHAR', 'StockCode': 'VARCHAR', 'Description': 'VARCHAR',
              'Quantity': 'BIGINT', 'InvoiceDate': 'VARCHAR', 'UnitPrice': 'DOUBLE',
              'CustomerID': 'DOUBLE', 'Country': 'VARCHAR'}"""
KEPT = "where Quantity > 0 and CustomerID is not null"
TOTAL = "Quantity * UnitPrice as total"


def main(work, source, *targets):
    csv = f"read_csv('{source}', header = true, columns = {COLUMNS})"
    json = f"read_json('{source}', format = 'newline_delimited', columns = {COLUMNS})"
    if work == "w1":
        query = f"select * from {csv}"
    elif work == "w2":
        query = f"select * exclude (Description), {TOTAL} from {csv} {KEPT}"
    else:
        # Read once, written three times.
        duckdb.sql(f"create temp table kept as select *, {TOTAL} from {json} {KEPT}")
        query = "from kept"
    for target in targets:
        duckdb.sql(f"copy ({query}) to '{target}' (format json)")


main(*sys.argv[1:])
