#!/usr/bin/env python3
"""Reads the system calls of a run: was what an answer confirms on the disk when it was sent?

    durable.py [--long] [--trials N] [--flowc PROGRAM] [--seed S]

`strace` watches a run of `http.serve -> stream.write`. One client posts lines and waits for each
answer, so at the moment of a `202` nothing that was written to a segment may be unsynced, and no
directory may hold an entry of a segment, or of a directory above one, that it was not synced with.
A `kill -9` cannot see that: the kernel keeps what a killed process wrote. A power cut does not.

Trials are answers; `lost` are answers whose rows a power cut could have taken. Needs strace.
"""

import argparse
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import front as aws

FLOW = """
type Row = { Key: text, Text: text }
param listen : text
stream orders : json<Row> key .Key
profile aws { orders = kinesis("durable-orders", shards: 2) }
profile local = emulate(aws, dir: "out")
flow take : at_least_once {
  http.serve(listen, path: "/rows") -> json.decode as Row -> orders.write
  errors -> log
}
"""
CALLS = ("openat,creat,mkdir,mkdirat,rename,renameat,renameat2,write,pwrite64,writev,pwritev,"
         "sendto,sendmsg,fsync,fdatasync,ftruncate,fallocate")
CALL = re.compile(r"^(\d+) +(?:(\w+)\((.*)|<\.\.\. (\w+) resumed>(.*))$")
PLACE = re.compile(r"^\d+<([^>]*)>")


class Disk:
    """What the kernel has been told, and what of it is durable."""

    def __init__(self, root):
        self.root, self.turn = str(root), 0
        # By path, the turn of its last change that no finished sync has covered.
        self.dirty, self.entries, self.known = {}, {}, set()
        self.syncing, self.answers, self.lost, self.first = {}, 0, 0, None

    def matters(self, path):
        return path.startswith(self.root)

    def entry(self, path):
        """A new name in a directory."""
        if self.matters(path) and path not in self.known:
            self.known.add(path)
            self.entries.setdefault(os.path.dirname(path), {})[path] = self.turn

    def begin(self, thread, name, text):
        """A call begins: writes and answers count from here, a sync covers what was before it."""
        self.turn += 1
        place = PLACE.match(text)
        path = place.group(1) if place else ""
        if name in ("fsync", "fdatasync"):
            self.syncing[thread] = (path, self.turn)
        elif name in ("write", "pwrite64", "writev", "pwritev", "sendto", "sendmsg"):
            if "HTTP/1.1 202" in text:
                self.answer()
            elif path.endswith(".seg") and self.matters(path):
                self.dirty[path] = self.turn
        elif name in ("openat", "creat") and "O_CREAT" in text:
            self.entry(self.named(text))
        elif name.startswith("mkdir") or name.startswith("rename"):
            self.entry(self.named(text))

    def named(self, text):
        """The path that a call names last, below the directory it names it from."""
        names = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
        name = names[-1] if names else ""
        base = re.search(r"AT_FDCWD<([^>]*)>|^\d+<([^>]*)>", text)
        base = (base.group(1) or base.group(2)) if base else self.root
        return os.path.normpath(os.path.join(base, name))

    def end(self, thread, name, text):
        if name not in ("fsync", "fdatasync") or thread not in self.syncing:
            return
        path, since = self.syncing.pop(thread)
        if not re.search(r"= 0\b", text):
            return
        if self.dirty.get(path, since + 1) <= since:
            del self.dirty[path]
        waiting = self.entries.get(path, {})
        for entry in [entry for entry, turn in waiting.items() if turn <= since]:
            del waiting[entry]

    def answer(self):
        """A 202 leaves: everything that bears a segment must be durable."""
        self.answers += 1
        bare = [path for path in self.dirty]
        segments = [path for path in self.known if path.endswith(".seg")]
        above = {str(parent) for path in segments for parent in pathlib.Path(path).parents}
        for directory, waiting in self.entries.items():
            bare += [entry for entry in waiting if entry in segments or entry in above]
        if bare:
            self.lost += 1
            self.first = self.first or f"not durable at answer {self.answers}: {bare[0]}"


def watch(lines, root):
    disk = Disk(root)
    for line in lines:
        found = CALL.match(line)
        if not found:
            continue
        thread, name, text, resumed, rest = found.groups()
        if name:
            disk.begin(thread, name, text)
            if "<unfinished" not in text:
                disk.end(thread, name, text)
        else:
            disk.end(thread, resumed, rest)
    return disk


def post(port, chance, trials):
    """Posts rows one request after the other; gives how many were answered with 202."""
    taken = 0
    for number in range(trials):
        rows = [{"Key": str(chance.randrange(50)), "Text": "x" * chance.randrange(400)}
                for _ in range(chance.randint(1, 20))]
        body = "\n".join(json.dumps(row) for row in rows).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/rows", body, method="POST",
                                         headers={"Idempotency-Key": f"request-{number}",
                                                  "Content-Type": "application/x-ndjson"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            taken += answer.status == 202
    return taken


def listens(port, child):
    end = time.monotonic() + 60
    while time.monotonic() < end and child.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("the run does not listen")


def trial(options, directory):
    (directory / "durable.flow").write_text(FLOW)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = directory / "calls"
    command = ["strace", "-f", "-y", "-s", "64", "-e", f"trace={CALLS}", "-o", log,
               options.flowc, "run", "durable.flow", "--param", f"listen=127.0.0.1:{port}"]
    child = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                             start_new_session=True)
    try:
        listens(port, child)
        taken = post(port, random.Random(options.seed), options.trials)
    finally:
        os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    with open(log, errors="replace") as lines:
        return taken, watch(lines, directory)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--trials", type=int)
    parser.add_argument("--flowc")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.trials = options.trials or (2_000 if options.long else 200)
    began = time.monotonic()
    try:
        options.flowc = aws.program("flowc", options.flowc)
        if not shutil.which("strace"):
            raise aws.Missing("strace is not installed")
        allowed = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True)
        if allowed.returncode:
            raise aws.Missing("strace may not trace here")
    except aws.Missing as why:
        return aws.skipped("durable", why)
    with tempfile.TemporaryDirectory(prefix="flowc-durable-") as directory:
        taken, disk = trial(options, pathlib.Path(directory).resolve())
    result = {"experiment": "durable", "trials": disk.answers, "lost": disk.lost, "duplicated": 0,
              "extra": 0, "stuck": 0, "seconds": round(time.monotonic() - began, 1)}
    problem = disk.first
    if disk.answers != taken or taken != options.trials:
        problem = f"{taken} of {options.trials} taken, {disk.answers} answers seen"
    return aws.report({**result, "problem": problem} if problem else result)


if __name__ == "__main__":
    sys.exit(main())
