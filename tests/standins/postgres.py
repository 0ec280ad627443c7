#!/usr/bin/env python3
"""Starts a PostgreSQL that is gone afterwards: `postgres.py BIN`, the directory of its programs.

It listens on a socket file only, in a new directory below the system's temporary one, and keeps
nothing safe (no fsync). The first line is `listening on URI`; it ends, and the directory with it,
when standard input is closed. PostgreSQL refuses to run as root, so root starts it as `nobody`; what
`nobody` cannot reach is copied, and no permission of another directory is changed.
"""

import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

START_MAX_S = 60
STOP_MAX_S = 10
SETTINGS = {
    "listen_addresses": "", "max_connections": "230", "shared_buffers": "64MB", "fsync": "off",
    "synchronous_commit": "off", "full_page_writes": "off", "timezone": "UTC",
    "max_prepared_transactions": "0", "client_min_messages": "warning",
}


def account(directory):
    """Who PostgreSQL runs as: arguments of Popen. `directory` becomes theirs."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("nobody")
    os.chown(directory, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def programs(given, directory, owner):
    """The directory of the programs, as the account can reach it."""
    try:
        check = subprocess.run([given / "postgres", "--version"], capture_output=True, **owner)
        if check.returncode == 0:
            return given
    except PermissionError:
        pass
    wheel = given.parents[2]
    for part in ["pgserver", "pgserver.libs"]:
        if (wheel / part).is_dir():
            shutil.copytree(wheel / part, directory / "programs" / part)
    return directory / "programs" / given.relative_to(wheel)


def answers(path):
    """True when something listens on the socket file."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def start(given, directory):
    owner = account(directory)
    directory.chmod(0o755)
    found = programs(given, directory, owner)
    data = directory / "data"
    common = {"cwd": directory, "stdin": subprocess.DEVNULL, **owner}
    # The options of `initdb` are fixed, so that no locale of the machine changes an order.
    subprocess.run([found / "initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8",
                    "--locale=C", "--no-sync", "--pgdata", data],
                   check=True, stdout=subprocess.DEVNULL, **common)
    settings = [part for name, value in SETTINGS.items() for part in ["-c", f"{name}={value}"]]
    return subprocess.Popen([found / "postgres", "-D", data, "-k", directory, *settings],
                            stdout=subprocess.DEVNULL, start_new_session=True, **common)


def ready(server, directory):
    """Waits for the line that PostgreSQL writes to its lock file when it takes connections."""
    lock = directory / "data" / "postmaster.pid"
    for _ in range(START_MAX_S * 20):
        try:
            server.wait(0.05)
            raise SystemExit(f"postgres ended with {server.returncode}")
        except subprocess.TimeoutExpired:
            pass
        lines = lock.read_text().splitlines() if lock.exists() else []
        if len(lines) > 7 and lines[7].strip() == "ready" and answers(directory / ".s.PGSQL.5432"):
            return
    raise SystemExit(f"postgres was not ready within {START_MAX_S} s")


def stop(server):
    server.send_signal(signal.SIGQUIT)
    try:
        server.wait(STOP_MAX_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def main():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="flowc-pg-"))
    try:
        server = start(pathlib.Path(sys.argv[1]), directory)
        try:
            ready(server, directory)
            print(f"listening on postgresql://postgres@/postgres?host={directory}", flush=True)
            sys.stdin.read()
        finally:
            stop(server)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
