"""W1, W2 and W3: the same work by flowc, its peers and the limit program.

    W1  CSV to typed NDJSON in a file
    W2  W1 with a filter and a computed field, without Description
    W3  NDJSON, parsed, filtered and computed as in W2, with Description, to three files

Every output of every run is compared with an independent program's, record by record
(`reference.py`), before its figures count. flowc begins from nothing each time and its rows are
durable (fdatasync) before it ends; the peers wait for no disk.
"""

import hashlib
import shutil
import sys

from . import data, process, stats, venv
from .context import OUT, ROOT, fresh, remove

TITLES = {
    "w1": "W1  CSV → typed NDJSON file",
    "w2": "W2  W1 + filter + computed field",
    "w3": "W3  NDJSON → filter + computed field → three files",
}
COLUMNS = [["cpu_s", "CPU s", 2], ["wall_s", "wall s", 2], ["rss_mib", "MiB", 0]]
LIMIT_RATIO_MAX = 3.0
WALL_RATIO_MAX = 0.6
PARAMS = {
    "w1": ("input", "output"), "w2": ("input", "output"),
    "w3": ("input", "first", "second", "third"),
}
PEERS = {"polars": "polars", "duckdb": "DuckDB", "bytewax": "bytewax"}


def measure(work, context):
    """All programs on one work, taking turns."""
    input_files = data.prepare(context)
    peers = venv.versions(context.say)
    programs = [Flowc(work, context.flowc, input_files)]
    if context.limit:
        programs.append(Limit(work, context.limit, input_files))
    for package, name in PEERS.items():
        if package in peers:
            programs.append(Peer(work, package, name, venv.PYTHON, input_files))
    programs.append(Peer(work, "stdlib", "Python csv + json", sys.executable, input_files))
    found = {program.name: {"runs": [], "state": "equal"} for program in programs}
    known = {}

    def once(program):
        context.say(f"{work}: {program.name}")
        mine = found[program.name]
        if mine["state"] != "equal":
            return
        try:
            used = program.run()
            records = checked(work, program, input_files, known)
        except process.Failed as failed:
            mine["state"] = str(failed)
            return
        mine["records"] = records
        mine["runs"].append({"cpu_s": used.cpu_s, "wall_s": used.wall_s, "rss_mib": used.rss_mib})

    _warm(input_files["ndjson" if work == "w3" else "retail"])
    stats.in_turns(programs, context.runs, once)
    for program in programs:
        remove(*program.outputs)
    return result(work, input_files, found)


def result(work, input_files, found):
    """The medians and the goals."""
    medians = {
        name: stats.program(mine["runs"], state=mine["state"], records=mine.get("records"))
        for name, mine in found.items()
    }
    flowc, limit = medians["flowc"], medians.get("limit program", {})
    for mine in medians.values():
        if "cpu_s" in mine and "cpu_s" in flowc:
            mine["ratio"] = mine["cpu_s"] / flowc["cpu_s"]
    cpu, least = flowc.get("cpu_s"), limit.get("cpu_s")
    wall = flowc["wall_s"] / cpu if cpu else None
    name = work.upper()
    size = input_files["ndjson" if work == "w3" else "retail"].stat().st_size / 1e6
    return {
        "title": TITLES[work],
        "note": f"{input_files['rows']:,} rows, {size:.1f} MB: {input_files['origin']}",
        "columns": [["cpu_s", "CPU s", 2], ["ratio", "× flowc", 2], *COLUMNS[1:]],
        "bar": "cpu_s",
        "programs": medians,
        "goals": [
            stats.goal(f"{name}: CPU against the limit program",
                       cpu / least if cpu and least else None, "×", most=LIMIT_RATIO_MAX),
            stats.goal(f"{name}: wall time of its CPU time", wall, "×", most=WALL_RATIO_MAX),
        ],
        "failed": any(mine["state"] != "equal" for mine in medians.values()),
    }


def checked(work, program, input_files, known):
    """The number of records of an output that is right; an output of the same bytes as one that
    was found right by the same measure is not read twice. `Failed` when it is wrong."""
    digest = _digest(program.outputs[0])
    for other in program.outputs[1:]:
        if _digest(other) != digest:
            raise process.Failed(f"WRONG: {other.name} differs from {program.outputs[0].name}")
    key = (digest, program.how)
    if key not in known:
        argv = [sys.executable, str(ROOT / "benches" / "bench" / "reference.py"), work,
                program.how, str(input_files["retail"]), str(program.outputs[0])]
        used = process.run(argv, codes=(0, 1))
        if not used.out.strip().isdigit():
            said = (used.out or used.err).strip().splitlines()[-1][:300]
            raise process.Failed(f"WRONG: {said}")
        known[key] = int(used.out)
    return known[key]


def _outputs(work, place):
    count = 3 if work == "w3" else 1
    return [place / f"{work}.{number}.ndjson" for number in range(count)]


class Other:
    """A program that is not flowc: it writes `outputs` anew, and keeps no state."""

    how = "near"

    def run(self):
        remove(*self.outputs)
        _settled()
        return process.run(self.argv, timeout_s=120.0)


class Peer(Other):
    """A program of `benches/peers`."""

    def __init__(self, work, script, name, python, input_files):
        self.name = name
        self.outputs = _outputs(work, fresh(OUT / work / script))
        source = input_files["ndjson" if work == "w3" else "retail"]
        path = ROOT / "benches" / "peers" / f"{script}_works.py"
        self.argv = [str(python), str(path), work, str(source), *map(str, self.outputs)]


class Limit(Other):
    """The hand-tuned program: one thread."""

    name = "limit program"

    def __init__(self, work, path, input_files):
        place = fresh(OUT / work / "limit")
        self.outputs = _outputs(work, place)
        source = input_files["ndjson" if work == "w3" else "retail"]
        target = place / "w3." if work == "w3" else self.outputs[0]
        self.argv = [str(path), work, str(source), str(target), "1"]


class Flowc:
    """`flowc run` of a copy of the work's flow, from nothing: its state is in `out/local` there."""

    name = "flowc"
    how = "exact"

    def __init__(self, work, flowc, input_files):
        self.place = OUT / work / "flowc"
        self.outputs = _outputs(work, self.place)
        self.flow = ROOT / "benches" / "flows" / f"{work}.flow"
        files = [input_files["ndjson" if work == "w3" else "retail"], *self.outputs]
        self.argv = [str(flowc), "run", str(self.place / self.flow.name), "--json"]
        for name, path in zip(PARAMS[work], files):
            self.argv += ["--param", f"{name}={path}"]

    def run(self):
        shutil.copy(self.flow, fresh(self.place))
        _settled()
        return process.run(self.argv, timeout_s=120.0)


def _settled():
    """Nothing that an earlier program wrote is still on its way to the disk."""
    process.run(["sync"])


def _warm(path):
    """The input is in memory, for all alike."""
    with open(path, "rb") as file:
        while file.read(1 << 20):
            pass


def _digest(path):
    if not path.exists():
        raise process.Failed(f"WRONG: {path.name} is not there")
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()
