#!/usr/bin/env python3
"""Runs on a disk that is full, and on one whose syncs fail, and checks the end.

    disk.py [--long] [--trials N] [--flowc PROGRAM] [--seed S]

  full   the shop in a small tmpfs (in a namespace of its own: `unshare -rm`): the run must end with
         an error that says the disk is full; the tmpfs grows, the run goes on, and all is there
  serve  http.serve with its stream on a tmpfs that fills up: requests are answered 503 and never
         with success and lost; space is freed, the same server (or the next run) takes the rest
  sync   `strace -e inject=fdatasync,fsync:error=EIO:when=N`: the N-th sync of the run fails; it must
         end with an error, or well; the next run goes on, and all is there

An experiment that this machine does not allow is skipped, with the reason.
"""

import json
import os
import random
import shutil
import subprocess
import sys

import common

STORED = (200, 202, 207, 400)
SMALLER = [("batch: 500", "batch: 100"), ("max: 500", "max: 100"), ("size: 5MiB", "size: 1MiB")]


def allowed(command):
    """None where the command works, else why not."""
    if not shutil.which(command[0]):
        return f"there is no {command[0]}"
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return None if ended.returncode == 0 else f"{command[0]}: {ended.stdout.strip()[:200]}"


def full(chosen, tally, chance):
    """Fills the disk, then makes room. Runs inside the namespace."""
    with common.Directory(chosen, "disk") as directory:
        csv, disk = directory / "input.csv", directory / "disk"
        common.write_csv(csv, 8_000, chosen.seed + tally.line["trials"])
        disk.mkdir()
        kib = chance.randint(400, 6_000)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(disk)]
        subprocess.run(mount, check=True)
        try:
            shop = common.Shop(chosen.flowc, disk / "shop", csv, SMALLER)
            shop.log = directory / "log"
            code = shop.wait(shop.start())
            said = shop.said()
            if code == 0:
                raise common.Failed(f"a disk of {kib} KiB was not full")
            if code != 3 or "the disk is full" not in said:
                raise common.Failed(f"full at {kib} KiB: exit code {code}: {said}")
            for more in (kib + 300, kib + 900):
                remount(disk, more)
                shop.wait(shop.start())
            remount(disk, 1 << 20)
            shop.to_the_end()
            tally.add(shop.check())
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=False)
    tally.line["trials"] += 1


def remount(disk, kib):
    subprocess.run(["mount", "-o", f"remount,size={kib}k", str(disk)], check=True)


def serve(chosen, tally):
    """A server whose disk is full for a while. Runs inside the namespace."""
    import failpoints
    with common.Directory(chosen, "disk") as directory:
        disk = directory / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(disk)], check=True)
        try:
            posts = failpoints.Posts(chosen, disk)
            posts.runs.log = directory / "log"
            for record in posts.records:
                record["text"] *= 400
            process = posts.runs.start()
            posts.serves(process)
            statuses = []
            while posts.next < posts.REQUESTS and process.poll() is None:
                if posts.next == 10:
                    fill(disk / "filler")
                statuses.append(posts.status(posts.next))
                if statuses[-1] not in STORED:
                    break
                posts.next += 1
            refused = statuses[-1]
            if posts.next == posts.REQUESTS:
                raise common.Failed("the disk was not full")
            (disk / "filler").unlink()
            if process.poll() is None:
                process.terminate()
            code = posts.runs.wait(process, 120)
            posts.finish()
            tally.add(posts.check())
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=False)
    tally.line["trials"] += 1
    return {"full_answer": refused, "full_exit": code}


def fill(path):
    with open(path, "wb", buffering=0) as file:
        try:
            for size in (1 << 20, 4096, 1):
                while True:
                    try:
                        file.write(b"\0" * size)
                    except OSError:
                        break
        finally:
            os.fsync(file.fileno())


def sync(chosen, tally, number):
    """The N-th sync fails."""
    with common.Directory(chosen, "disk") as directory:
        csv = directory / "input.csv"
        common.write_csv(csv, 1_500, chosen.seed)
        shop = common.Shop(chosen.flowc, directory / "shop", csv, SMALLER)
        inject = f"inject=fdatasync,fsync:error=EIO:when={number}"
        strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync",
                  "-e", inject]
        code = shop.wait(shop.start(prefix=strace))
        said = shop.said()
        if code not in (0, 3):
            raise common.Failed(f"sync {number} failed: exit code {code}: {said}")
        if code == 3 and "error:" not in said:
            raise common.Failed(f"sync {number} failed, and nothing is said: {said}")
        shop.to_the_end()
        found = shop.check()
        tally.add(found)
        if any(found[kind] for kind in common.KINDS):
            raise common.Failed(f"sync {number}: {found}")
    tally.line["trials"] += 1
    return code


def main(arguments):
    inside = "--inside" in arguments
    arguments = [argument for argument in arguments if argument != "--inside"]
    chosen = common.options(__doc__, arguments, (3, 60))
    tally, chance = common.Tally("disk", chosen), random.Random(chosen.seed)
    more = {}
    try:
        if inside:
            for _ in range(max(1, chosen.trials // 3)):
                full(chosen, tally, chance)
            more = serve(chosen, tally)
            return tally.end(**more)
        more["skipped"] = []
        no_tmpfs = allowed(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
        if no_tmpfs:
            more["skipped"].append(no_tmpfs)
        else:
            command = ["unshare", "-rm", sys.executable, __file__, "--inside", *arguments]
            if not chosen.long:
                command += ["--trials", "2"]
            ended = subprocess.run(command, stdout=subprocess.PIPE, text=True)
            line = json.loads(ended.stdout.splitlines()[-1])
            for kind in ["trials", "stuck", *common.KINDS]:
                tally.line[kind] += line[kind]
            more["full_disk_trials"] = line["trials"]
            more.update({name: line.get(name) for name in ("full_answer", "full_exit")})
            for text in ended.stdout.splitlines()[:-1]:
                tally.problem(text)
        no_strace = allowed(["strace", "-f", "-o", "/dev/null", "true"])
        if no_strace:
            more["skipped"].append(no_strace)
        else:
            syncs = list(range(1, 41)) if chosen.long else [2, chance.randint(3, 30)]
            codes = [sync(chosen, tally, number) for number in syncs]
            more.update(sync_trials=len(codes), sync_stopped=codes.count(3))
    except common.Failed as failed:
        tally.line["stuck"] += "stuck" in str(failed)
        tally.problem(str(failed))
    return tally.end(**more)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
