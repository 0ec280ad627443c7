"""What every row needs to know: the places, the program, how often."""

import contextlib
import json
import pathlib
import shutil
from dataclasses import dataclass

from . import process

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "out" / "bench"


@dataclass(frozen=True)
class Context:
    """One call of `run.py`."""

    flowc: pathlib.Path             # the release build
    limit: pathlib.Path | None      # the hand-tuned program, where there is one
    data: pathlib.Path | None       # the published file, where the user named it
    runs: int
    quick: bool
    say: object                     # a function of one text: progress on the terminal


def fresh(path):
    """An empty directory."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def remove(*paths):
    """Removes files that may be there."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def build(say):
    """Builds the release program and gives its path."""
    say("cargo build --release")
    cargo = ["cargo", "build", "--release", "--locked", "--bin", "flowc", "--quiet"]
    process.run(cargo, cwd=ROOT, timeout_s=3600.0)
    return target() / "release" / "flowc"


def target():
    """Where cargo puts what it builds."""
    tell = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--offline"]
    return pathlib.Path(json.loads(process.run(tell, cwd=ROOT).out)["target_directory"])
