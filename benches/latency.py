#!/usr/bin/env python3
"""How long one record takes through HTTP, a stream and a table, on an idle system.

    flowc run benches/flows/latency.flow &
    python3 benches/latency.py --dir out/bench/latency

Sends one record with a new key over one kept connection, waits for its answer (202: durable on
the stream), looks into the table, read-only, until the item is there (durable too), rests, and
begins again. Prints the median and the 99th percentile, in milliseconds, of

    answered   from sending the request until its answer was read
    visible    from sending the request until the item could be read from the table
    fdatasync  of 4 KiB appended to a file in the same directory, while nothing else runs

Needs nothing but the Python standard library, and knows of flowc only what is public: the HTTP
path and the view `items` of `<dir>/tables.sqlite`.
"""

import argparse
import json
import os
import pathlib
import socket
import sqlite3
import sys
import time

WAIT_MAX_S = 10.0
WARM_UP = 20
# Between two looks into the table: short against what is measured, long enough to leave the
# processor to the program.
LOOK_EVERY_S = 0.00005


class Client:
    """One HTTP connection that is kept."""

    def __init__(self, host, port, path):
        self.socket = socket.create_connection((host, port), timeout=WAIT_MAX_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\n"
        self.head += "Content-Type: application/json\r\nContent-Length: "

    def post(self, body):
        """Sends a body and gives the status of the answer once all of it was read."""
        self.socket.sendall(f"{self.head}{len(body)}\r\n\r\n{body}".encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.more()
        head, _, rest = answer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        while len(rest) < int(headers["content-length"]):
            rest += self.more()
        return int(lines[0].split()[1])

    def more(self):
        """The bytes that come next."""
        data = self.socket.recv(65536)
        if not data:
            sys.exit("the server has closed the connection")
        return data


def measure(client, table, key):
    """Seconds until the answer, and until the item of a new key can be read."""
    body = json.dumps({"id": key, "amount": 7, "note": "a record like any other"})
    began = time.perf_counter()
    status = client.post(body)
    answered = time.perf_counter()
    if status != 202:
        sys.exit(f"the answer is {status}, not 202")
    while True:
        seen = table.execute("select 1 from items where id = ?", (key,)).fetchone()
        now = time.perf_counter()
        if seen:
            return answered - began, now - began
        if now - began > WAIT_MAX_S:
            sys.exit(f"item {key} is not in the table after {WAIT_MAX_S:.0f} s")
        time.sleep(LOOK_EVERY_S)


def fdatasyncs(directory, times):
    """Seconds of each of so many syncs of 4 KiB."""
    path = directory / "latency.probe"
    found = []
    with open(path, "wb", buffering=0) as file:
        for _ in range(times):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            found.append(time.perf_counter() - began)
            time.sleep(0.005)
    path.unlink()
    return found


def percentile(values, percent):
    """In milliseconds, the nearest rank."""
    ordered = sorted(values)
    rank = max(0, -(-len(ordered) * percent // 100) - 1)
    return round(ordered[rank] * 1000, 3)


def main():
    parse = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parse.add_argument("--url", default="127.0.0.1:18081/events", help="HOST:PORT/PATH")
    parse.add_argument("--dir", default="out/bench/latency", help="the `dir:` of the profile")
    parse.add_argument("--records", type=int, default=300)
    parse.add_argument("--rest-ms", type=float, default=20.0, help="between two records")
    parse.add_argument("--json", action="store_true", help="one line of JSON")
    args = parse.parse_args()
    address, _, path = args.url.partition("/")
    host, _, port = address.partition(":")
    directory = pathlib.Path(args.dir)
    client = Client(host, int(port), "/" + path)
    uri = (directory / "tables.sqlite").absolute().as_uri() + "?mode=ro"
    table = sqlite3.connect(uri, uri=True, isolation_level=None)
    run = f"{time.time_ns():x}"
    answered, visible = [], []
    for n in range(WARM_UP + args.records):
        first, second = measure(client, table, f"{run}-{n}")
        if n >= WARM_UP:
            answered.append(first)
            visible.append(second)
        time.sleep(args.rest_ms / 1000)
    rows = {
        "answered": answered,
        "visible": visible,
        "fdatasync": fdatasyncs(directory, 100),
    }
    found = {
        name: {"p50_ms": percentile(values, 50), "p99_ms": percentile(values, 99)}
        for name, values in rows.items()
    }
    if args.json:
        print(json.dumps({"records": args.records, **found}))
        return
    for name, row in found.items():
        print(f"{name:10} p50 {row['p50_ms']:7.3f} ms   p99 {row['p99_ms']:7.3f} ms")


if __name__ == "__main__":
    main()
