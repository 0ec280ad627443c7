"""The input files, made once under `out/bench`.

    published.csv   as the data set is published: ISO-8859-1, CRLF, `12/1/2010 8:26`
    retail.csv      the same rows as UTF-8, LF, `2010-12-01 08:26:00`, customers as `17850.0`
    retail.ndjson   what W1 makes of them, one object a row: the input of W3

The published file is `--data FILE`, else `../shared/data/online-retail.csv.xz` where it is there,
else the sample in `flows/data`, repeated with new invoice numbers up to as many rows.
As a script: `data.py published|retail|ndjson IN OUT`.
"""

import csv
import json
import lzma
import pathlib
import shutil
import sys
from datetime import datetime

ROWS = 541_909
COLUMNS = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice",
           "CustomerID", "Country"]


def prepare(context):
    """Makes what is not there yet; gives a dict of the paths, the rows, and where they are from."""
    from . import process
    from .context import OUT, ROOT

    OUT.mkdir(parents=True, exist_ok=True)
    shared = ROOT.parent / "shared" / "data" / "online-retail.csv.xz"
    sample = ROOT / "flows" / "data" / "online-retail.csv"
    source = context.data or (shared if shared.exists() else sample)
    names = {"published": "published.csv", "retail": "retail.csv", "ndjson": "retail.ndjson"}
    paths = {kind: OUT / name for kind, name in names.items()}
    stamp = OUT / "data.json"
    stat = source.stat()
    made_of = [str(source.resolve()), stat.st_size, stat.st_mtime_ns]
    known = json.loads(stamp.read_text()) if stamp.exists() else {}
    if known.get("made_of") != made_of or not all(path.exists() for path in paths.values()):
        context.say(f"making the input files of {source.name}")
        process.script("data.py", "published", source, paths["published"])
        process.script("data.py", "retail", paths["published"], paths["retail"])
        rows = int(process.script("data.py", "ndjson", paths["retail"], paths["ndjson"]))
        known = {"made_of": made_of, "rows": rows}
        stamp.write_text(json.dumps(known))
    origin = "the sample, repeated" if source == sample else "Online Retail (UCI, CC BY 4.0)"
    return {**paths, "rows": known["rows"], "origin": origin}


def published(source, target):
    """The file as it is published: copied, unpacked, or the sample repeated."""
    if source.suffix == ".xz":
        with lzma.open(source) as packed, open(target, "wb") as out:
            shutil.copyfileobj(packed, out, 1 << 20)
    elif source.parts[-3:] == ("flows", "data", "online-retail.csv"):
        repeated(source, target)
    else:
        shutil.copyfile(source, target)


def repeated(source, target):
    """The sample again and again, up to ROWS rows; each copy has its own invoice numbers."""
    with open(source, encoding="latin-1", newline="") as file:
        header, *rows = csv.reader(file)
    numbers = {row[0].lstrip("AC") for row in rows}
    first, step = min(map(int, numbers)), 1 + max(map(int, numbers)) - min(map(int, numbers))
    with open(target, "w", encoding="latin-1", newline="") as file:
        out = csv.writer(file, lineterminator="\r\n")
        out.writerow(header)
        for at in range(ROWS):
            copy, row = divmod(at, len(rows))
            invoice = rows[row][0]
            letter = invoice[:1] if invoice[:1] in "AC" else ""
            number = int(invoice[len(letter):]) + copy * step
            assert len(str(number)) == len(str(first)), "invoice numbers keep their length"
            out.writerow([f"{letter}{number}", *rows[row][1:]])


def retail(source, target):
    """UTF-8, LF, ISO dates, customers with a point."""
    dates = {}
    with open(source, encoding="latin-1", newline="") as file, \
            open(target, "w", encoding="utf-8", newline="") as out:
        rows, writer = csv.reader(file), csv.writer(out, lineterminator="\n")
        writer.writerow(next(rows))
        for row in rows:
            date = dates.get(row[4])
            if date is None:
                date = dates[row[4]] = str(datetime.strptime(row[4], "%m/%d/%Y %H:%M"))
            row[4] = date
            if row[6] and "." not in row[6]:
                row[6] += ".0"
            writer.writerow(row)


def ndjson(source, target):
    """One object a row: numbers as they are written, null where empty. Gives the rows."""
    text = json.JSONEncoder(ensure_ascii=False).encode
    count = 0
    with open(source, encoding="utf-8", newline="") as file, \
            open(target, "w", encoding="utf-8", newline="") as out:
        rows = csv.reader(file)
        assert next(rows) == COLUMNS, "the columns are those of the data set"
        for row in rows:
            values = [f'"{name}":{value if name in NUMBERS else text(value)}' if value
                      else f'"{name}":null' for name, value in zip(COLUMNS, row)]
            out.write("{" + ",".join(values) + "}\n")
            count += 1
    return count


NUMBERS = {"Quantity", "UnitPrice", "CustomerID"}

if __name__ == "__main__":
    KINDS = {"published": published, "retail": retail, "ndjson": ndjson}
    made = KINDS[sys.argv[1]](pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
    print(made or 0)
