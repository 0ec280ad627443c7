#!/usr/bin/env python3
"""Puts the lines of a file on a Kinesis stream with boto3, for flowc to read.

    aws_put.py FILE --stream NAME --key FIELD [--endpoint URL] [--rows N] [--aggregated]
                    [--create SHARDS] [--event-ids]

FILE holds JSON lines, or is the CSV of flows/ecommerce.flow, whose lines become JSON as `json<Line>`
has it. The partition key is the text of FIELD. --aggregated packs them as the Kinesis Producer
Library does, by aws-kinesis-agg, about 50 KB a record, those of a shard together. --event-ids gives every line an `event_id`. --create makes the stream first.
Prints `N lines in R records`. Exit code: 0 all are on the stream, 2 the arguments are wrong or the
service does not answer.
"""

import argparse
import hashlib
import itertools
import json
import pathlib
import sys
from decimal import Decimal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

import verify

CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 10}, connect_timeout=10,
                read_timeout=90)
PACKED_BYTES = 50_000
REQUEST_RECORDS = 500
REQUEST_BYTES = 4 << 20
ATTEMPTS = 200


def json_line(row):
    """A row of the CSV file as JSON, prices as exact numbers."""
    record = dict(zip(verify.COLUMNS, row))
    instant = verify.EPOCH + verify.MICROSECOND * record["InvoiceDate"]
    record["InvoiceDate"] = instant.strftime("%Y-%m-%dT%H:%M:%SZ")
    price = str(Decimal(record["UnitPrice"]) / 1000)
    record["UnitPrice"] = 0
    return json.dumps(record, ensure_ascii=False).replace(
        '"UnitPrice": 0', f'"UnitPrice": {price}', 1)


def lines_of(path):
    if path.suffix == ".csv":
        return [json_line(row) for row in verify.read_csv(path)]
    return path.read_text("utf-8").splitlines()


def with_id(line, number):
    event = hashlib.blake2b(f"{number}".encode(), digest_size=16).hexdigest()
    return f'{line[:-1]}, "event_id": "{event}"}}'


def packed(kinesis, stream, pairs):
    """(key, data) of aggregated records; those of a shard together, as readers drop the others."""
    from aws_kinesis_agg.aggregator import RecordAggregator
    shards = []
    pages = kinesis.get_paginator("list_shards").paginate(StreamName=stream)
    for shard in itertools.chain.from_iterable(page["Shards"] for page in pages):
        if "EndingSequenceNumber" not in shard["SequenceNumberRange"]:
            end = int(shard["HashKeyRange"]["EndingHashKey"])
            shards.append((end, RecordAggregator(PACKED_BYTES)))
    shards.sort(key=lambda shard: shard[0])
    for key, data in pairs:
        place = int.from_bytes(hashlib.md5(key.encode()).digest(), "big")
        packer = next(packer for end, packer in shards if place <= end)
        full = packer.add_user_record(key, data)
        if full:
            yield contents(full)
    for _, packer in shards:
        rest = packer.clear_and_get()
        if rest and rest.get_num_user_records():
            yield contents(rest)


def contents(record):
    key, _, data = record.get_contents()
    return key, data


def requests_of(pairs):
    """Records of a request each, within the limits."""
    some, size = [], 0
    for key, data in pairs:
        bytes_ = len(data) + len(key.encode())
        if len(some) == REQUEST_RECORDS or size + bytes_ > REQUEST_BYTES:
            yield some
            some, size = [], 0
        some.append({"PartitionKey": key, "Data": data})
        size += bytes_
    if some:
        yield some


def put(kinesis, stream, records):
    """Sends until all are stored: what failed, and what came after it, in order."""
    for _ in range(ATTEMPTS):
        answer = kinesis.put_records(StreamName=stream, Records=records)
        if not answer["FailedRecordCount"]:
            return
        states = zip(records, answer["Records"])
        records = [record for record, state in states if state.get("ErrorCode")]
    raise SystemExit(f"{len(records)} records were refused {ATTEMPTS} times")


def main(argv):
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("file", type=pathlib.Path)
    for name in ["stream", "key"]:
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--endpoint")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--create", type=int)
    parser.add_argument("--aggregated", action="store_true")
    parser.add_argument("--event-ids", action="store_true")
    parser.error = lambda message: sys.exit(f"{message}\n\n{__doc__}")
    arguments = parser.parse_args(argv)
    kinesis = boto3.client("kinesis", endpoint_url=arguments.endpoint, config=CONFIG)
    if arguments.create:
        kinesis.create_stream(StreamName=arguments.stream, ShardCount=arguments.create)
        kinesis.get_waiter("stream_exists").wait(
            StreamName=arguments.stream, WaiterConfig={"Delay": 1})
    lines = list(itertools.islice(lines_of(arguments.file), arguments.rows))
    if arguments.event_ids:
        lines = [with_id(line, number) for number, line in enumerate(lines)]
    pairs = [(str(json.loads(line)[arguments.key]), line.encode()) for line in lines]
    count = 0
    if arguments.aggregated:
        pairs = packed(kinesis, arguments.stream, pairs)
    for records in requests_of(pairs):
        put(kinesis, arguments.stream, records)
        count += len(records)
    print(f"{len(lines)} lines in {count} records")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (OSError, BotoCoreError, ClientError, KeyError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except SystemExit as stop:
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
            sys.exit(2)
        raise
