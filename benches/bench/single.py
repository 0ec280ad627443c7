"""One record on an idle system, from HTTP to a table: `benches/latency.py`."""

import json
import shutil
import sys

from . import process, stats
from .context import OUT, ROOT, fresh

COLUMNS = [["p50_ms", "p50 ms", 2], ["p99_ms", "p99 ms", 2]]
NAMES = {
    "answered": "answered (durable on the stream)",
    "visible": "visible in the table (durable)",
    "fdatasync": "fdatasync of 4 KiB, to compare",
}


def measure(context):
    """Percentiles of a few hundred records, a run each."""
    runs = {name: [] for name in NAMES}
    for turn in range(context.runs):
        context.say(f"latency: run {turn + 1}")
        for name, row in once(context).items():
            if name in runs:
                runs[name].append(row)
    programs = {NAMES[name]: stats.program(of, state="done") for name, of in runs.items()}
    visible = programs[NAMES["visible"]]
    return {
        "title": "One record, idle system  HTTP → stream → table",
        "note": "milliseconds from sending the request; two syncs are in `visible`",
        "columns": COLUMNS,
        "programs": programs,
        "goals": [
            stats.goal("latency: HTTP → table, p50", visible["p50_ms"], "ms", most=3.0),
            stats.goal("latency: HTTP → table, p99", visible["p99_ms"], "ms", most=6.0),
        ],
        "failed": False,
    }


def once(context):
    """One run of the script against a fresh `flowc run`."""
    place = fresh(OUT / "latency")
    port = process.free_port()
    flow = ROOT / "benches" / "flows" / "latency.flow"
    argv = [str(context.flowc), "run", str(flow), "--json", "--param", f"listen=127.0.0.1:{port}"]
    ask = [sys.executable, str(ROOT / "benches" / "latency.py"), "--json", "--dir", str(place),
           "--url", f"127.0.0.1:{port}/events", "--records", "100" if context.quick else "300"]
    with process.server(argv, port):
        found = json.loads(process.run(ask, timeout_s=120.0).out)
    shutil.rmtree(place, ignore_errors=True)
    return found
