#!/usr/bin/env python3
"""A storm of partial failures: 30 % of what is sent fails, 5 % of the replies are lost.

    storm.py [--long] [--rows N] [--flowc PROGRAM] [--front PROGRAM] [--seed S] [PART]…

A file of N rows (4,000; 20,000 with --long) goes, through the strict front, to

  stream    Kinesis, in strict order: 30 % of the entries of PutRecords fail
  delivery  Firehose: 30 % of the entries of PutRecordBatch fail (its rows are large, and 1 in 10 of
            the number, because Firehose packs small ones into few entries)
  table     DynamoDB: 30 % of UpdateItem is throttled; later rows take the place of earlier ones

and of each service 5 % of the replies are lost after the work is done. Judged from the file and
from what the services hold: no row is lost, none is foreign, none is twice once equal event ids are
dropped, the order per key is that of the file, and at most 1.6 times as much was sent as a run
without the storm sends.
"""

import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter

import front as aws

FAIL, LOSE = 0.3, 0.05
RATIO_MAX = 1.6
# Of few entries chance makes more.
FEW, RATIO_OF_FEW_MAX = 1_000, 2.0
RUN_S = 900
SLOTS = 7
FLOW = """
type Row  = { Key: text, Slot: text, Seq: int, Text: text }
type Item = { Key: text, [text]: { Seq: int, Text: text } }

stream   orders  : json<Row>   key .Key
bucket   staging : ndjson<Row>
delivery feed    : ndjson<Row> into staging
table    items   : Item        key .Key

profile aws {
  state   = "trust-storm"
  orders  = kinesis("storm-orders", shards: 4)
  staging = s3("storm-staging")
  feed    = firehose("storm-feed", size: 5MiB, wait: 60s,
                     role: "arn:aws:iam::123456789012:role/feed")
  items   = dynamodb("storm-items")
}

flow to_stream : at_least_once {
  file.read("in.csv") -> csv.decode as Row -> orders.write
  errors -> log
}

flow to_delivery : at_least_once {
  file.read("in.csv") -> csv.decode as Row -> feed.write
  errors -> log
}

flow to_table : at_least_once {
  file.read("in.csv") -> csv.decode as Row
    -> items.upsert { .Key, [.Slot]: { .Seq, .Text } }
  errors -> log
}
"""


class Part:
    """One sink: its flow, what is counted, the storm's rules and what it holds in the end."""

    def __init__(self, name, counted, fails, share=1, text_bytes=60, rows_per_key=25):
        self.name, self.counted, self.fails, self.share = name, counted, fails, share
        self.text_bytes, self.rows_per_key = text_bytes, rows_per_key

    def rules(self, seed):
        service, operation = self.counted
        rule = {"service": service, "operation": operation}
        return [{**rule, "probability": LOSE, "seed": seed, "action": "lose_reply"},
                {**rule, "seed": seed + 1, **self.fails}]


PARTS = [
    Part("stream", ("kinesis", "PutRecords"),
         {"action": {"entries": FAIL, "code": "ProvisionedThroughputExceededException"}}),
    Part("delivery", ("firehose", "PutRecordBatch"),
         {"action": {"entries": FAIL, "code": "ServiceUnavailableException"}},
         share=10, text_bytes=180_000),
    Part("table", ("dynamodb", "UpdateItem"),
         {"probability": FAIL,
          "action": {"status": 400, "code": "ProvisionedThroughputExceededException"}},
         rows_per_key=3),
]


def write_input(path, part, rows, seed):
    """The file; each key has its rows in the order of `Seq`."""
    chance = random.Random(seed)
    keys = max(rows // part.rows_per_key, 10)
    with open(path, "w") as file:
        file.write("Key,Slot,Seq,Text\n")
        for seq in range(rows):
            text = chance.choice("abcdefgh") * chance.randrange(part.text_bytes * 2)
            key = min(chance.randrange(keys), chance.randrange(keys))
            file.write(f"k{key},s{chance.randrange(SLOTS)},{seq},x{text}\n")


def read_input(path):
    with open(path) as file:
        for line in file.readlines()[1:]:
            key, slot, seq, text = line.rstrip("\n").split(",")
            yield key, slot, int(seq), text


def row_of(line):
    record = json.loads(line)
    return record["event_id"], (record["Key"], record["Slot"], record["Seq"], record["Text"])


# ── What the services hold

def stream_rows(front):
    """Shard by shard, in order."""
    kinesis = front.client("kinesis")
    for shard in kinesis.list_shards(StreamName="storm-orders")["Shards"]:
        at = kinesis.get_shard_iterator(
            StreamName="storm-orders", ShardId=shard["ShardId"],
            ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        while True:
            page = kinesis.get_records(ShardIterator=at, Limit=10_000)
            yield from (row_of(record["Data"]) for record in page["Records"])
            at = page["NextShardIterator"]
            if not page["Records"] and page["MillisBehindLatest"] == 0:
                break


def delivery_rows(front):
    """Object by object; the buffer is emptied first, as a minute would do it."""
    front.ask("clock", {"advance_ms": 120_000})
    s3 = front.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="storm-staging")
    for key in [item["Key"] for page in pages for item in page.get("Contents", [])]:
        body = s3.get_object(Bucket="storm-staging", Key=key)["Body"].read()
        yield from (row_of(line) for line in body.splitlines())


def table_values(front):
    pages = front.client("dynamodb").get_paginator("scan")
    found = {}
    for page in pages.paginate(TableName="storm-items", ConsistentRead=True):
        for item in page["Items"]:
            key = item.pop("Key")["S"]
            for slot, value in item.items():
                fields = value["M"]
                found[key, slot] = (int(fields["Seq"]["N"]), fields["Text"]["S"])
    return found


# ── The judges

def judge_rows(found, wanted, ordered):
    """Rows by event id against those of the file."""
    ids, rows, again = {}, [], 0
    for event, row in found:
        if event in ids:
            again += 1
            if ids[event] != row:
                rows.append(row)
        else:
            ids[event] = row
            rows.append(row)
    there, needed = Counter(rows), Counter(wanted)
    moved = 0
    if ordered:
        orders = [{}, {}]
        for order, all_rows in zip(orders, (rows, wanted)):
            for row in all_rows:
                order.setdefault(row[0], []).append(row)
        moved = sum(1 for key in orders[1] if orders[0].get(key) != orders[1][key])
    more = there - needed
    return {"lost": sum((needed - there).values()),
            "duplicated": sum(many for row, many in more.items() if row in needed),
            "extra": sum(many for row, many in more.items() if row not in needed),
            "keys_out_of_order": moved, "repeated_before_dedupe": again}


def judge_table(found, wanted):
    """The last row of each key and slot, and no other attribute."""
    last = {(key, slot): (seq, text) for key, slot, seq, text in wanted}
    lost = sum(1 for at in last if at not in found)
    older = sum(1 for at, value in last.items() if at in found and found[at] != value)
    return {"lost": lost, "duplicated": 0, "extra": sum(1 for at in found if at not in last),
            "keys_out_of_order": older, "repeated_before_dedupe": 0}


# ── The experiment

def flow(options, front, directory, name):
    """Runs a flow to its end; says how many entries were sent, and in how many calls."""
    log = directory / f"{name}.log"
    with open(log, "ab") as errors:
        code = subprocess.run(
            [options.flowc, "run", "storm.flow", f"to_{name}", "--profile", "aws"], cwd=directory,
            env=aws.environment(AWS_ENDPOINT_URL=front.url), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=errors, timeout=RUN_S).returncode
    if code:
        print(log.read_text()[-2_000:])
    return code


def sent(front, part):
    count = front.calls()[".".join(part.counted)]
    return max(count["entries"], count["calls"]), count


def run_part(options, part, directory):
    directory.mkdir()
    (directory / "storm.flow").write_text(FLOW)
    rows = options.rows // part.share
    write_input(directory / "in.csv", part, rows, options.seed)
    wanted = list(read_input(directory / "in.csv"))
    with aws.front(options.front) as front:
        front.ask("settings", {"shard_rate": 0, "shard_reads": 0})
        aws.up(options.flowc, "storm.flow", directory, front.url)
        calm = flow(options, front, directory, part.name)
        needed, _ = sent(front, part)
    # The same again on a new account, now in the storm.
    with aws.front(options.front) as front:
        front.ask("settings", {"shard_rate": 0, "shard_reads": 0})
        aws.up(options.flowc, "storm.flow", directory, front.url)
        front.rules(part.rules(options.seed))
        code = flow(options, front, directory, part.name)
        entries, count = sent(front, part)
        front.rules([])
        found = {"stream": lambda: judge_rows(stream_rows(front), wanted, True),
                 "delivery": lambda: judge_rows(delivery_rows(front), wanted, False),
                 "table": lambda: judge_table(table_values(front), wanted)}[part.name]()
    ratio = round(entries / needed, 3)
    print(f"{part.name}: {rows:,} rows, {found}, {count}, sent / needed {ratio} "
          f"({entries:,} / {needed:,})")
    problem = [f"{part.name}: the run ended with {code}"] if code or calm else []
    if found["keys_out_of_order"]:
        problem.append(f"{part.name}: {found['keys_out_of_order']} keys out of order")
    if ratio > (RATIO_MAX if needed >= FEW else RATIO_OF_FEW_MAX):
        problem.append(f"{part.name}: sent / needed is {ratio}")
    return rows, found, ratio, problem


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--flowc")
    parser.add_argument("--front", help="the program, or the address of one that runs")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("parts", nargs="*", metavar="PART", default=[])
    options = parser.parse_args()
    options.rows = options.rows or (20_000 if options.long else 4_000)
    parts = [part for part in PARTS if not options.parts or part.name in options.parts]
    began = time.monotonic()
    result = {"experiment": "storm", "trials": 0, "lost": 0, "duplicated": 0, "extra": 0,
              "stuck": 0}
    problem = []
    try:
        aws.with_boto3()
        options.flowc = aws.program("flowc", options.flowc)
        options.front = aws.program("awsfront", options.front or options.flowc)
        with tempfile.TemporaryDirectory(prefix="flowc-storm-") as directory:
            for part in parts:
                try:
                    rows, found, ratio, wrong = run_part(
                        options, part, pathlib.Path(directory) / part.name)
                except subprocess.TimeoutExpired:
                    result["stuck"] += 1
                    continue
                problem += wrong
                result["trials"] += rows
                result[f"sent_per_needed_{part.name}"] = ratio
                for name in ("lost", "duplicated", "extra"):
                    result[name] += found[name]
    except aws.Missing as why:
        return aws.skipped("storm", why)
    result["seconds"] = round(time.monotonic() - began, 1)
    return aws.report({**result, "problem": "; ".join(problem)} if problem else result)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(main())
