#!/usr/bin/env python3
"""Uses Kinesis, Firehose and STS of the front with boto3 and checks its answers.

streams.py URL CHECK...; prints `CHECK: OK` for each, or fails.
"""

import gzip
import json
import sys
import threading
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

URL = sys.argv[1]
CONFIG = Config(retries={"total_max_attempts": 1}, read_timeout=60,
                s3={"addressing_style": "path"})


def client(service, **more):
    return boto3.client(service, endpoint_url=URL, config=CONFIG, **more)


KINESIS = client("kinesis")
FIREHOSE = client("firehose")


def front(path, body):
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{URL}/_front/{path}", data=data, method="POST")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def refused(code, call, **members):
    try:
        call(**members)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response
        return error.response["Error"]["Message"]
    raise AssertionError(f"{code} was expected")


def fresh(shards):
    """No data, no waits, small pages, and a stream."""
    front("reset", {})
    front("settings", {"transition_ms": 0, "list_shards_page": 2, "shard_reads": 0})
    KINESIS.create_stream(StreamName="s", ShardCount=shards)
    summary = KINESIS.describe_stream_summary(StreamName="s")["StreamDescriptionSummary"]
    assert summary["StreamStatus"] == "ACTIVE" and summary["OpenShardCount"] == shards
    return summary["StreamARN"]


def listed(**more):
    page = KINESIS.list_shards(StreamName="s", **more)
    shards = page["Shards"]
    while "NextToken" in page:
        page = KINESIS.list_shards(NextToken=page["NextToken"])
        shards += page["Shards"]
    return shards


def put(key, data, **more):
    return KINESIS.put_record(StreamName="s", PartitionKey=key, Data=data, **more)


def iterator(shard, kind, **more):
    answer = KINESIS.get_shard_iterator(StreamName="s", ShardId=shard, ShardIteratorType=kind,
                                        **more)
    return answer["ShardIterator"]


def read(shard):
    """The records of a shard to its end or tip, and the shards that follow it."""
    at, records = iterator(shard, "TRIM_HORIZON"), []
    while True:
        answer = KINESIS.get_records(ShardIterator=at, Limit=100)
        records += answer["Records"]
        at = answer.get("NextShardIterator")
        if at is None:
            return records, [child["ShardId"] for child in answer["ChildShards"]]
        if answer["MillisBehindLatest"] == 0:
            return records, None


def identity():
    assert client("sts").get_caller_identity()["Account"] == "123456789012"
    other = dict(aws_access_key_id="other", aws_secret_access_key="test")
    refused("InvalidClientTokenId", client("sts", **other).get_caller_identity)
    refused("UnrecognizedClientException", client("kinesis", **other).list_streams)
    wrong = dict(aws_access_key_id="test", aws_secret_access_key="other")
    refused("InvalidSignatureException", client("kinesis", **wrong).list_streams)
    front("clock", {"skew_ms": 20 * 60 * 1000})
    text = refused("InvalidSignatureException", KINESIS.list_streams)
    assert text.startswith("Signature expired"), text
    front("clock", {"skew_ms": 0})


def records():
    arn = fresh(3)
    first = put("a", b"one")
    second = put("a", b"two", SequenceNumberForOrdering=first["SequenceNumber"])
    assert len(first["SequenceNumber"]) == 56
    assert first["SequenceNumber"] < second["SequenceNumber"]
    many = [{"Data": b"%d" % at, "PartitionKey": f"k{at}"} for at in range(500)]
    answer = KINESIS.put_records(StreamARN=arn, Records=many)
    assert answer["FailedRecordCount"] == 0
    found = []
    for shard in listed():
        own, following = read(shard["ShardId"])
        numbers = [int(record["SequenceNumber"]) for record in own]
        assert numbers == sorted(set(numbers)) and following is None
        found += [record["Data"] for record in own]
    assert sorted(found) == sorted([b"one", b"two"] + [one["Data"] for one in many])
    hot = [{"Data": b"x" * 10_000, "PartitionKey": "hot"}] * 200
    answer = KINESIS.put_records(StreamName="s", Records=hot)
    failed = [one for one in answer["Records"] if "ErrorCode" in one]
    assert 0 < answer["FailedRecordCount"] == len(failed) < 200
    assert failed[0]["ErrorCode"] == "ProvisionedThroughputExceededException"
    refused("ValidationException", KINESIS.put_records, StreamName="s",
            Records=[{"Data": b"", "PartitionKey": "k"}] * 501)
    refused("InvalidArgumentException", KINESIS.put_record, StreamName="s", PartitionKey="k",
            Data=b"x" * 1024 * 1024)


def iterators():
    fresh(1)
    first, second = put("a", b"one"), put("a", b"two")
    shard = first["ShardId"]
    at = iterator(shard, "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=first["SequenceNumber"])
    found = KINESIS.get_records(ShardIterator=at)["Records"]
    assert [one["SequenceNumber"] for one in found] == [second["SequenceNumber"]]
    at = iterator(shard, "AT_TIMESTAMP", Timestamp=found[0]["ApproximateArrivalTimestamp"])
    assert b"two" in [one["Data"] for one in KINESIS.get_records(ShardIterator=at)["Records"]]
    latest = iterator(shard, "LATEST")
    assert KINESIS.get_records(ShardIterator=latest)["Records"] == []
    front("clock", {"advance_ms": 300_001})
    refused("ExpiredIteratorException", KINESIS.get_records, ShardIterator=latest)


def resharding():
    fresh(3)
    for at in range(100):
        put(f"k{at}", b"before")
    shards = listed()
    middle = int(shards[0]["HashKeyRange"]["EndingHashKey"]) // 2
    split = dict(StreamName="s", ShardToSplit=shards[0]["ShardId"], NewStartingHashKey=str(middle))
    KINESIS.split_shard(**split)
    refused("ResourceInUseException", KINESIS.split_shard, **split)
    KINESIS.merge_shards(StreamName="s", ShardToMerge=shards[1]["ShardId"],
                         AdjacentShardToMerge=shards[2]["ShardId"])
    KINESIS.update_shard_count(StreamName="s", TargetShardCount=4, ScalingType="UNIFORM_SCALING")
    now = listed(ShardFilter={"Type": "AT_LATEST"})
    starts = sorted(int(shard["HashKeyRange"]["StartingHashKey"]) for shard in now)
    assert starts == [at * 2**126 for at in range(4)]
    todo, seen, total = [shard["ShardId"] for shard in shards], set(), 0
    while todo:
        shard = todo.pop()
        own, following = read(shard)
        total += len(own)
        seen.add(shard)
        todo += [one for one in following or [] if one not in seen and one not in todo]
    assert total == 100 and seen == {shard["ShardId"] for shard in listed()}


def fan_out():
    arn = fresh(1)
    shard = put("a", b"one")["ShardId"]
    consumer = KINESIS.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]
    subscribe = dict(ConsumerARN=consumer["ConsumerARN"], ShardId=shard,
                     StartingPosition={"Type": "TRIM_HORIZON"})
    events = KINESIS.subscribe_to_shard(**subscribe)["EventStream"]
    refused("ResourceInUseException", KINESIS.subscribe_to_shard, **subscribe)
    found, writer = [], None
    for event in events:
        event = event["SubscribeToShardEvent"]
        found += [record["Data"] for record in event["Records"]]
        if event.get("ContinuationSequenceNumber") is None:
            assert len(event["ChildShards"]) == 2
        elif writer is None:
            other = client("kinesis")
            writer = threading.Thread(target=lambda: (
                other.put_record(StreamName="s", PartitionKey="a", Data=b"two"),
                other.split_shard(StreamName="s", ShardToSplit=shard,
                                  NewStartingHashKey=str(2**127))))
            writer.start()
    assert found == [b"one", b"two"], found
    assert len(KINESIS.list_stream_consumers(StreamARN=arn)["Consumers"]) == 1
    KINESIS.deregister_stream_consumer(ConsumerARN=consumer["ConsumerARN"])


def faults():
    fresh(1)
    front("rules", [{"service": "kinesis", "operation": "PutRecords", "seed": 1,
                     "action": {"entries": 0.3, "code": "InternalFailure"}}])
    entries = [{"Data": b"x", "PartitionKey": "k"}] * 100
    answer = KINESIS.put_records(StreamName="s", Records=entries)
    assert 10 < answer["FailedRecordCount"] < 50
    for cut, kept in [("lose_reply", 1), ("drop_request", 0), ("reset", 0)]:
        before = len(read("shardId-000000000000")[0])
        front("rules", [{"service": "kinesis", "operation": "PutRecord", "action": cut}])
        try:
            put("k", b"cut")
            raise AssertionError(f"{cut}: an answer came")
        except ConnectionClosedError:
            assert len(read("shardId-000000000000")[0]) == before + kept, cut
    front("rules", [])


def delivery():
    fresh(1)
    objects = client("s3")
    objects.create_bucket(Bucket="landing",
                          CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    config = dict(RoleARN="arn:aws:iam::123456789012:role/r", BucketARN="arn:aws:s3:::landing",
                  BufferingHints={"SizeInMBs": 1, "IntervalInSeconds": 60},
                  CompressionFormat="GZIP", Prefix="raw/")
    FIREHOSE.create_delivery_stream(DeliveryStreamName="d",
                                    ExtendedS3DestinationConfiguration=config)
    description = FIREHOSE.describe_delivery_stream(DeliveryStreamName="d")
    assert description["DeliveryStreamDescription"]["DeliveryStreamStatus"] == "ACTIVE"
    batch = [{"Data": b"%d\n" % at} for at in range(500)]
    answer = FIREHOSE.put_record_batch(DeliveryStreamName="d", Records=batch)
    assert answer["FailedPutCount"] == 0 and len(answer["RequestResponses"]) == 500
    FIREHOSE.put_record(DeliveryStreamName="d", Record={"Data": b"last\n"})
    refused("ValidationException", FIREHOSE.put_record_batch, DeliveryStreamName="d",
            Records=[{"Data": b"x"}] * 501)
    front("clock", {"advance_ms": 60_001})
    found = []
    while not found:
        found = objects.list_objects_v2(Bucket="landing").get("Contents", [])
    assert found[0]["Key"].startswith("raw/2") and found[0]["Key"].endswith(".gz")
    body = objects.get_object(Bucket="landing", Key=found[0]["Key"])["Body"].read()
    assert gzip.decompress(body) == b"".join(one["Data"] for one in batch) + b"last\n"
    FIREHOSE.delete_delivery_stream(DeliveryStreamName="d")
    refused("ResourceNotFoundException", FIREHOSE.describe_delivery_stream, DeliveryStreamName="d")


CHECKS = dict(identity=identity, records=records, iterators=iterators, resharding=resharding,
              fan_out=fan_out, faults=faults, delivery=delivery)
for name in sys.argv[2:]:
    CHECKS[name]()
    print(f"{name}: OK")
