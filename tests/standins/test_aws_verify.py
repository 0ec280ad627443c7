#!/usr/bin/env python3
"""aws_verify.py must say OK to a right state and catch each planted fault: `test_aws_verify.py URL`.

Writes the end state of a small file on the services at URL with boto3, then spoils one thing after
the other. With --no-redshift the warehouse is left out (emulators have none).
"""

import contextlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
from decimal import Decimal

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import boto3

import aws_verify
import verify

URL, REDSHIFT = sys.argv[1], "--no-redshift" not in sys.argv
CHECKS = [check for check in aws_verify.CHECKS if REDSHIFT or check != "warehouse"]
LINES = [
    "I1,A,plain ,6,12/1/2010 8:26,2.55,17850,United Kingdom",
    'I1,A,"6"" ruler, oak",-1,12/1/2010 8:27,0.001,17850,United Kingdom',
    "I1,a,,2,12/1/2010 8:27,18,17850,United Kingdom",
    "C2,A,\u00a35 token,-6,1/31/2011 17:05,-1.1,,EIRE",
    "C2,A,\u00a35 token,-6,1/31/2011 17:05,-1.1,,EIRE",
]
DIRECTORY = pathlib.Path(tempfile.mkdtemp())
CSV = DIRECTORY / "in.csv"
CLIENT = {name: boto3.client(name, endpoint_url=URL, config=aws_verify.CONFIG)
          for name in ["s3", "dynamodb", "redshift-data"]}


def code(*checks):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        found = aws_verify.main([str(CSV), "--endpoint", URL, "--services",
                                 ",".join(checks or CHECKS)])
    return found, out.getvalue()


def is_ok(*checks):
    found, text = code(*checks)
    assert found == 0, text


def differs(what, *checks):
    found, text = code(*checks)
    assert found == 1, f"{what} was not seen:\n{text}"
    print(f"{what}: seen")


def value(column, row):
    one = row[verify.COLUMNS.index(column)]
    if one is None:
        return {"NULL": True}
    if column == "InvoiceDate":
        return {"S": (verify.EPOCH + verify.MICROSECOND * one).isoformat()}
    if column == "UnitPrice":
        return {"N": str(Decimal(one) / 1000)}
    return {"N": str(one)} if column == "Quantity" else {"S": one}


def sql(*statements):
    data = CLIENT["redshift-data"]
    answer = data.batch_execute_statement(
        WorkgroupName="analytics", Database="dev", Sqls=list(statements), WaitTimeSeconds=30)
    found = data.describe_statement(Id=answer["Id"], WaitTimeSeconds=30)
    assert found["Status"] == "FINISHED", found


def put(bucket, key, text):
    CLIENT["s3"].put_object(Bucket=bucket, Key=key, Body=text.encode())


def update(table, key, identity, attribute, columns, row):
    record = {"M": {column: value(column, row) for column in columns}}
    CLIENT["dynamodb"].update_item(
        TableName=table, Key={key: {"S": identity}}, UpdateExpression="SET #a = :v",
        ExpressionAttributeNames={"#a": attribute}, ExpressionAttributeValues={":v": record})


def tool(name, *arguments):
    subprocess.run([sys.executable, HERE.parent / name, *arguments], check=True,
                   stdout=subprocess.DEVNULL)


def begin():
    CSV.write_bytes("\r\n".join([",".join(verify.COLUMNS), *LINES, ""]).encode("latin-1"))
    # A session so that the objects hold what flowc is said to write, ids and all.
    import aws_put
    rows = list(verify.read_csv(CSV))
    plain = [aws_put.json_line(row) for row in rows]
    ids = [aws_put.with_id(line, number) for number, line in enumerate(plain)]
    for bucket in ["s3-bucket-de", "fire-hose-redshift"]:
        CLIENT["s3"].create_bucket(Bucket=bucket, CreateBucketConfiguration={
            "LocationConstraint": "eu-central-1"})
    put("s3-bucket-de", "1.txt", "\n".join(plain[:3]))
    put("s3-bucket-de", "2.txt", "\n".join(plain[3:]))
    put("fire-hose-redshift", "2010/1", "\n".join(ids[:3]) + "\n")
    # A delivery may repeat a line.
    put("fire-hose-redshift", "2010/2", "\n".join(ids[2:]) + "\n")
    put("fire-hose-redshift", "flowc/manifests/x/1.json", "{}")
    for table, key in [("invoices", "InvoiceNo"), ("customers", "CustomerID")]:
        CLIENT["dynamodb"].create_table(
            TableName=table, BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}])
        CLIENT["dynamodb"].get_waiter("table_exists").wait(
            TableName=table, WaiterConfig={"Delay": 1})
    for row in rows:
        update("invoices", "InvoiceNo", row[0], row[1], verify.STOCK, row)
        if row[6]:
            update("customers", "CustomerID", row[6], row[0], verify.VISIT, row)
    tool("aws_put.py", CSV, "--stream", "APIData", "--key", "InvoiceNo", "--endpoint", URL,
         "--create", "2", "--event-ids", "--aggregated")
    # The same lines again, not packed: a lost reply.
    tool("aws_put.py", CSV, "--stream", "APIData", "--key", "InvoiceNo", "--endpoint", URL,
         "--event-ids", "--rows", "3")
    if REDSHIFT:
        warehouse(rows, ids)


def warehouse(rows, ids):
    def literal(text):
        return "null" if text is None else "'" + str(text).replace("'", "''") + "'"

    inserts = []
    for row, line in zip(rows, ids):
        values = [literal(part) for part in row]
        values[4] = literal((verify.EPOCH + verify.MICROSECOND * row[4]).isoformat()[:19])
        values[5] = str(Decimal(row[5]) / 1000)
        event = json.loads(line)["event_id"]
        inserts.append(f"insert into firehose_transactions values ({', '.join(values)}, '{event}')")
    sql("create table firehose_transactions (invoiceno varchar(99), stockcode varchar(99), "
        "description varchar(99), quantity bigint, invoicedate timestamp, "
        "unitprice decimal(10, 3), customerid varchar(99), country varchar(99), "
        "event_id varchar(32))",
        'create table flowc_load_history (table_name varchar(99), bucket varchar(99), '
        '"key" varchar(99), "rows" bigint)', *inserts,
        *[f"insert into flowc_load_history values ('firehose_transactions', "
          f"'fire-hose-redshift', '2010/{n}', 3)" for n in [1, 2]])


def spoil():
    s3, text = CLIENT["s3"], ""
    for bucket, key, check in [("s3-bucket-de", "1.txt", "archive"),
                               ("fire-hose-redshift", "2010/1", "staging")]:
        text = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
        for old, new in [("plain ", "plain"), ("2.55", "2.551"), ("2.55", '"2.55"'),
                         ('"Quantity": 6', '"Quantity": 7'), ("08:26:00Z", "08:26:01Z"),
                         ('"17850"', "17850"), ("{", "[")]:
            assert old in text, old
            put(bucket, key, text.replace(old, new, 1))
            differs(f"{check}: {old} to {new}", check)
        put(bucket, key, "\n".join(text.split("\n")[1:]))
        differs(f"{check}: a line lost", check)
        put(bucket, key, text)
        is_ok(check)
    put("s3-bucket-de", "3.txt", text)
    differs("archive: lines twice", "archive")
    s3.delete_object(Bucket="s3-bucket-de", Key="3.txt")
    put("s3-bucket-de", "quarantine/x.ndjson", "{}\n")
    differs("quarantine", "quarantine")
    s3.delete_object(Bucket="s3-bucket-de", Key="quarantine/x.ndjson")
    rows = list(verify.read_csv(CSV))
    update("invoices", "InvoiceNo", "I1", "A", verify.STOCK, rows[0])
    differs("invoices: an older line", "invoices")
    update("invoices", "InvoiceNo", "I1", "A", verify.STOCK, rows[1])
    update("customers", "CustomerID", "17851", "I1", verify.VISIT, rows[1])
    differs("customers: an item too many", "customers")
    CLIENT["dynamodb"].delete_item(TableName="customers", Key={"CustomerID": {"S": "17851"}})
    is_ok(*CHECKS)
    tool("aws_put.py", CSV, "--stream", "APIData", "--key", "InvoiceNo", "--endpoint", URL,
         "--rows", "1")
    differs("stream: a record without an id", "stream")
    if REDSHIFT:
        for statement in ["update firehose_transactions set quantity = 7 where quantity = 6",
                          "insert into firehose_transactions select * from firehose_transactions",
                          "delete from firehose_transactions where invoiceno = 'I1'",
                          "delete from flowc_load_history where \"key\" = '2010/1'"]:
            sql(statement)
            differs(f"warehouse: {statement}", "warehouse")


begin()
is_ok(*CHECKS)
spoil()
print("OK")
