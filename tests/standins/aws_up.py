#!/usr/bin/env python3
"""Makes what `ingest`, `gateway`, `archive` and `dynamo` of flows/ecommerce.flow need, with boto3:

    aws_up.py --kinesis URL --dynamodb URL --s3 URL

for emulators that have not every service that `flowc up` asks.
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

import boto3

from aws_verify import CONFIG

parser = argparse.ArgumentParser()
for name in ["kinesis", "dynamodb", "s3"]:
    parser.add_argument(f"--{name}", required=True)
arguments = parser.parse_args()

kinesis = boto3.client("kinesis", endpoint_url=arguments.kinesis, config=CONFIG)
kinesis.create_stream(StreamName="APIData", ShardCount=1)
kinesis.get_waiter("stream_exists").wait(StreamName="APIData", WaiterConfig={"Delay": 1})

tables = boto3.client("dynamodb", endpoint_url=arguments.dynamodb, config=CONFIG)
for table, key in [("invoices", "InvoiceNo"), ("customers", "CustomerID"),
                   ("flowc-ecommerce", "leaseKey")]:
    tables.create_table(
        TableName=table, BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}])
    tables.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})

objects = boto3.client("s3", endpoint_url=arguments.s3, config=CONFIG)
for bucket in ["s3-bucket-de", "fire-hose-redshift"]:
    objects.create_bucket(Bucket=bucket, CreateBucketConfiguration={
        "LocationConstraint": "eu-central-1"})
print("OK")
