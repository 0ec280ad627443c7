#!/usr/bin/env python3
"""Kills a run of flows/ecommerce.flow at random moments, runs it to its end, and verifies the end.

    kill.py [CSV] [--kills N] [--seed S] [--flowc PROGRAM] [--keep]

CSV is the input (default: the sample, flows/data/online-retail.csv). The flow runs in a new
directory with a free port. First it runs once undisturbed in another directory, to know how long a
run takes; then it is started and killed with SIGKILL N times (default 5), each time after a random
part of that time; then it runs to its end, and tests/verify.py compares what it has stored with the
file, item by item. At last it runs once more on the same directory, and is verified again: nothing
may have changed. The moments depend only on the seed (default 1) and the speed of the machine.

PROGRAM is the flowc to run (default: target/release/flowc, else target/debug/flowc; build it
first). The directory is removed when all is well, unless --keep; it is kept when something differs.
Exit code: 0 the end state is right, 1 it is not, 2 the arguments are wrong.
"""

import argparse
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUN_SECONDS_MAX = 600


class Runs:
    """Runs of the flow in one directory."""

    def __init__(self, flowc, csv, directory):
        (directory / "flows").mkdir(parents=True)
        self.flow = directory / "flows" / "ecommerce.flow"
        shutil.copy(ROOT / "flows" / "ecommerce.flow", self.flow)
        self.stored = directory / "out" / "local"
        self.log = directory / "log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.command = [flowc, "run", self.flow, "--param", f"csv_file={csv}",
                        "--param", f"listen=127.0.0.1:{port}"]
        self.csv = csv

    def start(self):
        with open(self.log, "ab") as log:
            return subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def to_the_end(self):
        """Runs it to its end; gives the seconds that it took."""
        began = time.monotonic()
        process = self.start()
        try:
            code = process.wait(RUN_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = f"none after {RUN_SECONDS_MAX} s"
        if code != 0:
            raise Failed(f"the run ended with code {code}; see {self.log}")
        return time.monotonic() - began

    def killed_after(self, seconds):
        """Starts it and kills it; gives False where it ended before."""
        process = self.start()
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return True
        if code != 0:
            raise Failed(f"the run ended with code {code}; see {self.log}")
        return False

    def verify(self):
        command = [sys.executable, ROOT / "tests" / "verify.py", self.csv, self.stored]
        check = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if check.returncode != 0:
            raise Failed(f"verify.py says:\n{check.stdout}")
        return check.stdout


class Failed(Exception):
    """The end state is not right."""


def options(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", nargs="?", default=ROOT / "flows" / "data" / "online-retail.csv")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--flowc")
    parser.add_argument("--keep", action="store_true")
    chosen = parser.parse_args(arguments)
    chosen.csv = pathlib.Path(chosen.csv).resolve()
    built = [ROOT / "target" / profile / "flowc" for profile in ("release", "debug")]
    places = [pathlib.Path(chosen.flowc).resolve()] if chosen.flowc else built
    chosen.flowc = next((place for place in places if place.is_file()), None)
    if chosen.flowc is None or not chosen.csv.is_file():
        parser.error(f"not there: {chosen.csv if chosen.flowc else places}")
    return chosen


def trial(chosen, directory):
    whole = Runs(chosen.flowc, chosen.csv, directory / "undisturbed").to_the_end()
    print(f"undisturbed: {whole:.2f} s")
    runs = Runs(chosen.flowc, chosen.csv, directory / "killed")
    moments = random.Random(chosen.seed)
    for number in range(1, chosen.kills + 1):
        # Together the kills take up most of a run, so that most of them hit it at work.
        seconds = moments.uniform(0, 1.6 * whole / chosen.kills)
        hit = runs.killed_after(seconds)
        print(f"kill {number}: after {seconds:.3f} s" + ("" if hit else ", but it had ended"))
    print(f"to the end: {runs.to_the_end():.2f} s")
    print(runs.verify(), end="")
    print(f"once more: {runs.to_the_end():.2f} s")
    print(runs.verify().splitlines()[-1])


def main(arguments):
    chosen = options(arguments)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="flowc-kill-"))
    try:
        trial(chosen, directory)
    except Failed as failed:
        print(f"{failed}\nkept: {directory}", file=sys.stderr)
        return 1
    if chosen.keep:
        print(f"kept: {directory}")
    else:
        shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
