"""The criterion benches of the crates, and the allocations of W1–W3's transforms."""

import json
import pathlib
import re
import time

from . import process, stats
from .context import ROOT

ROOMS = ("engine", "stdlib")
ALLOCATIONS_MAX = 0.05
USUAL = ["--noplot", "--warm-up-time", "1", "--measurement-time", "3"]
QUICK = ["--noplot", "--quick"]


def kernels(context):
    """Runs `cargo bench` of each crate that has benches; the median time of each."""
    target = _target()
    began = time.time()
    names = [path.stem for room in ROOMS for path in sorted((ROOT / room / "benches").glob("*.rs"))]
    context.say(f"kernels: {', '.join(names)}")
    # All of the workspace at once, so that the libraries are built once.
    argv = ["cargo", "bench", "--locked", "--workspace"]
    argv += [word for name in names for word in ("--bench", name)]
    argv += ["--", *(QUICK if context.quick else USUAL)]
    process.run(argv, cwd=ROOT, timeout_s=3600.0)
    programs = {}
    for path in sorted((target / "criterion").glob("**/new/estimates.json")):
        if path.stat().st_mtime < began:
            continue
        told = json.loads((path.parent / "benchmark.json").read_text())
        nanoseconds = json.loads(path.read_text())["median"]["point_estimate"]
        mine = {"time_us": nanoseconds / 1000, "state": "done", "runs": []}
        mine.update(_throughput(told.get("throughput"), nanoseconds))
        programs[told["full_id"]] = mine
    return {
        "title": "Kernels  one step on one core (criterion)",
        "note": "median of each; the benches are in engine/benches and stdlib/benches",
        "columns": [["time_us", "µs", 1], ["mb_s", "MB/s", 0], ["ns_row", "ns/row", 1]],
        "programs": programs,
        "goals": [],
        "failed": False,
    }


def _throughput(of, nanoseconds):
    """MB/s, or ns a row, where the bench says how much one call works on."""
    kind, amount = next(iter(of.items())) if isinstance(of, dict) else (None, 0)
    if kind and kind.startswith("Bytes") and amount:
        return {"mb_s": amount / nanoseconds * 1000}
    return {"ns_row": nanoseconds / amount} if kind == "Elements" and amount else {}


def allocations(context):
    """`benches/allocations.rs`: heap allocations a row, the constant part taken off."""
    context.say("allocations: building and counting")
    argv = ["cargo", "bench", "--locked", "--bench", "allocations"]
    used = process.run(argv, cwd=ROOT, timeout_s=3600.0, codes=(0, 1, 101))
    programs, goals = {}, []
    for name, number in re.findall(r"^(w\d)\s+([\d.]+) allocations/row", used.out, re.MULTILINE):
        programs[name.upper()] = {"row": float(number), "state": "done", "runs": []}
        goals.append(stats.goal(f"allocations: {name.upper()}", float(number), "a row",
                                most=ALLOCATIONS_MAX, digits=3))
    if not programs:
        raise process.Failed("allocations: " + used.err.strip()[-300:])
    return {
        "title": "Allocations  of the transforms of W1–W3, a row",
        "note": "the difference between N and 2N rows",
        "columns": [["row", "a row", 3]],
        "programs": programs,
        "goals": goals,
        "failed": False,
    }


def _target():
    tell = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--offline"]
    found = json.loads(process.run(tell, cwd=ROOT).out)
    return pathlib.Path(found["target_directory"])
