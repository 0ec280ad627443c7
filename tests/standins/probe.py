#!/usr/bin/env python3
"""Writes a little to a service, reads it back and prints OK: `probe.py SERVICE URL`.

SERVICE is kinesis, dynamodb, s3, or s3-other-secret, whose request must be refused.
"""

import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

CONFIG = Config(retries={"total_max_attempts": 3}, connect_timeout=10, read_timeout=60,
                s3={"addressing_style": "path"})


def client(service, url, **more):
    return boto3.client(service, endpoint_url=url, config=CONFIG, **more)


def kinesis(url):
    streams = client("kinesis", url)
    streams.create_stream(StreamName="probe", ShardCount=2)
    streams.get_waiter("stream_exists").wait(StreamName="probe", WaiterConfig={"Delay": 1})
    answer = streams.put_records(StreamName="probe", Records=[
        {"Data": b"%d" % n, "PartitionKey": f"k{n}"} for n in range(10)])
    assert answer["FailedRecordCount"] == 0, answer
    found = []
    for shard in streams.list_shards(StreamName="probe")["Shards"]:
        iterator = streams.get_shard_iterator(
            StreamName="probe", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
        page = streams.get_records(ShardIterator=iterator["ShardIterator"])
        found += [int(record["Data"]) for record in page["Records"]]
    assert sorted(found) == list(range(10)), found


def dynamodb(url):
    tables = client("dynamodb", url)
    tables.create_table(
        TableName="probe", BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}])
    tables.get_waiter("table_exists").wait(TableName="probe", WaiterConfig={"Delay": 1})
    tables.update_item(TableName="probe", Key={"k": {"S": "a"}}, UpdateExpression="SET #n = :v",
                       ExpressionAttributeNames={"#n": "size"},
                       ExpressionAttributeValues={":v": {"N": "12345678901234567890.5"}})
    found = tables.scan(TableName="probe", ConsistentRead=True)["Items"]
    assert found == [{"k": {"S": "a"}, "size": {"N": "12345678901234567890.5"}}], found


def s3(url):
    objects = client("s3", url)
    objects.create_bucket(Bucket="probe", CreateBucketConfiguration={
        "LocationConstraint": "eu-central-1"})
    objects.put_object(Bucket="probe", Key="a/b %.txt", Body=b"one\ntwo")
    found = objects.list_objects_v2(Bucket="probe", Prefix="a/")["Contents"]
    assert [(o["Key"], o["Size"]) for o in found] == [("a/b %.txt", 7)], found
    assert objects.get_object(Bucket="probe", Key="a/b %.txt")["Body"].read() == b"one\ntwo"


def s3_other_secret(url):
    objects = client("s3", url, aws_access_key_id="test", aws_secret_access_key="other")
    try:
        objects.list_buckets()
    except ClientError as error:
        assert error.response["Error"]["Code"] == "SignatureDoesNotMatch", error
    else:
        raise AssertionError("a wrong signature was taken")


{"kinesis": kinesis, "dynamodb": dynamodb, "s3": s3, "s3-other-secret": s3_other_secret}[
    sys.argv[1]](sys.argv[2])
print("OK")
