"""Starts programs, waits for them, and says what they used.

What is measured is the whole process with its children, from its start to its exit: `os.wait4`
gives its CPU time and its largest resident set. A program runs in a session of its own and is
ended by that session's id whatever happens here, Ctrl-C too.
"""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass


class Failed(Exception):
    """A program that could not be run, ended with another code, or took too long."""


@dataclass(frozen=True)
class Used:
    """What one run of a program took."""

    cpu_s: float        # user and system, children too
    wall_s: float
    rss_mib: float      # the largest resident set of the process
    out: str            # what it wrote to its standard output
    err: str            # and to its standard error


def run(argv, cwd=None, timeout_s=600.0, codes=(0,)):
    """Runs a program to its end and measures it. `Failed` when its exit code is not of `codes`."""
    with _launched(argv, cwd) as launched:
        status, used = launched.wait(timeout_s)
    if status not in codes:
        raise Failed(f"{_name(argv)}: {_why(status, timeout_s, used)}")
    return used


def script(path, *args, timeout_s=1200.0):
    """Runs a Python script of this directory in a process of its own; gives what it printed."""
    argv = [sys.executable, str(pathlib.Path(__file__).parent / path), *map(str, args)]
    return run(argv, timeout_s=timeout_s).out


@contextlib.contextmanager
def server(argv, port, cwd=None):
    """Runs a program that listens on a port while the block runs, then asks it to stop (SIGINT).

    Gives a list that holds its `Used` after the block.
    """
    used = []
    with _launched(argv, cwd) as launched:
        launched.listens(port)
        yield used
        os.killpg(launched.child.pid, signal.SIGINT)
        status, mine = launched.wait(60.0)
    used.append(mine)
    if status not in (0, 130):
        raise Failed(f"{_name(argv)}: {_why(status, 60.0, mine)}")


def first_line(argv, has, cwd=None, timeout_s=30.0):
    """Milliseconds from the start of a program until it has written a line that has `has`."""
    began = time.perf_counter()
    child = subprocess.Popen(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, start_new_session=True)
    guard = threading.Timer(timeout_s, _kill, [child.pid])
    guard.start()
    found = None
    try:
        for line in child.stdout:
            if has in line and found is None:
                found = (time.perf_counter() - began) * 1000
        child.wait()
    finally:
        guard.cancel()
        if child.returncode is None:
            _kill(child.pid)
            child.wait()
        child.stdout.close()
    if found is None or child.returncode != 0:
        raise Failed(f"{_name(argv)}: no line with {has!r}")
    return found


def free_port(begin=18090):
    """The first port from `begin` on that nothing listens on."""
    for port in range(begin, begin + 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Failed(f"no free port from {begin} on")


class _Launched:
    """A program that `launch.py` has started in a session of its own."""

    def __init__(self, child, report, out, err):
        self.child, self.report, self.out, self.err = child, report, out, err

    def wait(self, timeout_s):
        """Exit code and `Used`; after `timeout_s` it is killed."""
        try:
            self.child.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            _kill(self.child.pid)
            self.child.wait()
        told = os.read(self.report, 4096).decode().strip()
        words = told.split()
        if len(words) != 4 or not words[0].lstrip("-").isdigit():
            return -signal.SIGKILL, Used(0.0, timeout_s, 0.0, "", told or _text(self.err))
        code, cpu, wall, rss = words
        texts = _text(self.out), _text(self.err)
        return int(code), Used(float(cpu), float(wall), int(rss) / 1024, *texts)

    def listens(self, port):
        """Returns once the program listens on the port."""
        until = time.monotonic() + 20.0
        while time.monotonic() < until:
            with socket.socket() as probe:
                probe.settimeout(0.2)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if self.child.poll() is not None:
                raise Failed(f"ended before it listened: {_text(self.err).strip()[-300:]}")
            time.sleep(0.01)
        raise Failed(f"nothing listens on port {port} after 20 s")


@contextlib.contextmanager
def _launched(argv, cwd):
    """The program while the block runs; then nothing of its session is left."""
    launcher = [sys.executable, "-I", "-S", str(pathlib.Path(__file__).parent / "launch.py")]
    read, write = os.pipe()
    try:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = subprocess.Popen(
                [*launcher, str(write), *argv], cwd=cwd, stdin=subprocess.DEVNULL, stdout=out,
                stderr=err, start_new_session=True, pass_fds=[write])
            os.close(write)
            write = None
            try:
                yield _Launched(child, read, out, err)
            finally:
                if child.poll() is None:
                    _kill(child.pid)
                    child.wait()
    finally:
        os.close(read)
        if write is not None:
            os.close(write)


def _kill(session):
    """Ends every process of a session that runs, and that this program has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(session, signal.SIGKILL)


def _text(file):
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _name(argv):
    return pathlib.Path(argv[0]).name


def _why(status, timeout_s, used):
    lines = (used.err or used.out).strip().splitlines()
    errors = [line for line in lines if line.startswith("error")]
    said = " / ".join(line[:300] for line in (errors or lines)[-3:])
    if status == -signal.SIGKILL:
        return f"killed, or not started, or over {timeout_s:.0f} s: {said}"
    return f"exit code {status}: {said}"
