"""What AWS's own client for Python spends on the same work.

    boto3_aws.py up ENDPOINT                  makes the stream and the bucket
    boto3_aws.py kinesis ENDPOINT FILE.csv    each row as JSON, 500 a PutRecords
    boto3_aws.py objects ENDPOINT FILE        lines, 500 an object
"""

import csv
import itertools
import json
import sys

import boto3


def main():
    work, endpoint, *rest = sys.argv[1:]
    if work == "up":
        boto3.client("kinesis", endpoint_url=endpoint).create_stream(
            StreamName="bench-boto3", ShardCount=4)
        boto3.client("s3", endpoint_url=endpoint).create_bucket(
            Bucket="bench-boto3", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    elif work == "kinesis":
        put_records(boto3.client("kinesis", endpoint_url=endpoint), rest[0])
    else:
        put_objects(boto3.client("s3", endpoint_url=endpoint), rest[0])


def put_records(client, path):
    with open(path, encoding="utf-8", newline="") as file:
        for rows in chunks(csv.DictReader(file)):
            records = []
            for row in rows:
                row["Quantity"] = int(row["Quantity"])
                row["UnitPrice"] = float(row["UnitPrice"])
                row["CustomerID"] = float(row["CustomerID"]) if row["CustomerID"] else None
                data = json.dumps(row, separators=(",", ":")).encode()
                records.append({"Data": data, "PartitionKey": row["InvoiceNo"]})
            answer = client.put_records(StreamName="bench-boto3", Records=records)
            if answer["FailedRecordCount"]:
                sys.exit("an entry has failed")


def put_objects(client, path):
    with open(path, "rb") as file:
        for number, lines in enumerate(chunks(file)):
            client.put_object(Bucket="bench-boto3", Key=f"{number:08}.txt", Body=b"".join(lines))


def chunks(items, most=500):
    items = iter(items)
    while chunk := list(itertools.islice(items, most)):
        yield chunk


main()
