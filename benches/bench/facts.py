"""What the figures were taken on: the machine, and the versions."""

import datetime
import os
import pathlib
import platform
import subprocess

from .context import ROOT


def facts(venv_versions):
    """Everything that a reader needs to judge a figure."""
    return {
        "cpu": _after("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "system": _after("/etc/os-release", "PRETTY_NAME", "=").strip('"'),
        "file_system": _line(["stat", "-f", "-c", "%T", str(ROOT)]),
        "rustc": _line(["rustc", "--version"]),
        "python": platform.python_version(),
        "peers": venv_versions,
    }


def moment():
    """When, at which commit, and how busy the machine was: a part of each result."""
    dirty = _line(["git", "status", "--porcelain", "--untracked-files=no"])
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "commit": _line(["git", "rev-parse", "--short", "HEAD"]) + ("+" if dirty else ""),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _after(path, key, mark=":"):
    try:
        lines = pathlib.Path(path).read_text().splitlines()
    except OSError:
        return ""
    found = (line.split(mark, 1)[1].strip() for line in lines if line.startswith(key))
    return next(found, "")


def _line(argv):
    try:
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip().split("\n")[0]
