"""How soon flowc is there: `flowc check` from start to exit, `flowc run` to its first record."""

from . import flowfile, process, stats
from .context import OUT, ROOT, fresh

LINES = 10_000
TIMES = 4       # as many starts as other rows have runs, times this
COLUMNS = [["wall_ms", "wall ms", 1], ["cpu_ms", "CPU ms", 1], ["rss_mib", "MiB", 0]]


def check(context):
    """The example, a long generated file, and /bin/true for comparison."""
    long = fresh(OUT / "check") / "long.flow"
    long.write_text(flowfile.text(LINES), encoding="utf-8")
    programs = {
        "flows/ecommerce.flow": [context.flowc, "check", ROOT / "flows" / "ecommerce.flow"],
        f"a file of {LINES:,} lines": [context.flowc, "check", long],
        "/bin/true, to compare": ["/bin/true"],
    }
    runs = {name: [] for name in programs}
    states = {name: "done" for name in programs}

    def once(name):
        context.say(f"check: {name}")
        used = process.run([str(word) for word in programs[name]])
        if programs[name][0] == context.flowc and "no problems" not in used.out + used.err:
            states[name] = "WRONG: the file has problems"
        runs[name].append({
            "wall_ms": used.wall_s * 1000, "cpu_ms": used.cpu_s * 1000, "rss_mib": used.rss_mib,
        })

    stats.in_turns(programs, context.runs * TIMES, once)
    found = {name: stats.program(runs[name], state=states[name]) for name in programs}
    small, large, _ = (mine["wall_ms"] for mine in found.values())
    return {
        "title": "flowc check  process start to exit",
        "note": f"medians of {context.runs * TIMES}",
        "columns": COLUMNS,
        "programs": found,
        "goals": [
            stats.goal("check: ecommerce.flow", small, "ms", most=15, digits=1),
            stats.goal(f"check: {LINES:,} lines", large, "ms", most=200, digits=0),
        ],
        "failed": any(state != "done" for state in states.values()),
    }


def start(context):
    """Until the first record of a file has left by `log`: from nothing, and with state there."""
    flow = ROOT / "benches" / "flows" / "start.flow"
    argv = [str(context.flowc), "run", str(flow), "--from-start"]
    runs = {"from nothing": [], "with state there": []}
    for turn in range(context.runs * TIMES):
        context.say(f"start: run {turn + 1}")
        fresh(OUT / "start")
        for name in runs:
            found = process.first_line(argv, b'"InvoiceNo":"700000"')
            runs[name].append({"first_ms": found})
    programs = {name: stats.program(of, state="done") for name, of in runs.items()}
    found = programs["from nothing"]["first_ms"]
    return {
        "title": "flowc run  process start to the first record out",
        "note": f"file.read → csv.decode → log; medians of {context.runs * TIMES}; most of the "
                "first is creating its files durably",
        "columns": [["first_ms", "ms", 1]],
        "programs": programs,
        "goals": [stats.goal("start: first record", found, "ms", most=50, digits=1)],
        "failed": False,
    }
