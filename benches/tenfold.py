#!/usr/bin/env python3
"""Makes a file several times as large out of an online shop's CSV file: the same rows, new invoices.

    tenfold.py IN.csv OUT.csv [--times N]

OUT has the header once and the rows of IN N times (default 10, at most 10). The first copy is the
rows as they are; in each other one the first digit of the invoice number (the first column: an
optional letter and digits, `536365`, `C536379`) is the next one, so no two copies share an invoice.
All other bytes stay as they are, whatever their encoding. IN is read once for each copy, a record
at a time. Python's standard library only.

Exit code: 0 written, 1 the file is not of that form, 2 the arguments are wrong.
"""

import argparse
import re
import sys

INVOICE = re.compile(rb"([A-Za-z]?)([0-9])([0-9]+),")
TIMES_MAX = 10


class Malformed(Exception):
    """The input is no file of invoices that can be told apart by their first digit."""


def records(lines):
    """The records of a file: a line, or several where a quoted field holds line ends."""
    record, is_open = b"", False
    for line in lines:
        record += line
        is_open ^= line.count(b'"') % 2 == 1
        if not is_open:
            yield record
            record = b""
    if record:
        raise Malformed("a quote is not closed")


def write_copy(path, out, copy, form):
    """Writes the rows of `path` as copy number `copy`; `form` is what all numbers must share."""
    with open(path, "rb") as file:
        rows = records(file)
        header = next(rows, b"")
        if copy == 0:
            out.write(header)
        last = header
        for last in rows:
            invoice = INVOICE.match(last)
            if invoice is None:
                raise Malformed(f"no invoice number: {last[:60]!r}")
            letter, digit, digits = invoice.groups()
            if form.setdefault("digits", (digit, len(digits))) != (digit, len(digits)):
                raise Malformed(f"invoice numbers differ in length or first digit: {last[:60]!r}")
            out.write(b"%s%d%s" % (letter, (int(digit) + copy) % 10, digits))
            out.write(last[invoice.end() - 1:])
        if not last.endswith(b"\n"):
            out.write(b"\r\n" if header.endswith(b"\r\n") else b"\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--times", type=int, default=TIMES_MAX)
    arguments = parser.parse_args()
    if not 1 <= arguments.times <= TIMES_MAX:
        parser.error(f"--times is 1 to {TIMES_MAX}")
    try:
        form = {}
        with open(arguments.output, "wb") as out:
            for copy in range(arguments.times):
                write_copy(arguments.input, out, copy, form)
    except (Malformed, OSError) as error:
        print(f"tenfold.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
