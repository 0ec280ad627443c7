"""The peers from the Python package index, in a virtual environment of their own."""

import json
import sys

from . import process
from .context import OUT

VENV = OUT / "venv"
PYTHON = VENV / "bin" / "python"
PACKAGES = ("polars", "duckdb", "bytewax", "boto3")


def versions(say):
    """Makes the environment where it is not there; the version of each peer that installed.

    A peer that does not install is left out: its row says so. Remove `out/bench/venv` to have the
    newest versions.
    """
    stamp = VENV / f"versions-{'-'.join(PACKAGES)}.json"
    if not stamp.exists():
        say(f"installing {', '.join(PACKAGES)} into {VENV.relative_to(OUT.parents[1])}")
        process.run([sys.executable, "-m", "venv", "--clear", str(VENV)])
        for package in PACKAGES:
            try:
                process.run([str(PYTHON), "-m", "pip", "install", "--quiet", package])
            except process.Failed as failed:
                say(f"{package} does not install: {failed}")
        listed = process.run([str(PYTHON), "-m", "pip", "list", "--format", "json"]).out
        found = {item["name"].lower(): item["version"] for item in json.loads(listed)}
        known = {package: found[package] for package in PACKAGES if package in found}
        stamp.write_text(json.dumps(known))
    return json.loads(stamp.read_text())
