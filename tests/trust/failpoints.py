#!/usr/bin/env python3
"""Crashes at every failpoint, at its first and its seventh hit, in three graphs, and checks the end.

    failpoints.py [--long] [--trials N] [--flowc PROGRAM] [--seed S]

  shop   flows/ecommerce.flow with smaller objects, so that there are many
  files  file.read -> csv.decode -> json.encode -> file.write, with rows that fail
  posts  a client of its own -> http.serve -> stream -> batch -> objects; the client goes on until
         each of its records is answered

Each graph runs once undisturbed with `--failpoint count`, which says what it reaches. Each
failpoint that it reaches is a trial for the first hit, and one for the seventh where there are
seven: the program must die there, start again, come to its end, and the checker finds nothing. The
short form makes some of them, a part of all that a seed chooses.
"""

import http.client
import json
import random
import re
import signal
import socket
import subprocess
import sys
import time

import common

FILES = """
type Row = { n: int, text: text }

flow copies : at_least_once {
  file.read("rows.csv") -> csv.decode as Row -> json.encode -> file.write("rows.ndjson")
  errors -> json.encode -> file.write("failures.ndjson")
}
"""

POSTS = """
param listen : text = "127.0.0.1:8080"

type Row = { id: int, key: text, text: text }

stream rows : json<Row> key .key
bucket store : ndjson<Row>
bucket failures : ndjson<Failure>

profile aws {
  rows = kinesis("rows")
  store = s3("store")
  failures = s3("failures")
}

profile local = emulate(aws, dir: "out")

flow take : at_least_once {
  http.serve(listen, path: "/rows") -> json.decode as Row -> rows.write
  errors -> failures.append
}

flow keep : at_least_once {
  rows.read -> base64.decode -> batch(max: 20, wait: 200ms) -> text.join("\\n")
    -> store.put(key: "{batch.id}.ndjson")
  errors -> failures.append
}
"""

SMALLER = [("size: 5MiB, wait: 60s", "size: 1MiB, wait: 1s"), ("batch: 500", "batch: 200"),
           ("max: 500, size: 4MiB, wait: 60s", "max: 100, size: 4MiB, wait: 1s")]


class Shop:
    """The shop; ends by itself."""

    def __init__(self, chosen, directory):
        self.csv = directory / "input.csv"
        common.write_csv(self.csv, 12_000 if chosen.long else 1_500, chosen.seed)
        self.runs = common.Shop(chosen.flowc, directory / "shop", self.csv, SMALLER)

    def crash(self, *arguments):
        return self.runs.wait(self.runs.start(*arguments))

    def finish(self):
        self.runs.to_the_end()

    def check(self):
        return self.runs.check()


class Files:
    """A file into a file."""

    def __init__(self, chosen, directory):
        count = 60_000 if chosen.long else 3_000
        rows = [(n, "x" * (60 + n % 80)) for n in range(count)]
        bad = [n for n in range(count) if n % 100 == 7]
        csv = "".join(f"{'no number' if n % 100 == 7 else n},{text}\n" for n, text in rows)
        (directory / "rows.csv").write_text("n,text\n" + csv)
        good = "".join(json.dumps({"n": n, "text": text}, separators=(",", ":")) + "\n"
                       for n, text in rows if n % 100 != 7)
        (directory / "want").write_text(good)
        (directory / "copies.flow").write_text(FILES)
        self.bad, self.directory = len(bad), directory
        self.runs = common.Runs(chosen.flowc, directory, directory / "copies.flow")

    def crash(self, *arguments):
        return self.runs.wait(self.runs.start(*arguments))

    def finish(self):
        self.runs.to_the_end()

    def check(self):
        found = common.check("lines", self.directory / "want", self.directory / "rows.ndjson")
        failures = (self.directory / "failures.ndjson").read_text().splitlines()
        lines = {json.loads(line)["meta"].get("line") for line in failures}
        found["lost"] += self.bad - len(lines)
        found["duplicated"] += len(failures) - len(lines)
        return found


class Posts:
    """A client that posts until all is answered, and is answered once."""

    REQUESTS, ROWS = 40, 10

    def __init__(self, chosen, directory):
        self.port, self.directory = common.free_port(), directory
        (directory / "posts.flow").write_text(POSTS)
        listen = f"listen=127.0.0.1:{self.port}"
        self.runs = common.Runs(
            chosen.flowc, directory, directory / "posts.flow", ["--param", listen])
        rows = self.REQUESTS * self.ROWS
        self.records = [{"id": n, "key": f"k{n % 7}", "text": f"text {n} {'é' * (n % 30)}"}
                        for n in range(rows)]
        self.next, self.ended = 0, False

    def post(self, request):
        """Sends one request; True when its rows are answered."""
        # 400 and 207 name the rows that are refused; the others are stored.
        return self.status(request) in (200, 202, 207, 400)

    def status(self, request):
        """Sends one request; gives the status, or None where there is no answer."""
        rows = self.records[request * self.ROWS:(request + 1) * self.ROWS]
        body = "".join(json.dumps(row) + "\n" for row in rows)
        body += '{"id": "bad"}\n'
        numbers = request * (self.ROWS + 1)
        headers = {"Content-Type": "application/x-ndjson", "Flowc-Producer": "ab" * 16,
                   "Flowc-Rows": f"{numbers}-{numbers + self.ROWS}"}
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            connection.request("POST", "/rows", body.encode(), headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        return answer.status

    def client(self, process):
        """Posts in order while the process lives."""
        until = time.monotonic() + 120
        while self.next < self.REQUESTS and process.poll() is None:
            if self.post(self.next):
                self.next += 1
            else:
                time.sleep(0.02)
            if time.monotonic() > until:
                raise common.Failed(f"stuck: request {self.next} is not answered: {self.runs.said()}")

    def serves(self, process):
        """Waits until the server listens, or the process has ended."""
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until:
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)

    def stored(self):
        """Lines in all objects."""
        paths = (self.directory / "out" / "s3" / "store").glob("*.ndjson")
        return sum(path.read_text().count("\n") + 1 for path in paths)

    def crash(self, *arguments):
        process = self.runs.start(*arguments)
        self.serves(process)
        self.client(process)
        # What is on the stream leaves it without being asked.
        until = time.monotonic() + 30
        while (self.next == self.REQUESTS and self.stored() < len(self.records)
               and process.poll() is None and time.monotonic() < until):
            time.sleep(0.02)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        return self.runs.wait(process, 120)

    def finish(self):
        # What a stop leaves to a replay is delivered by the next run.
        for _ in range(3):
            code = self.crash()
            if code not in (0, 75):
                raise common.Failed(f"the run ended with code {code}: {self.runs.said()}")
        if code != 0 or self.next < self.REQUESTS:
            raise common.Failed(f"stuck: code {code}, {self.next} requests: {self.runs.said()}")

    def check(self):
        log = self.directory / "log.ndjson"
        log.write_text("".join(json.dumps({**row, "answered": True}) + "\n"
                               for row in self.records))
        found = common.check("acked", log, self.directory / "out" / "s3" / "store")
        failures = [path for path in (self.directory / "out" / "s3" / "failures").rglob("*")
                    if path.is_file()]
        lines = [line for path in failures for line in path.read_text().splitlines()]
        # Each bad row was answered as stored in the failures, so each is there.
        found["lost"] += max(0, self.REQUESTS - len(lines))
        found["failures"] = len(lines)
        return found


GRAPHS = {"shop": Shop, "files": Files, "posts": Posts}


def reached(chosen, name, make):
    """How often a graph hits each failpoint when it runs undisturbed."""
    with common.Directory(chosen, "failpoints") as directory:
        graph = make(chosen, directory)
        code = graph.crash("--failpoint", "count")
        if code != 0:
            raise common.Failed(f"{name}: undisturbed it ended with {code}: {graph.runs.said()}")
        said = graph.runs.log.read_text(errors="replace")
        if name == "posts":
            graph.finish()
        found = graph.check()
        if any(found[kind] for kind in common.KINDS):
            raise common.Failed(f"{name}: undisturbed: {found}")
    return {each: int(hits) for each, hits in re.findall(r"^failpoint (\S+): (\d+)$", said, re.M)}


def trial(chosen, name, point, nth, tally):
    """One crash. True when the program died there."""
    with common.Directory(chosen, "failpoints") as directory:
        graph = GRAPHS[name](chosen, directory)
        code = graph.crash("--failpoint", f"{point}:{nth}=crash")
        crashed = code == -signal.SIGABRT
        if not crashed and code != 0:
            raise common.Failed(f"it ended with code {code}: {graph.runs.said()}")
        graph.finish()
        found = graph.check()
        tally.add(found)
        if any(found[kind] for kind in common.KINDS):
            raise common.Failed(str(found))
    return crashed


def main(arguments):
    chosen = common.options(__doc__, arguments, (12, 10_000))
    tally = common.Tally("failpoints", chosen)
    listed = subprocess.run([chosen.flowc, "run", "x", "--failpoint", "list"],
                            stdout=subprocess.PIPE, text=True, check=True).stdout
    listed = [line.split()[0] for line in listed.splitlines() if not line.startswith("aws.")]
    try:
        hits = {name: reached(chosen, name, make) for name, make in GRAPHS.items()}
    except common.Failed as failed:
        tally.problem(str(failed))
        return tally.end()
    trials = [(name, point, nth) for name in GRAPHS for point in listed for nth in (1, 7)
              if hits[name].get(point, 0) >= nth]
    # A segment is full after 64 MiB: that one is reached by tests of the log alone.
    never = [point for point in listed if not any(point in each for each in hits.values())
             and point != "stream.segment.sealed"]
    for point in never if chosen.long else ():
        tally.problem(f"no graph reaches {point}")
    if not chosen.long:
        trials = random.Random(chosen.seed).sample(trials, min(chosen.trials, len(trials)))
    missed = 0
    for name, point, nth in trials:
        try:
            missed += not trial(chosen, name, point, nth, tally)
        except common.Failed as failed:
            tally.line["stuck"] += "stuck" in str(failed)
            tally.problem(f"{name} {point}:{nth}: {failed}")
        tally.line["trials"] += 1
        if chosen.long:
            print(f"{name} {point}:{nth}", flush=True)
    return tally.end(failpoints=len(listed), graphs=len(GRAPHS), not_hit_that_time=missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
