"""What the experiments share: arguments, a shop in a directory of its own, runs, one line of JSON."""

import argparse
import json
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HERE = pathlib.Path(__file__).resolve().parent
RUN_SECONDS_MAX = 600
COUNTRIES = ["United Kingdom", "Germany", "France", "EIRE", "Spain", "Réunion"]
WORDS = ["HEART", "LANTERN", "T-LIGHT", "HOLDER", "MUG", "BELLOWS", "NUTMEG", "CAFÉ", "BOX", "TIN"]


class Failed(Exception):
    """The experiment has found something."""


def options(doc, arguments, trials):
    """The arguments of every experiment. `trials` are (short, long)."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help=f"{trials[1]} trials, not {trials[0]}")
    parser.add_argument("--trials", type=int)
    parser.add_argument("--flowc")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="keep the directories")
    chosen = parser.parse_args(arguments)
    chosen.trials = chosen.trials or trials[1 if chosen.long else 0]
    built = [ROOT / "target" / profile / "flowc" for profile in ("release", "debug")]
    places = [pathlib.Path(chosen.flowc).resolve()] if chosen.flowc else built
    chosen.flowc = next((place for place in places if place.is_file()), None)
    if chosen.flowc is None:
        parser.error(f"no flowc in {', '.join(map(str, places))}: build it first")
    return chosen


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def write_csv(path, rows, seed):
    """An input of the shop's flow: `rows` order lines that depend only on the seed."""
    chance = random.Random(seed)
    lines = ["InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"]
    invoice, left, number = 0, 0, 100_000
    for _ in range(rows):
        if left == 0:
            number += 1
            left = chance.randint(1, 30)
            invoice = ("C" if chance.random() < 0.03 else "") + str(number)
            day, minute = chance.randint(1, 28), chance.randint(0, 1439)
            date = f"{chance.randint(1, 12)}/{day}/2011 {minute // 60}:{minute % 60:02}"
            customer = "" if chance.random() < 0.25 else str(chance.randint(12000, 18000))
            country = chance.choice(COUNTRIES)
        left -= 1
        words = " ".join(chance.choice(WORDS) for _ in range(chance.randint(0, 4)))
        if chance.random() < 0.05:
            words = f'"{words}, 12"" WIDE"'
        price = f"{chance.randint(0, 20000) / 100:g}"
        stock = f"{chance.randint(20000, 20800)}{chance.choice(['', '', 'A', 'B'])}"
        quantity = chance.choice([1, 2, 6, 12, 24, -1])
        lines.append(f"{invoice},{stock},{words},{quantity},{date},{price},{customer},{country}")
    path.write_text("\n".join(lines) + "\n", encoding="latin-1")


class Runs:
    """Runs of one flow in one directory."""

    def __init__(self, flowc, directory, flow, arguments=()):
        self.directory, self.flow = directory, flow
        self.log = directory / "log"
        self.command = [str(flowc), "run", str(flow), *arguments]

    def start(self, *more, prefix=(), out=None):
        with open(self.log, "ab") as log:
            return subprocess.Popen(
                [*prefix, *self.command, *more], cwd=self.directory, stdin=subprocess.DEVNULL,
                stdout=out or log, stderr=log)

    def wait(self, process, seconds=RUN_SECONDS_MAX):
        """The exit code; a run that does not end is stuck."""
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Failed(f"stuck: no end after {seconds} s; see {self.log}") from None

    def to_the_end(self, *more, prefix=()):
        """Runs to the end, which must be good; gives the summary as JSON."""
        process = self.start("--json", *more, prefix=prefix, out=subprocess.PIPE)
        try:
            out, _ = process.communicate(timeout=RUN_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Failed(f"stuck: no end after {RUN_SECONDS_MAX} s; see {self.log}") from None
        if process.returncode != 0:
            raise Failed(f"the run ended with code {process.returncode}: {self.said()}")
        return json.loads(out)

    def said(self):
        """The end of what it has said."""
        return self.log.read_text(errors="replace")[-1500:] if self.log.exists() else ""


class Shop(Runs):
    """Runs of flows/ecommerce.flow."""

    def __init__(self, flowc, directory, csv, changes=()):
        (directory / "flows").mkdir(parents=True)
        flow = directory / "flows" / "ecommerce.flow"
        text = (ROOT / "flows" / "ecommerce.flow").read_text()
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        flow.write_text(text)
        self.csv, self.stored = csv, directory / "out" / "local"
        parameters = [f"csv_file={csv}", f"listen=127.0.0.1:{free_port()}"]
        super().__init__(
            flowc, directory, flow, [word for each in parameters for word in ("--param", each)])

    def check(self):
        """What the checker finds: lost, extra, duplicated, reordered, altered."""
        return check("shop", self.csv, self.stored)


def check(what, source, stored):
    """Runs the checker, a program of its own."""
    command = [sys.executable, str(HERE / "checker.py"), what, str(source), str(stored)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if ended.returncode not in (0, 1):
        raise Failed(f"the checker failed: {ended.stdout}{ended.stderr}")
    return json.loads(ended.stdout.splitlines()[-1])


KINDS = ["lost", "extra", "duplicated", "reordered", "altered"]


class Tally:
    """Counts what was found, and prints the one line at the end."""

    def __init__(self, experiment, chosen):
        self.line = {"experiment": experiment, "trials": 0, **dict.fromkeys(KINDS, 0), "stuck": 0}
        self.chosen, self.began, self.problems = chosen, time.monotonic(), []

    def add(self, found):
        for kind in KINDS:
            self.line[kind] += found[kind]
        if any(found[kind] for kind in KINDS):
            self.problems.append(found)

    def problem(self, text):
        self.problems.append(text)
        print(f"  {text}", flush=True)

    def end(self, **more):
        """Prints the line; gives the exit code."""
        self.line.update(more)
        self.line["problems"] = len(self.problems)
        self.line["seconds"] = round(time.monotonic() - self.began, 1)
        self.line["seed"] = self.chosen.seed
        trials = self.line["trials"]
        if trials and not self.problems:
            self.line["loss_probability_below"] = round(3 / trials, 5)
        for problem in self.problems[:10]:
            print(f"problem: {problem}")
        print(json.dumps(self.line), flush=True)
        return 1 if self.problems else 0


class Directory:
    """A directory for one run: removed when all was well."""

    def __init__(self, chosen, name):
        self.path, self.chosen = pathlib.Path(tempfile.mkdtemp(prefix=f"flowc-{name}-")), chosen

    def __enter__(self):
        return self.path

    def __exit__(self, kind, *_):
        if kind is None and not self.chosen.keep:
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            print(f"kept: {self.path}", file=sys.stderr)


def kill(process, number=signal.SIGKILL):
    process.send_signal(number)
    return process.wait(RUN_SECONDS_MAX)
