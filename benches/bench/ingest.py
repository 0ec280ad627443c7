"""HTTP ingest: wrk against `flows/ingest.flow`, every answer after durable storage.

After each run the rows on the stream are counted: none that was answered 202 may be missing, and
there may be no more than were sent.
"""

import json
import re
import shutil

from . import process, stats
from .context import OUT, ROOT, fresh

CASES = [
    # name, script, connections, records a request, unit, goal
    ("500 a request, 16 connections", "many.lua", 16, 500, "/s", 1_000_000),
    ("1 a request, 64 connections", "one.lua", 64, 1, "/s", 40_000),
    ("1 a request, 16 connections", "one.lua", 16, 1, "/s", None),
]
COLUMNS = [["rate", "records/s", 0], ["p50_ms", "p50 ms", 2], ["p99_ms", "p99 ms", 2],
           ["cpu_s", "CPU s", 1], ["rss_mib", "MiB", 0]]


def measure(context):
    """The three cases, taking turns."""
    if shutil.which("wrk") is None:
        return {"title": "HTTP ingest", "columns": COLUMNS, "programs": {}, "goals": [],
                "note": "left out: wrk is not installed (apt install wrk)", "failed": False}
    found = {case[0]: {"runs": [], "state": "stored"} for case in CASES}

    def run(case):
        context.say(f"http: {case[0]}")
        mine = found[case[0]]
        try:
            mine["runs"].append(once(context, case))
        except process.Failed as failed:
            mine["state"] = str(failed)

    stats.in_turns(CASES, context.runs, run)
    programs = {
        name: stats.program(mine["runs"], state=mine["state"]) for name, mine in found.items()
    }
    goals = [
        stats.goal(f"http: {case[0]}", programs[case[0]].get("rate"), case[4], least=case[5],
                   digits=0)
        for case in CASES if case[5]
    ]
    return {
        "title": "HTTP ingest  wrk → http.serve → stream; 202 after fdatasync",
        "note": "records a request, connections; wrk has one thread here too; MiB and CPU are flowc's",
        "columns": COLUMNS,
        "programs": programs,
        "goals": goals,
        "failed": any(mine["state"] != "stored" for mine in found.values()),
    }


def once(context, case):
    """One run of wrk; `Failed` when an answer is no 202 or a row that was answered is missing."""
    _, script, connections, records, _, _ = case
    seconds = 2 if context.quick else 5
    place = fresh(OUT / "ingest")
    port = process.free_port()
    flow = ROOT / "benches" / "flows" / "ingest.flow"
    argv = [str(context.flowc), "run", str(flow), "--json", "--param", f"listen=127.0.0.1:{port}"]
    wrk = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s",
           str(ROOT / "benches" / "http" / script), f"http://127.0.0.1:{port}/orders"]
    with process.server(argv, port) as used:
        told = process.run(wrk, timeout_s=seconds + 30).out
    shutil.rmtree(place, ignore_errors=True)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", told)
    if refused or "Socket errors" in told:
        line = refused or re.search(r"Socket errors: .*", told)
        raise process.Failed(line[0])
    answered = int(re.search(r"(\d+) requests in", told)[1]) * records
    summary = json.loads(used[0].out.strip().splitlines()[-1])
    stored = sum(node["stored"] for node in summary["nodes"] if node["resource"] == "orders")
    if not answered <= stored <= answered + connections * records:
        raise process.Failed(f"WRONG: {answered:,} answered, {stored:,} stored")
    return {
        "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", told)[1]) * records,
        "p50_ms": _percentile(told, 50),
        "p99_ms": _percentile(told, 99),
        "cpu_s": used[0].cpu_s,
        "rss_mib": used[0].rss_mib,
    }


def _percentile(told, percent):
    number, unit = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s)$", told, re.MULTILINE).groups()
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]
