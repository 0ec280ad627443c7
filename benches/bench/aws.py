"""The client's cost on AWS: what flowc itself spends on a record, against a fast stand-in.

`awsfront --fast` answers PutRecords and PutObject in a process of its own and keeps only counts.
What counts is the CPU time of the client's process, less that of a run with one record: start-up is
not the record's. The counts of the stand-in must be those of the file.
"""

import contextlib
import json
import os
import subprocess
import urllib.request

from . import data, process, stats, venv
from .context import OUT, ROOT, target

CASES = [
    # name, flow file, flow, input, goal in µs of CPU a record
    ("flowc: CSV → Kinesis, order none", "kinesis", "plain", "retail", 4.0),
    ("flowc: CSV → Kinesis, strict", "kinesis", "strict", "retail", None),
    ("flowc: CSV → Kinesis, strict, packed", "kinesis", "packed", "retail", None),
    ("flowc: lines → S3, objects of 500", "objects", "archive", "ndjson", 2.0),
]
PEERS = [
    ("boto3: CSV → Kinesis", "kinesis", "retail"),
    ("boto3: lines → S3, objects of 500", "objects", "ndjson"),
]
COLUMNS = [["us", "µs CPU/record", 2], ["rate", "records/s", 0], ["cpu_s", "CPU s", 2],
           ["rss_mib", "MiB", 0]]
CALLS = {"kinesis": "kinesis.PutRecords", "objects": "s3.PutObject"}


def measure(context):
    """All cases, taking turns; each run begins with an empty stand-in."""
    input_files = data.prepare(context)
    front = _build(context.say)
    os.environ.update({
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    })
    small = {name: _head(input_files[name], name) for name in ("retail", "ndjson")}
    cases = [(case[0], case[3], case[1], _Flow(context.flowc, *case[1:3])) for case in CASES]
    if "boto3" in venv.versions(context.say):
        cases += [(name, source, work, _Peer(work)) for name, work, source in PEERS]
    found = {case[0]: {"runs": [], "state": "counted"} for case in cases}

    def once(case):
        name, source, work, program = case
        context.say(f"aws: {name}")
        try:
            idle, _ = _run(front, program, small[source], work)
            used, entries = _run(front, program, input_files[source], work)
            if program.entries(input_files["rows"]) not in (None, entries):
                raise process.Failed(f"WRONG: {entries:,} entries arrived")
        except process.Failed as failed:
            found[name]["state"] = str(failed)
            return
        rows = input_files["rows"]
        found[name]["runs"].append({
            "us": (used.cpu_s - idle.cpu_s) / rows * 1e6,
            "rate": rows / (used.wall_s - idle.wall_s),
            "cpu_s": used.cpu_s,
            "rss_mib": used.rss_mib,
        })

    stats.in_turns(cases, context.runs, once)
    programs = {name: stats.program(mine["runs"], state=mine["state"])
                for name, mine in found.items()}
    goals = [stats.goal(case[0].removeprefix("flowc: "), programs[case[0]].get("us"), "µs",
                        most=case[4]) for case in CASES if case[4]]
    return {
        "title": "AWS client cost  a process of its own answers at once",
        "note": f"{input_files['rows']:,} records, signed requests, CPU without start-up",
        "columns": COLUMNS,
        "programs": programs,
        "goals": goals,
        "failed": any(mine["state"] != "counted" for mine in found.values()),
    }


class _Flow:
    """`flowc run` of one flow of a file, from nothing."""

    def __init__(self, flowc, work, flow):
        self.flowc, self.work, self.flow = str(flowc), work, flow

    def prepare(self, endpoint):
        """Makes the streams, the bucket and the table of positions."""
        process.run([self.flowc, "up", self._file(), "--profile", "aws", "--yes",
                     "--param", f"endpoint={endpoint}"])

    def argv(self, endpoint, path):
        return [self.flowc, "run", self._file(), self.flow, "--profile", "aws", "--json",
                "--param", f"endpoint={endpoint}", "--param", f"input={path}"]

    def entries(self, rows):
        """What the stand-in must have counted; None where records are packed."""
        if self.work == "objects":
            return -(-rows // 500)
        return None if self.flow == "packed" else rows

    def _file(self):
        return str(ROOT / "benches" / "flows" / f"{self.work}.flow")


class _Peer:
    """boto3 in a plain loop, 500 records a request."""

    def __init__(self, work):
        self.work = work

    def prepare(self, endpoint):
        process.run([*self._script(), "up", endpoint])

    def argv(self, endpoint, path):
        return [*self._script(), self.work, endpoint, str(path)]

    def entries(self, rows):
        return -(-rows // 500) if self.work == "objects" else rows

    def _script(self):
        return [str(venv.PYTHON), str(ROOT / "benches" / "peers" / "boto3_aws.py")]


def _run(front, program, path, work):
    """One run against a new stand-in: what it used, and how many entries arrived."""
    with _front(front) as endpoint:
        program.prepare(endpoint)
        used = process.run(program.argv(endpoint, path), timeout_s=300.0)
        with urllib.request.urlopen(f"{endpoint}/_front/calls", timeout=10) as answer:
            calls = json.load(answer)
    counted = calls.get(CALLS[work], {})
    return used, counted.get("calls" if work == "objects" else "entries", 0)


@contextlib.contextmanager
def _front(path):
    """The stand-in while the block runs; gives its address."""
    child = subprocess.Popen([str(path), "--port", "0", "--fast"], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, start_new_session=True, text=True)
    try:
        line = child.stdout.readline()
        if not line.startswith("listening on "):
            raise process.Failed(f"awsfront did not start: {line.strip()}")
        yield f"http://{line.removeprefix('listening on ').strip()}"
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def _build(say):
    say("cargo build --release -p awsfront")
    cargo = ["cargo", "build", "--release", "--locked", "-p", "awsfront", "--quiet"]
    process.run(cargo, cwd=ROOT, timeout_s=3600.0)
    return target() / "release" / "awsfront"


def _head(path, name):
    """The header, where there is one, and one record."""
    place = OUT / "aws" / f"one.{name}"
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "rb") as file:
        lines = [file.readline() for _ in range(2 if name == "retail" else 1)]
    place.write_bytes(b"".join(lines))
    return place
