"""The whole of `flows/ecommerce.flow` on the published file, and on one ten times as large.

A copy of the flow file runs, so that its state (`../out/local`) lies under `out/bench/shop`. What
the first run has stored is compared with the file by `tests/verify.py`.
"""

import json
import shutil
import sys

from . import data, process, stats
from .context import OUT, ROOT, fresh, remove

COLUMNS = [["wall_s", "wall s", 2], ["cpu_s", "CPU s", 2], ["rss_mib", "MiB", 0]]
PLACE = OUT / "shop"


def ecommerce(context):
    """The published file: wall and CPU time, memory."""
    files = data.prepare(context)
    runs, state = [], "verified"
    for turn in range(context.runs):
        context.say(f"ecommerce: run {turn + 1}")
        used = once(context, files["published"])
        runs.append({"wall_s": used.wall_s, "cpu_s": used.cpu_s, "rss_mib": used.rss_mib})
        if turn == 0:
            state = verified(context, files["published"])
    shutil.rmtree(PLACE, ignore_errors=True)
    mine = stats.program(runs, state=state)
    return {
        "title": "ecommerce.flow  file → HTTP → stream → archive, tables, warehouse; durable",
        "note": f"{files['rows']:,} rows; stored items compared with the file by tests/verify.py",
        "columns": COLUMNS,
        "programs": {"flowc": mine},
        "goals": [
            stats.goal("ecommerce: wall time", mine["wall_s"], "s", most=4.0),
            stats.goal("ecommerce: CPU time", mine["cpu_s"], "s", most=6.0),
            stats.goal("ecommerce: memory", mine["rss_mib"], "MiB", most=400, digits=0),
        ],
        "failed": state != "verified",
    }


def tenfold(context):
    """The rows ten times, with new invoice numbers, against the rows once."""
    files = data.prepare(context)
    large = OUT / "tenfold.csv"
    context.say("tenfold: making the file")
    made = ROOT / "benches" / "tenfold.py"
    process.run([sys.executable, str(made), str(files["published"]), str(large)])
    runs = {"the file": [], "ten times the file": []}
    paths = {"the file": files["published"], "ten times the file": large}

    def run(name):
        context.say(f"tenfold: {name}")
        used = once(context, paths[name])
        runs[name].append({"wall_s": used.wall_s, "cpu_s": used.cpu_s, "rss_mib": used.rss_mib})

    stats.in_turns(paths, min(context.runs, 3), run)
    remove(large)
    shutil.rmtree(PLACE, ignore_errors=True)
    small, great = (stats.program(of, state="done") for of in runs.values())
    return {
        "title": "Ten times the file  memory and time of ecommerce.flow",
        "note": f"{files['rows']:,} and {10 * files['rows']:,} rows",
        "columns": COLUMNS,
        "programs": dict(zip(runs, (small, great))),
        "goals": [
            stats.goal("tenfold: memory", great["rss_mib"] / small["rss_mib"], "×", most=1.1),
            stats.goal("tenfold: time", great["wall_s"] / small["wall_s"], "×", most=10.5),
        ],
        "failed": False,
    }


def once(context, path):
    """One run from nothing."""
    flow = fresh(PLACE / "flows") / "ecommerce.flow"
    shutil.copyfile(ROOT / "flows" / "ecommerce.flow", flow)
    shutil.rmtree(PLACE / "out", ignore_errors=True)
    process.run(["sync"])
    listen = f"listen=127.0.0.1:{process.free_port()}"
    argv = [str(context.flowc), "run", str(flow), "--json", "--param", f"csv_file={path}",
            "--param", listen]
    used = process.run(argv, timeout_s=600.0)
    summary = json.loads(used.out.strip().splitlines()[-1])
    if summary["failed"]:
        raise process.Failed(f"{summary['failed']} rows failed")
    return used


def verified(context, path):
    """`verified`, or what is wrong with what is stored."""
    context.say("ecommerce: comparing what is stored with the file")
    verify = [sys.executable, str(ROOT / "tests" / "verify.py"), str(path)]
    done = process.run([*verify, str(PLACE / "out" / "local")], codes=(0, 1))
    if done.out.strip().endswith("OK"):
        return "verified"
    return "WRONG: " + (done.out or done.err).strip().splitlines()[-1]
