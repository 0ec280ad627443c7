"""What W1, W2 and W3 must give, by the Python standard library alone, and the comparison.

    reference.py w1|w2|w3 exact|near INPUT.csv OUTPUT.ndjson

Reads the CSV with exact decimals, computes the expected record of each row, and compares it with
the line of the output: the number of records, the names, every value. `exact` wants every number
to be the same decimal number; `near` allows floats: a relative difference of 1e-12. The order is
that of the input. Prints the number of records, or the first difference and exit code 1.
"""

import csv
import itertools
import json
import sys
from decimal import Decimal

NEAR = Decimal("1e-12")


def expected(path, work):
    """The records, in the order of the input."""
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            quantity = int(row["Quantity"])
            if work != "w1" and (quantity <= 0 or not row["CustomerID"]):
                continue
            price = Decimal(row["UnitPrice"])
            row["Quantity"], row["UnitPrice"] = quantity, price
            row["CustomerID"] = Decimal(row["CustomerID"]) if row["CustomerID"] else None
            row["Description"] = row["Description"] or None
            if work != "w1":
                row["total"] = quantity * price
            if work == "w2":
                del row["Description"]
            yield row


def same(want, got, near):
    """Whether two values are equal; numbers as decimals."""
    numbers = (int, Decimal)
    if not near or not isinstance(want, numbers) or not isinstance(got, numbers):
        return want == got
    return abs(want - got) <= NEAR * abs(want)


def difference(want, got, near):
    """What is wrong with a record, or None."""
    if want == got:
        return None
    if want is None or got is None:
        return "too many records" if want is None else "too few records"
    if not isinstance(got, dict) or want.keys() != got.keys():
        return f"{got} instead of {want}"
    other = [name for name in want if not same(want[name], got[name], near)]
    return ", ".join(f"{name}: {got[name]!r} instead of {want[name]!r}" for name in other) or None


def main(work, how, source, output):
    number = 0
    with open(output, encoding="utf-8") as file:
        found = (json.loads(line, parse_float=Decimal) for line in file)
        pairs = itertools.zip_longest(expected(source, work), found)
        for number, (want, got) in enumerate(pairs, 1):
            wrong = difference(want, got, how == "near")
            if wrong:
                print(f"record {number}: {wrong}")
                return 1
    print(number)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
