#!/usr/bin/env python3
"""Stops the whole shop with SIGTERM under load, with SIGTERM and a sink that is down, and with
SIGSTOP and SIGCONT, and checks the end.

    signals.py [--long] [--trials N] [--flowc PROGRAM] [--seed S]

  term  SIGTERM at a random moment: exit 0, or 75 where something is read again; in the directory of
        a run that goes on until it is through
  dead  file.read -> http.post to a server that answers 503: SIGTERM ends with 75 within the drain;
        the server comes back, the next run delivers every line
  stop  SIGSTOP for a second, SIGCONT: the run ends well
"""

import http.server
import json
import random
import signal
import subprocess
import sys
import threading
import time

import common

DEAD = """
type Row = { n: int, text: text }

flow send : at_least_once {
  file.read("rows.csv") -> csv.decode as Row -> json.encode -> http.post("http://127.0.0.1:PORT/in", batch: 50)
  errors -> json.encode -> file.write("failures.ndjson")
}
"""
DRAIN_SECONDS_MAX = 60


def directory_of(chosen, tally, chance, number):
    """SIGTERM until the run is through; gives the trials."""
    with common.Directory(chosen, "signals") as directory:
        csv = directory / "input.csv"
        common.write_csv(csv, 20_000 if chosen.long else 3_000, chosen.seed * 100 + number)
        shop = common.Shop(chosen.flowc, directory / "shop", csv)
        trials, codes, slowest = 0, [], 0.0
        while tally.line["trials"] + trials < chosen.trials:
            process = shop.start()
            try:
                code = process.wait(chance.uniform(0.1, 1.5))
            except subprocess.TimeoutExpired:
                began = time.monotonic()
                process.send_signal(signal.SIGTERM)
                code = shop.wait(process, DRAIN_SECONDS_MAX)
                slowest = max(slowest, time.monotonic() - began)
                trials += 1
                codes.append(code)
                if code not in (0, 75):
                    raise common.Failed(f"SIGTERM: exit code {code}: {shop.said()}")
                continue
            if code != 0:
                raise common.Failed(f"exit code {code}: {shop.said()}")
            trials += 1
            break
        shop.to_the_end()
        found = shop.check()
        tally.add(found)
    return trials, codes, slowest


class Server:
    """Takes lines, or answers 503."""

    def __init__(self):
        self.lines, self.well, server = [], False, self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if server.well:
                    server.lines += body.decode().splitlines()
                answer = b'{"accepted": 1}' if server.well else b"{}"
                self.send_response(200 if server.well else 503)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


def dead(chosen, tally):
    """A sink that is down at SIGTERM."""
    with common.Directory(chosen, "signals") as directory:
        server, count = Server(), 400
        rows = [{"n": n, "text": f"text {n}"} for n in range(count)]
        csv = "".join(f"{row['n']},{row['text']}\n" for row in rows)
        (directory / "rows.csv").write_text("n,text\n" + csv)
        flow = directory / "dead.flow"
        flow.write_text(DEAD.replace("PORT", str(server.http.server_port)))
        runs = common.Runs(chosen.flowc, directory, flow)
        process = runs.start()
        time.sleep(1.5)
        process.send_signal(signal.SIGTERM)
        code = runs.wait(process, DRAIN_SECONDS_MAX)
        if code != 75:
            raise common.Failed(f"SIGTERM with a dead sink: exit code {code}: {runs.said()}")
        server.well = True
        runs.to_the_end()
        there = [json.loads(line)["n"] for line in server.lines]
        server.http.shutdown()
        lost = {row["n"] for row in rows} - set(there)
        tally.line["lost"] += len(lost)
        if lost:
            raise common.Failed(f"dead sink: lost {sorted(lost)[:3]}")
    tally.line["trials"] += 1


def stopped(chosen, tally):
    """A run that stands still for a second in the middle."""
    with common.Directory(chosen, "signals") as directory:
        csv = directory / "input.csv"
        common.write_csv(csv, 20_000 if chosen.long else 5_000, chosen.seed)
        shop = common.Shop(chosen.flowc, directory / "shop", csv)
        process = shop.start()
        for _ in range(2):
            time.sleep(0.2)
            if process.poll() is None:
                process.send_signal(signal.SIGSTOP)
                time.sleep(1)
                process.send_signal(signal.SIGCONT)
        if shop.wait(process) != 0:
            raise common.Failed(f"after SIGCONT: {shop.said()}")
        tally.add(shop.check())
    tally.line["trials"] += 1


def main(arguments):
    chosen = common.options(__doc__, arguments, (3, 100))
    tally, chance = common.Tally("signals", chosen), random.Random(chosen.seed)
    codes, slowest, number = [], 0.0, 0
    try:
        while tally.line["trials"] < chosen.trials:
            trials, more, slow = directory_of(chosen, tally, chance, number)
            tally.line["trials"] += trials
            codes, slowest, number = codes + more, max(slowest, slow), number + 1
        for _ in range(3 if chosen.long else 1):
            dead(chosen, tally)
            stopped(chosen, tally)
    except common.Failed as failed:
        tally.line["stuck"] += "stuck" in str(failed)
        tally.problem(str(failed))
    return tally.end(exit_0=codes.count(0), exit_75=codes.count(75),
                     slowest_seconds=round(slowest, 1))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
