#!/usr/bin/env python3
"""Loads into Redshift by two rivals that are killed and lose replies: every row once, none missing.

    loads.py [--long] [--loads N] [--flowc PROGRAM] [--front PROGRAM] [--seed S] [--keep]

Two processes, each with its own state and so unaware of the other, load the same objects into the
same tables of the strict front's Redshift. All the time calls of every step fail (the objects of a
load, the batch, its outcome, the history; each with a lost reply, half a reply, a dropped request,
a reset). Again and again both are killed at one step: before it is done, or after it is done and
before the reply has come. It goes on until the history has N loads (120; 2,000 with --long).

The judge is not flowc: it reads the objects as they lie in S3 and the rows as they lie in the
tables. Each row with an `event_id` is there once, also where its object came again under another
key; rows without an id as often as the objects hold them; no row of an object with a bad line;
and the history names each good object once, and no other.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from decimal import Decimal, InvalidOperation

import front as aws

TABLES = 10
ROWS = 4
# Objects that wait for a table's loaders at most.
WAITING = 2
# The chance of each kind of fault for each call of a step: together about one a load.
CHANCE = 0.02
STEPS = [("s3", "PutObject"), ("redshift-data", "BatchExecuteStatement"),
         ("redshift-data", "DescribeStatement"), ("redshift-data", "ExecuteStatement"),
         ("redshift-data", "GetStatementResult")]
CUTS = ["lose_reply", "truncate", "drop_request", "reset"]
KILLS = ["before", "after"]
STUCK_S = 240

HEAD = """
type Order = { Id: text, Amount: decimal(10, 3), Note: text? }
profile aws {
  state = "trust-loads-STATE"
"""
FLOW = """
bucket staging{n} : ndjson<Order>
table  orders{n}  : Order
flow load{n} : at_least_once {{
  staging{n}.read -> orders{n}.copy
  errors -> log
}}
"""
BOUND = """  staging{n} = s3("staging-{n}")
  orders{n} = redshift("orders{n}", workgroup: "trials", database: "dev",
                       role: "arn:aws:iam::123456789012:role/copy")
"""


class Trial:
    def __init__(self, options, front, directory):
        self.options, self.front, self.directory = options, front, directory
        self.random = random.Random(options.seed)
        self.s3, self.data = front.client("s3"), front.client("redshift-data")
        self.put = Counter()
        self.hits, self.kills, self.armed = Counter(), Counter(), []
        self.began = time.monotonic()
        for state in "ab":
            parts = [HEAD.replace("STATE", state)]
            parts += [BOUND.format(n=n) for n in range(TABLES)]
            parts += ["}\n", *(FLOW.format(n=n) for n in range(TABLES))]
            (directory / f"{state}.flow").write_text("".join(parts))
            aws.up(options.flowc, f"{state}.flow", directory, front.url)
        self.loaders = {state: self.start(state) for state in "ab"}

    # ── The loaders

    def start(self, state):
        log = open(self.directory / f"{state}.log", "ab")
        return subprocess.Popen(
            [self.options.flowc, "run", f"{state}.flow", "--profile", "aws", "--keep-running"],
            cwd=self.directory, env=aws.environment(AWS_ENDPOINT_URL=self.front.url),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)

    def revive(self):
        """A loader that gave up begins again, as a supervisor would have it."""
        for state, loader in self.loaders.items():
            if loader.poll() is not None:
                self.kills[f"ended by itself with {loader.returncode}"] += 1
                self.loaders[state] = self.start(state)

    def kill(self):
        for loader in self.loaders.values():
            loader.send_signal(signal.SIGKILL)
        for loader in self.loaders.values():
            loader.wait()
        self.loaders = {state: self.start(state) for state in self.loaders}

    # ── What goes in

    def feed(self, loaded):
        """Puts an object for each table that has few waiting."""
        for n in range(TABLES):
            if self.put[n] - loaded.get(n, 0) < WAITING:
                self.put_object(n)

    def put_object(self, n):
        number, chance = self.put[n], self.random.random()
        self.put[n] += 1
        if chance < 0.1 and number > 0:
            # What a delivery may do: the same rows again, in an object of another name.
            again = self.random.randrange(number)
            body = self.s3.get_object(Bucket=f"staging-{n}", Key=key(again))["Body"].read()
            body = b"".join(line for line in body.splitlines(True) if b"event_id" in line)
            if body:
                self.s3.put_object(Bucket=f"staging-{n}", Key=key(number), Body=body)
                return
        rows = [self.row(n, number, line) for line in range(ROWS)]
        if chance > 0.99:
            rows[-1]["Amount"] = "much"
        body = "".join(json.dumps(row) + "\n" for row in rows).encode()
        self.s3.put_object(Bucket=f"staging-{n}", Key=key(number), Body=body)

    def row(self, n, number, line):
        row = {"Id": f"{n}-{number}-{line}", "Amount": round(self.random.uniform(0, 999), 3),
               "Note": self.random.choice([None, "it's \\ {}", "ä, ö\n\"ü\""])}
        if line > 0:
            row["event_id"] = f"{self.random.getrandbits(128):032x}"
        return row

    # ── What goes wrong

    def arm(self, rules):
        """Other rules; what those before have hit is counted."""
        for (name, _), hit in zip(self.armed, self.front.hit() if self.armed else []):
            self.hits[name] += hit["fired"]
        self.armed = rules
        self.front.rules([rule for _, rule in rules])

    def weather(self):
        """Every step fails in every way, by chance."""
        return [(f"{operation} {cut}",
                 {"service": service, "operation": operation, "probability": CHANCE,
                  "seed": self.random.getrandbits(32), "action": cut})
                for service, operation in STEPS for cut in CUTS]

    def kill_at(self, step, when):
        """Kills both loaders while one of them is at this step."""
        service, operation = step
        rule = {"service": service, "operation": operation, "nth": self.random.randint(1, 3),
                "action": {"delay_ms": 1_000} if when == "before" else "lose_reply"}
        self.arm([("kill", rule), *self.weather()])
        end = time.monotonic() + 10
        while self.front.hit()[0]["fired"] == 0:
            if time.monotonic() > end:
                return
            time.sleep(0.005)
        self.kill()
        self.kills[f"{operation} {when}"] += 1

    # ── What comes out

    def select(self, sql):
        """Rows of a select, as tuples of texts and None."""
        asked = self.ask("Id", self.data.execute_statement, WorkgroupName="trials",
                         Database="dev", Sql=sql)["Id"]
        while True:
            told = self.ask("Status", self.data.describe_statement, Id=asked)
            if told["Status"] in ("FAILED", "ABORTED"):
                raise SystemExit(f"{sql}: {told.get('Error')}")
            if told["Status"] == "FINISHED":
                break
            time.sleep(0.01)
        more = {}
        while True:
            page = self.ask("Records", self.data.get_statement_result, Id=asked, **more)
            for row in page["Records"]:
                yield tuple(None if field.get("isNull") else next(iter(field.values()))
                            for field in row)
            if "NextToken" not in page:
                return
            more = {"NextToken": page["NextToken"]}

    def ask(self, needed, call, **arguments):
        """A question to the Data API, again where half of the answer was lost: the weather is for
        everybody, and boto3 takes half of a body for an empty answer."""
        from botocore.exceptions import BotoCoreError, ClientError
        for _ in range(20):
            try:
                answer = call(**arguments)
                if needed in answer:
                    return answer
            except (BotoCoreError, ClientError) as error:
                print(f"asked again: {error}")
        raise SystemExit(f"no answer to {arguments}")

    def progress(self):
        """Loads so far, and the objects that the history names, by table."""
        rows = list(self.select("select table_name, count(*), count(distinct load_id) from "
                                "flowc_load_history group by table_name"))
        tables = {int(name.removeprefix("orders")): (int(count), int(loads))
                  for name, count, loads in rows}
        # A table of which all objects were refused so far has no history.
        known = {n: tables.get(n, (0, 0))[0] + self.bad(n) for n in range(TABLES)}
        return sum(loads for _, loads in tables.values()), known

    def bad(self, n):
        """Objects of a table that hold a bad line, as S3 has them."""
        return sum(1 for _, rows in self.objects(n, "bad") if rows is None)

    def objects(self, n, cache):
        """Keys and rows (None = refused) of what lies in S3, read once each."""
        known = self.__dict__.setdefault(f"read_{cache}", {}).setdefault(n, {})
        for number in range(self.put[n]):
            if number not in known:
                body = self.s3.get_object(Bucket=f"staging-{n}", Key=key(number))["Body"].read()
                known[number] = rows_of(body)
        return [(key(number), rows) for number, rows in known.items()]

    def judge(self):
        found = Counter()
        for n in range(TABLES):
            ids, wanted, good = {}, Counter(), Counter()
            for name, rows in self.objects(n, "judge"):
                if rows is None:
                    continue
                good[name] += 1
                for event, row in rows:
                    wanted[event, row] = 1 if event else wanted[event, row] + 1
                    if event and ids.setdefault(event, row) != row:
                        raise SystemExit(f"the input has two rows of id {event}")
            there = Counter((event, (name, Decimal(amount), note)) for event, name, amount, note
                            in self.select(f"select event_id, id, amount, note from orders{n}"))
            history = Counter(name for name, in self.select(
                f"select \"key\" from flowc_load_history where table_name = 'orders{n}'"))
            more = there - wanted
            found["rows"] += sum(there.values())
            found["lost"] += sum((wanted - there).values())
            found["duplicated"] += sum(many for row, many in more.items() if row in wanted)
            found["extra"] += sum(many for row, many in more.items() if row not in wanted)
            found["history_wrong"] += sum(((history - good) + (good - history)).values())
        return found

    # ── The experiment

    def run(self):
        cells = [(step, when) for step in STEPS for when in KILLS]
        loads, loaded, at, moved = 0, {}, 0, time.monotonic()
        self.arm(self.weather())
        while loads < self.options.loads:
            self.feed(loaded)
            self.kill_at(*cells[at % len(cells)])
            at += 1
            for _ in range(3):
                before = loads
                loads, loaded = self.progress()
                self.feed(loaded)
                self.revive()
                if loads > before:
                    moved = time.monotonic()
                time.sleep(0.4)
            if time.monotonic() - moved > STUCK_S:
                break
        self.arm([])
        return self.finish()

    def settled(self):
        self.revive()
        _, loaded = self.progress()
        return all(loaded.get(n, 0) >= self.put[n] for n in range(TABLES))

    def finish(self):
        whole = aws.until("all objects are loaded", self.settled, STUCK_S)
        for loader in self.loaders.values():
            loader.send_signal(signal.SIGTERM)
        codes = []
        for loader in self.loaders.values():
            try:
                codes.append(loader.wait(60))
            except subprocess.TimeoutExpired:
                loader.kill()
                codes.append(loader.wait())
        loads, _ = self.progress()
        found = self.judge()
        for name, count in sorted((self.hits + self.kills).items()):
            print(f"  {count:6,}  {name}")
        problem = []
        if found["history_wrong"]:
            problem.append(f"the history is wrong for {found['history_wrong']} objects")
        if any(code not in (0, 75) for code in codes):
            problem.append(f"the loaders ended with {codes}")
        missing = [f"kill at {operation} {when}" for _, operation in STEPS for when in KILLS
                   if self.options.long and not self.kills[f"{operation} {when}"]]
        missing += [f"{operation} {cut}" for _, operation in STEPS for cut in CUTS
                    if self.options.long and not self.hits[f"{operation} {cut}"]]
        problem += [f"never happened: {what}" for what in missing]
        kills = sum(many for name, many in self.kills.items() if "itself" not in name)
        result = {
            "experiment": "loads", "trials": loads, "lost": found["lost"],
            "duplicated": found["duplicated"], "extra": found["extra"], "stuck": int(not whole),
            "seconds": round(time.monotonic() - self.began, 1),
            "objects": sum(self.put.values()), "rows": found["rows"],
            "faults": sum(many for name, many in self.hits.items() if name != "kill"),
            "kills": kills * len(self.loaders),
        }
        return {**result, "problem": "; ".join(problem)} if problem else result


def key(number):
    return f"in/{number:06}.ndjson"


def rows_of(body):
    """The rows of an object as (id or None, row); None where a line is no row of the table."""
    rows = []
    for line in body.decode().splitlines():
        record = json.loads(line, parse_float=Decimal, parse_int=Decimal)
        try:
            amount = Decimal(record["Amount"])
        except InvalidOperation:
            return None
        rows.append((record.get("event_id"), (record["Id"], amount, record["Note"])))
    return rows


def on_front(options, directory):
    """On a front of its own, or on the one that runs at the given address, PostgreSQL behind it."""
    if "://" in str(options.front):
        with aws.front(options.front) as front:
            return Trial(options, front, directory).run()
    with aws.postgres() as (uri, _), aws.front(options.front, "--postgres", uri) as front:
        return Trial(options, front, directory).run()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--loads", type=int)
    parser.add_argument("--flowc")
    parser.add_argument("--front", help="the program, or the address of one that runs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="keep the logs")
    options = parser.parse_args()
    options.loads = options.loads or (2_000 if options.long else 120)
    try:
        aws.with_boto3()
        options.flowc = aws.program("flowc", options.flowc)
        options.front = aws.program("awsfront", options.front or options.flowc)
        directory = pathlib.Path(tempfile.mkdtemp(prefix="flowc-loads-"))
        result = on_front(options, directory)
    except aws.Missing as why:
        return aws.skipped("loads", why)
    code = aws.report(result)
    if code or options.keep:
        print(f"kept: {directory}", file=sys.stderr)
    else:
        shutil.rmtree(directory)
    return code


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(main())
