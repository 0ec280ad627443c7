#!/usr/bin/env python3
"""Uses the Redshift Data API of the front with boto3 and checks its answers.

redshift.py URL CHECK...; prints `CHECK: OK` for each, or fails.
"""

import gzip
import json
import sys
import time
import urllib.request
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

URL = sys.argv[1]
CONFIG = Config(retries={"total_max_attempts": 1}, read_timeout=90,
                s3={"addressing_style": "path"})
DATA = boto3.client("redshift-data", endpoint_url=URL, config=CONFIG)
S3 = boto3.client("s3", endpoint_url=URL, config=CONFIG)
TARGET = {"WorkgroupName": "analytics", "Database": "dev"}
ROLE = "IAM_ROLE 'arn:aws:iam::123456789012:role/copy'"


def ended(answer):
    for _ in range(10):
        described = DATA.describe_statement(Id=answer["Id"], WaitTimeSeconds=30)
        if described["Status"] in ("FINISHED", "FAILED", "ABORTED"):
            return described
    raise AssertionError(described)


def run(*sqls, **more):
    """Runs one statement, or several as a batch, to the end."""
    target = {} if "SessionId" in more else TARGET
    if len(sqls) == 1:
        return ended(DATA.execute_statement(Sql=sqls[0], **target, **more))
    return ended(DATA.batch_execute_statement(Sqls=list(sqls), **target, **more))


def well(*sqls, **more):
    described = run(*sqls, **more)
    assert described["Status"] == "FINISHED", described
    return described


def rows(sql, **more):
    described = well(sql, **more)
    found, token = [], {}
    while True:
        page = DATA.get_statement_result(Id=described["Id"], **token)
        for record in page["Records"]:
            found.append(tuple(None if field.get("isNull") else next(iter(field.values()))
                               for field in record))
        if "NextToken" not in page:
            assert page["TotalNumRows"] == len(found) == described["ResultRows"]
            return found
        token = {"NextToken": page["NextToken"]}


def table(columns):
    name = f"t_{uuid.uuid4().hex[:8]}"
    well(f"create table {name} ({columns})")
    return name


def refused(code, call, **arguments):
    try:
        answer = call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
    else:
        raise AssertionError(f"{code} was expected: {answer}")


def rules(*rules):
    request = urllib.request.Request(f"{URL}/_front/rules", json.dumps(rules).encode(),
                                     {"content-type": "application/json"}, method="POST")
    urllib.request.urlopen(request, timeout=30).read()


def bucket(**objects):
    name = f"b-{uuid.uuid4().hex[:12]}"
    S3.create_bucket(Bucket=name, CreateBucketConfiguration={
        "LocationConstraint": "eu-central-1"})
    for key, body in objects.items():
        S3.put_object(Bucket=name, Key=key.replace("__", "/"), Body=body)
    return name


def results():
    found = rows("select 1::smallint, 2::bigint, 'x'::varchar(3), true, 1.5::float8, "
                 "2.50::decimal(10, 3), timestamp '2010-12-01 08:26:00', null")
    assert found == [(1, 2, "x", True, 1.5, "2.500", "2010-12-01 08:26:00", None)], found
    assert len(rows("select n from generate_series(1, 2500) n")) == 2500
    described = well("select 1.25::decimal(10, 3) as price")
    column = DATA.get_statement_result(Id=described["Id"])["ColumnMetadata"][0]
    assert (column["name"], column["typeName"], column["precision"], column["scale"]) == (
        "price", "numeric", 10, 3), column
    assert not well("select 1 where false")["ResultRows"]


def failures():
    described = run("select * from nowhere")
    assert described["Status"] == "FAILED", described
    assert described["Error"] == 'ERROR: relation "nowhere" does not exist', described
    refused("ResourceNotFoundException", DATA.get_statement_result, Id=described["Id"])
    refused("ResourceNotFoundException", DATA.describe_statement, Id=str(uuid.uuid4()))
    refused("ValidationException", DATA.execute_statement, Sql="select 1", Database="dev")
    assert "does not exist" in ended(DATA.execute_statement(
        Sql="select 1", WorkgroupName="other", Database="other"))["Error"]
    # Keys are not enforced, lengths are.
    name = table("a int primary key, b varchar(3)")
    well(f"insert into {name} values (1, 'x')", f"insert into {name} values (1, 'y')")
    assert run(f"insert into {name} values (1, 'long')")["Status"] == "FAILED"


def parameters():
    more = {"Parameters": [{"name": "a", "value": "it's \\ 1"}, {"name": "n", "value": "7"}]}
    assert rows("select :a::varchar, :n::int + 1", **more) == [("it's \\ 1", 8)]


def sessions():
    first = well("create temp table mine (a int)", SessionKeepAliveSeconds=60)
    session = first["SessionId"]
    well("insert into mine values (1)", SessionId=session)
    assert rows("select count(*) from mine", SessionId=session) == [(1,)]
    assert run("select * from mine")["Status"] == "FAILED"


def dates():
    assert rows("select getdate() > '2020-01-01', dateadd(month, 1, '2010-01-31')::date, "
                "datediff(year, '2010-12-31', '2011-01-01')") == [(True, "2010-02-28", 1)]


def tables():
    name = table("a varchar(max) not null, b decimal(10, 3), c super, d timestamp")
    listed = DATA.list_tables(**TARGET, TablePattern=name)["Tables"]
    assert listed == [{"name": name, "schema": "public", "type": "TABLE"}], listed
    columns = DATA.describe_table(**TARGET, Table=name)["ColumnList"]
    found = [(c["name"], c["typeName"], c["length"], c["nullable"]) for c in columns]
    assert found == [("a", "varchar", 65535, 0), ("b", "numeric", 10, 1), ("c", "super", 0, 1),
                     ("d", "timestamp", 0, 1)], found
    assert DATA.list_databases(**TARGET)["Databases"] == ["dev"]


def batch():
    name = table("a int")
    described = run(f"insert into {name} values (1)", "select 1/0", f"insert into {name} values (2)")
    assert described["Status"] == "FAILED", described
    assert described["Error"].startswith("Query #2 failed with ERROR: division by zero"), described
    assert [s["Status"] for s in described["SubStatements"]] == ["FINISHED", "FAILED", "ABORTED"]
    assert rows(f"select count(*) from {name}") == [(0,)]
    described = well(f"insert into {name} values (1)", f"select a from {name}")
    second = described["SubStatements"][1]
    found = DATA.get_statement_result(Id=second["Id"])["Records"]
    assert second["Id"] == described["Id"] + ":2" and found == [[{"longValue": 1}]], found
    run(f"insert into {name} values (2)", "select 1/0", ExecutionMode="AUTO_COMMIT")
    assert rows(f"select count(*) from {name}") == [(2,)]


def merge():
    target, source = table("k int, v varchar(9)"), table("k int, v varchar(9)")
    well(f"insert into {target} values (1, 'old')", f"lock {target}",
         f"create temp table stage (like {source})", "insert into stage values (1, 'new'), (2, 'x')",
         f"merge into {target} using stage on {target}.k = stage.k "
         "when matched then update set v = stage.v "
         "when not matched then insert (k, v) values (stage.k, stage.v)")
    assert rows(f"select * from {target} order by k") == [(1, "new"), (2, "x")]
    assert run(f"insert into {target} values (1, 'a') on conflict do nothing")["Status"] == "FAILED"


def isolation():
    """Of two transactions that change the same row at a time one fails, unless it locks first."""
    name = table("k int, v int")
    well(f"insert into {name} values (1, 0)")
    statements = [f"select v from {name}", "select pg_sleep(0.5)", f"update {name} set v = v + 1"]
    both = [DATA.batch_execute_statement(Sqls=statements, **TARGET) for _ in range(2)]
    states = sorted(ended(one)["Status"] for one in both)
    assert states == ["FAILED", "FINISHED"], states
    both = [DATA.batch_execute_statement(Sqls=[f"lock {name}"] + statements, **TARGET)
            for _ in range(2)]
    assert [ended(one)["Status"] for one in both] == ["FINISHED"] * 2
    assert rows(f"select v from {name}") == [(3,)]


LINE = '{"InvoiceNo":"C%d","Quantity":%d,"InvoiceDate":"2010-12-01T08:26:00Z","UnitPrice":2.55}\n'
PATHS = json.dumps({"jsonpaths": [f"$['{name}']" for name in [
    "InvoiceNo", "Quantity", "InvoiceDate", "UnitPrice"]]})
COLUMNS = "invoiceno varchar(7), quantity bigint not null, invoicedate timestamp, " \
          "unitprice decimal(10, 3)"


def copy():
    lines = "".join(LINE % (n, n) for n in range(100)).encode()
    name, to = bucket(d__1=lines, z__1=gzip.compress(lines), paths=PATHS.encode()), table(COLUMNS)
    command = f"copy {to} from 's3://{name}/d/' {ROLE} format json 's3://{name}/paths' " \
              "timeformat 'auto'"
    described = well(command, "select pg_last_copy_count()")
    assert described["SubStatements"][0]["ResultRows"] == 100, described
    found = DATA.get_statement_result(Id=described["Id"] + ":2")["Records"]
    assert found == [[{"longValue": 100}]], found
    well(command.replace("/d/", "/z/") + " gzip")
    assert rows(f"select count(*), sum(unitprice), min(invoicedate) from {to}") == [
        (200, "510.000", "2010-12-01 08:26:00")]
    # Keys are in mixed case: `auto` finds no column, and `quantity` must not be null.
    assert run(command.replace(f"s3://{name}/paths", "auto"))["Status"] == "FAILED"
    well(command.replace(f"s3://{name}/paths", "auto ignorecase"))
    assert rows(f"select count(*) from {to}") == [(300,)]


def copy_errors():
    lines = (LINE % (1, 1)) + '{"InvoiceNo":"ÄÖÜÄ","Quantity":1}\n' + '{"Quantity":"x"}\n'
    name, to = bucket(d__1=lines.encode(), paths=PATHS.encode()), table(COLUMNS)
    command = f"copy {to} from 's3://{name}/d/' {ROLE} format as json 's3://{name}/paths' " \
              "timeformat 'auto'"
    described = run(f"insert into {to} (quantity) values (7)", command)
    assert described["Status"] == "FAILED", described
    assert "Check 'sys_load_error_detail'" in described["Error"], described
    query = described["SubStatements"][1]["RedshiftQueryId"]
    found = rows("select trim(file_name), line_number, trim(column_name), error_code, "
                 f"trim(error_message) from sys_load_error_detail where query_id = {query} "
                 "order by line_number")
    assert found == [
        (f"s3://{name}/d/1", 2, "invoiceno", 1204, "String length exceeds DDL length"),
        (f"s3://{name}/d/1", 3, "quantity", 1207,
         "Invalid digit, Value 'x', Pos 0, Type: Integer")], found
    assert rows(f"select count(*) from {to}") == [(0,)]
    well(command + " maxerror 2")
    assert rows(f"select count(*) from {to}") == [(1,)]


def copy_manifest():
    name = bucket(d__1=(LINE % (1, 1)).encode(), d__2=(LINE % (2, 2)).encode(),
                  paths=PATHS.encode())
    to = table(COLUMNS)

    def manifest(*keys):
        entries = [{"url": f"s3://{name}/{key}", "mandatory": True} for key in keys]
        S3.put_object(Bucket=name, Key="m", Body=json.dumps({"entries": entries}).encode())
        return run(f"copy {to} from 's3://{name}/m' {ROLE} manifest json 's3://{name}/paths' "
                   "timeformat as 'auto'")

    assert manifest("d/1", "absent")["Status"] == "FAILED"
    assert rows(f"select count(*) from {to}") == [(0,)]
    assert manifest("d/1", "d/2")["Status"] == "FINISHED"
    assert rows(f"select invoiceno from {to} order by 1") == [("C1",), ("C2",)]


def lost_reply():
    name = table("a int")
    rules({"service": "redshift-data", "operation": "ExecuteStatement", "count": 1,
           "action": "lose_reply"})
    token = uuid.uuid4().hex
    arguments = {"Sql": f"insert into {name} values (1)", "ClientToken": token, **TARGET}
    try:
        DATA.execute_statement(**arguments)
    except ConnectionClosedError:
        pass
    else:
        raise AssertionError("the reply was not lost")
    # The same token finds the statement that the lost reply was about.
    assert ended(DATA.execute_statement(**arguments))["Status"] == "FINISHED"
    assert rows(f"select count(*) from {name}") == [(1,)]


def cancel():
    taken = DATA.execute_statement(Sql="select pg_sleep(600)", **TARGET)
    while DATA.describe_statement(Id=taken["Id"])["Status"] != "STARTED":
        time.sleep(0.01)
    assert DATA.cancel_statement(Id=taken["Id"])["Status"] is True
    assert ended(taken)["Status"] == "ABORTED"
    refused("ValidationException", DATA.cancel_statement, Id=taken["Id"])


def limit():
    """A 201st statement is refused while 200 wait for a lock."""
    taken = [DATA.execute_statement(Sql="select pg_sleep(600)", **TARGET) for _ in range(200)]
    refused("ActiveStatementsExceededException", DATA.execute_statement, Sql="select 1", **TARGET)
    for one in taken:
        DATA.cancel_statement(Id=one["Id"])
    assert rows("select 1") == [(1,)]


for check in sys.argv[2:]:
    globals()[check]()
    print(f"{check}: OK")
