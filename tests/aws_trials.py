#!/usr/bin/env python3
"""Long trials of the AWS connectors against the strict front, judged by boto3 and the file alone.

    aws_trials.py CSV --flowc BIN --front BIN [--rows N] [reshard] [takeover]

  reshard   N rows are written and read while the stream is split three times and merged once: all
            arrive, once, in order per InvoiceNo
  takeover  two processes read four shards into objects, one is killed: the other takes over, none
            lost; says how many lines came twice

CSV is the published file (ISO-8859-1). Needs boto3 (tests/standins/requirements.txt). Prints a line
per trial and the figures; exit code 1 where something is wrong. The storm of partial failures is
tests/trust/storm.py.
"""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter

import boto3

import verify

KEY = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-central-1",
       "AWS_DEFAULT_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true", "NO_COLOR": "1"}
WAIT_S = 180
FLOW = """
type Line = {
  InvoiceNo:   text
  StockCode:   text
  Description: text?
  Quantity:    int
  InvoiceDate: timestamp
  UnitPrice:   decimal(10, 3)
  CustomerID:  text?
  Country:     text
}

param csv_file : path = "in.csv"

stream orders     : json<Line>  key .InvoiceNo
bucket lake       : text
bucket quarantine : ndjson<Failure>

profile aws {
  region     = "eu-central-1"
  endpoint   = "ENDPOINT"
  state      = "flowc-trials"
  orders     = kinesis("APIData", shards: SHARDS)
  lake       = s3("s3-bucket-de")
  quarantine = s3("s3-bucket-de", prefix: "quarantine/")
}

flow write : at_least_once {
  file.read(csv_file)
    -> csv.decode(encoding: "latin-1", timestamp: "%m/%d/%Y %H:%M", zone: "UTC") as Line
    -> orders.write
  errors -> quarantine.append
}

flow copy : at_least_once {
  orders.read -> base64.decode -> json.decode -> json.encode -> file.write("out.ndjson")
  errors -> quarantine.append
}

flow archive : at_least_once {
  orders.read
    -> base64.decode
    -> batch(max: 200, wait: 500ms)
    -> text.join("\\n")
    -> lake.put(key: "{batch.id}.txt")
  errors -> quarantine.append
}
"""


class Trial:
    """A front, a directory with the flow, and clients."""

    def __init__(self, arguments, front, directory, shards):
        self.flowc, self.rows = arguments.flowc, arguments.rows
        self.front, self.directory = front, pathlib.Path(directory)
        text = FLOW.replace("ENDPOINT", front).replace("SHARDS", str(shards))
        (self.directory / "trial.flow").write_text(text)
        with open(arguments.csv, "rb") as whole, open(self.directory / "in.csv", "wb") as part:
            for _, line in zip(range(self.rows + 1), whole):
                part.write(line)
        self.kinesis = boto3.client("kinesis", endpoint_url=front)
        self.s3 = boto3.client("s3", endpoint_url=front)
        self.tell("settings", {"shard_rate": 0, "shard_reads": 0})
        done = subprocess.run([self.flowc, "up", "trial.flow", "--profile", "aws", "--yes"],
                              cwd=directory, env=environment(), capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"flowc up: {done.stdout}{done.stderr}")

    def tell(self, what, value):
        request = urllib.request.Request(f"{self.front}/_front/{what}", json.dumps(value).encode(),
                                         method="POST")
        urllib.request.urlopen(request, timeout=10).read()

    def calls(self):
        with urllib.request.urlopen(f"{self.front}/_front/calls", timeout=10) as answer:
            return json.load(answer)

    def start(self, flow):
        """`flowc run` of one flow; its words go to a file."""
        log = open(self.directory / f"{flow}-{time.monotonic_ns()}.log", "wb")
        return subprocess.Popen([self.flowc, "run", "trial.flow", flow, "--profile", "aws"],
                                cwd=self.directory, env=environment(), stdin=subprocess.DEVNULL,
                                stdout=log, stderr=subprocess.STDOUT)

    def finish(self, child, stop=False):
        """Waits for the end, which must be a good one."""
        if stop:
            child.send_signal(signal.SIGTERM)
        code = child.wait(timeout=WAIT_S)
        if code:
            logs = "\n".join(log.read_text()[-2000:] for log in self.directory.glob("*.log"))
            raise SystemExit(f"flowc run ended with {code}\n{logs}")

    def expected(self):
        """The rows of the file, as `verify` reads them."""
        return list(verify.read_csv(self.directory / "in.csv"))

    def lines(self):
        """All lines of the lake."""
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket="s3-bucket-de"):
            for item in page.get("Contents", []):
                body = self.s3.get_object(Bucket="s3-bucket-de", Key=item["Key"])["Body"].read()
                yield from body.decode().splitlines()


def environment():
    return {**os.environ, **KEY}


def until(what, reached):
    """Polls until something is so; a trial that never gets there is wrong."""
    end = time.monotonic() + WAIT_S
    while not reached():
        if time.monotonic() > end:
            raise SystemExit(f"waited {WAIT_S} s in vain until {what}")
        time.sleep(0.1)


def compare(what, found, expected):
    """Rows that were found against those of the file: lost, foreign, twice, out of order."""
    lost, extra = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
    foreign = [row for row in extra if row not in set(expected)]
    twice = sum(extra.values()) - len(foreign)
    orders = [{}, {}]
    for order, rows in zip(orders, (found, expected)):
        for row in rows:
            order.setdefault(row[0], []).append(row)
    moved = [] if extra else [key for key in orders[1] if orders[0].get(key) != orders[1][key]]
    print(f"{what}: {len(expected):,} rows, lost {sum(lost.values())}, foreign {len(foreign)}, "
          f"twice {twice}, invoices in another order {len(moved)}")
    return not lost and not foreign, twice, not moved


def reshard(trial):
    reader, writer = trial.start("copy"), trial.start("write")
    output = trial.directory / "out.ndjson"

    def written():
        return trial.calls().get("kinesis.PutRecords", {}).get("entries", 0)

    def wait_active():
        until("the stream is active", lambda: trial.kinesis.describe_stream_summary(
            StreamName="APIData")["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE")

    for part in range(1, 5):
        until(f"{part}/5 is written", lambda: written() >= part * trial.rows // 5)
        shards = [shard for shard in trial.kinesis.list_shards(StreamName="APIData")["Shards"]
                  if "EndingSequenceNumber" not in shard["SequenceNumberRange"]]
        shards.sort(key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"]))
        if part < 4:
            low, high = (int(shards[0]["HashKeyRange"][f"{end}HashKey"])
                         for end in ("Starting", "Ending"))
            trial.kinesis.split_shard(StreamName="APIData", ShardToSplit=shards[0]["ShardId"],
                                      NewStartingHashKey=str((low + high) // 2))
        else:
            trial.kinesis.merge_shards(StreamName="APIData", ShardToMerge=shards[0]["ShardId"],
                                       AdjacentShardToMerge=shards[1]["ShardId"])
        wait_active()
    trial.finish(writer)

    def lines():
        with open(output, "rb") as file:
            return sum(1 for _ in file)

    until("all rows are read", lambda: output.exists() and lines() >= trial.rows)
    trial.finish(reader, stop=True)
    found = [verify.json_row(line, verify.COLUMNS)
             for line in output.read_text(encoding="utf-8").splitlines()]
    shards = trial.kinesis.list_shards(StreamName="APIData")["Shards"]
    print(f"reshard: {len(shards)} shards in the end, closed ones too")
    kept, twice, ordered = compare("reshard", found, trial.expected())
    return kept and not twice and ordered


def takeover(trial):
    first, second = trial.start("archive"), trial.start("archive")
    trial.finish(trial.start("write"))
    until("a fifth is in the lake", lambda: sum(1 for _ in trial.lines()) > trial.rows // 5)
    first.kill()
    first.wait()
    killed = time.monotonic()
    until("everything is in the lake", lambda: len(set(trial.lines())) >= len(trial.expected_lines))
    print(f"takeover: whole {time.monotonic() - killed:.1f} s after the kill")
    trial.finish(second, stop=True)
    found = [verify.json_row(line, verify.COLUMNS) for line in trial.lines()]
    kept, _, _ = compare("takeover", found, trial.expected())
    return kept


@contextlib.contextmanager
def front(path):
    child = subprocess.Popen([path, "--port", "0"], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, text=True)
    try:
        line = child.stdout.readline()
        yield f"http://{line.removeprefix('listening on ').strip()}"
    finally:
        child.kill()
        child.wait()


def main():
    trials = {"reshard": (reshard, 1), "takeover": (takeover, 4)}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("csv", type=pathlib.Path)
    parser.add_argument("--flowc", required=True, type=os.path.abspath)
    parser.add_argument("--front", required=True, type=os.path.abspath)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("trials", nargs="*", metavar="TRIAL", help=", ".join(trials))
    arguments = parser.parse_intermixed_args()
    os.environ.update(KEY)
    wrong = []
    for name in arguments.trials or list(trials):
        run, shards = trials[name]
        with front(arguments.front) as address, tempfile.TemporaryDirectory() as directory:
            trial = Trial(arguments, address, directory, shards)
            trial.expected_lines = set(trial.expected())
            if not run(trial):
                wrong.append(name)
    print(f"WRONG: {', '.join(wrong)}" if wrong else "OK")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
