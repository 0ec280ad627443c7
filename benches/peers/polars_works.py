"""W1–W3 with polars: lazy frames, streamed into NDJSON files.

    polars_works.py w1|w2 IN.csv OUT.ndjson
    polars_works.py w3 IN.ndjson OUT.0 OUT.1 OUT.2
"""

import sys

import polars as pl

SCHEMA = {
    "InvoiceNo": pl.String, "StockCode": pl.String, "Description": pl.String,
    "Quantity": pl.Int64, "InvoiceDate": pl.String, "UnitPrice": pl.Float64,
    "CustomerID": pl.Float64, "Country": pl.String,
}


def main(work, source, *targets):
    if work == "w3":
        rows = pl.scan_ndjson(source, schema=SCHEMA)
    else:
        rows = pl.scan_csv(source, schema=SCHEMA)
    if work != "w1":
        rows = rows.filter(pl.col("Quantity") > 0, pl.col("CustomerID").is_not_null())
        rows = rows.with_columns(total=pl.col("Quantity") * pl.col("UnitPrice"))
    if work == "w2":
        rows = rows.drop("Description")
    if len(targets) == 1:
        rows.sink_ndjson(targets[0], engine="streaming")
    else:
        sinks = [rows.sink_ndjson(target, lazy=True) for target in targets]
        pl.collect_all(sinks, engine="streaming")


main(*sys.argv[1:])
