#!/usr/bin/env python3
"""Plants known bugs, one at a time, and says which of them the experiments catch.

    run.py [--only NN]… [--quick] [--clean | --no-clean] [--tree DIRECTORY]

Every NN-name.patch here is a bug of one line, or a few, in the real code. The text above its diff
says what it breaks, which rule, and by which command it is caught:

    breaks: what goes wrong
    rule: R1, L0, …                 (the rules and invariants of docs/guarantees.md)
    caught by: cargo test -p engine --test run
    says: a regular expression of what the experiment prints when it catches it
    within: 120 s                   (optional: after that it is stuck, and says `stuck: …`)

In a copy of the tree (target/planted/tree, its builds beside it) each patch is applied, its
experiment run, and the patch taken back. It is caught when the experiment was built, failed, and
printed what `says` names; that it does not build is no catch. At last, all experiments must pass on
the copy without a patch. `FLOWC` in a command is the debug flowc, which is built first (with the
front; `FLOWC-LOCAL` without the connectors of AWS).

--quick takes a few that are built quickly, --clean only runs the experiments without patches. The
last line is a JSON object; exit code 0: all are caught, and nothing is caught without them.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
QUICK = ["01", "02", "06"]
RUN_S = 900
FIELDS = ("breaks", "rule", "caught by", "says")


class Patch:
    """A planted bug: the text above the diff, and the file."""

    def __init__(self, path):
        self.path, self.name = path, path.stem
        self.number = path.stem.split("-")[0]
        head = path.read_text().split("\n--- ")[0]
        self.fields = {}
        for line in head.splitlines():
            name, colon, value = line.partition(": ")
            if colon and name in (*FIELDS, "within"):
                self.fields[name] = value.strip()
        missing = [name for name in FIELDS if name not in self.fields]
        if missing:
            raise SystemExit(f"{path.name} does not say: {', '.join(missing)}")

    @property
    def within_s(self):
        """When its experiment counts as stuck, which some bugs are caught by."""
        return int(self.fields.get("within", f"{RUN_S} s").removesuffix(" s"))

    @property
    def command(self):
        return self.fields["caught by"]


def base_target():
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute()


def files():
    """The files of the tree, without what is built."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=ROOT, capture_output=True)
    if listed.returncode:
        raise SystemExit(f"git ls-files: {listed.stderr.decode()}")
    names = listed.stdout.decode().split("\0")
    return {name for name in names if name and (ROOT / name).is_file()}


class Tree:
    """A copy of the tree, with a target directory of its own."""

    def __init__(self, place):
        self.place = place / "tree"
        self.target = place / "target"
        self.place.mkdir(parents=True, exist_ok=True)
        if not self.target.exists():
            self.seed()
        self.sync()

    def seed(self):
        """What others have built of the dependencies is taken along, by hard links."""
        built = base_target() / "debug"
        (self.target / "debug").mkdir(parents=True)
        for part in ["deps", "build", ".fingerprint"]:
            if (built / part).is_dir():
                subprocess.run(["cp", "-al", built / part, self.target / "debug"], check=True)
        standins = base_target() / "standins"
        if standins.is_dir():
            (self.target / "standins").symlink_to(standins)

    def sync(self):
        """Makes the copy the same as the tree; what is the same keeps its time."""
        names = files()
        for name in names:
            source, copy = ROOT / name, self.place / name
            if not copy.is_file() or copy.read_bytes() != source.read_bytes():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, copy)
                os.utime(copy)
        for path in self.place.rglob("*"):
            if path.is_file() and str(path.relative_to(self.place)) not in names:
                path.unlink()

    def apply(self, patch, *more):
        # Few lines around it: what else has changed in the file does not matter.
        command = ["git", "apply", "-C1", "--recount", *more, patch.path]
        return subprocess.run(command, cwd=self.place, capture_output=True, text=True,
                              env={**os.environ, "GIT_CEILING_DIRECTORIES": str(self.place.parent)})

    def touch(self, patch):
        """Files of a patch have a new time, so that cargo builds them again."""
        for name in re.findall(r"^\+\+\+ b/(\S+)", patch.path.read_text(), re.M):
            os.utime(self.place / name)

    def run(self, command, within_s=RUN_S):
        """Runs an experiment; gives its exit code and what it printed."""
        environment = {**os.environ, "CARGO_TARGET_DIR": str(self.target), "NO_COLOR": "1",
                       "PYTHONDONTWRITEBYTECODE": "1"}
        if "FLOWC" in command:
            local = "FLOWC-LOCAL" in command
            what = "--bin flowc --no-default-features" if local else "--bins -p flowc -p awsfront"
            build = subprocess.run(f"cargo build --quiet {what}", shell=True,
                                   cwd=self.place, env=environment, capture_output=True, text=True)
            if build.returncode:
                return None, build.stderr
            command = re.sub("FLOWC(-LOCAL)?", str(self.target / "debug/flowc"), command)
        elif command.startswith("cargo test"):
            build = subprocess.run(command.split(" -- ")[0] + " --no-run --quiet", shell=True,
                                   cwd=self.place, env=environment, capture_output=True, text=True)
            if build.returncode:
                return None, build.stderr
        child = subprocess.Popen(command, shell=True, cwd=self.place, env=environment,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, start_new_session=True)
        try:
            text, _ = child.communicate(timeout=within_s)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            text, _ = child.communicate()
            text += f"\nstuck: no end after {within_s} s\n"
        return child.returncode, text


def try_one(tree, patch):
    """Plants a bug and runs its experiment; says what became of it."""
    done = tree.apply(patch)
    if done.returncode:
        return "does not apply", done.stderr
    tree.touch(patch)
    try:
        code, text = tree.run(patch.command, patch.within_s)
    finally:
        undone = tree.apply(patch, "--reverse")
        tree.touch(patch)
        if undone.returncode:
            raise SystemExit(f"{patch.name} cannot be taken back: {undone.stderr}")
    if code is None:
        return "does not build", text
    if code == 0:
        return "MISSED", text
    if not re.search(patch.fields["says"], text):
        return "failed otherwise", text
    return "caught", text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", default=[], metavar="NN")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--clean", action="store_true", help="run the experiments without patches")
    parser.add_argument("--no-clean", action="store_true", help="leave that out")
    parser.add_argument("--tree", type=pathlib.Path, default=base_target() / "planted")
    parser.add_argument("--tail", type=int, default=15, help="lines to show of what is not caught")
    options = parser.parse_args()
    only = options.only + (QUICK if options.quick else [])
    patches = [Patch(path) for path in sorted(HERE.glob("*.patch"))]
    patches = [patch for patch in patches if not only or patch.number in only]
    began, ends = time.monotonic(), []
    tree = Tree(options.tree.absolute())
    for patch in [] if options.clean else patches:
        since = time.monotonic()
        end, text = try_one(tree, patch)
        ends.append((patch, end))
        print(f"{patch.name:40} {end:16} {time.monotonic() - since:6.1f} s  {patch.command}",
              flush=True)
        if end != "caught":
            print("\n".join(f"    {line}" for line in text.splitlines()[-options.tail:]))
    alone = []
    for command in sorted({patch.command for patch in patches} if not options.no_clean else []):
        code, text = tree.run(command)
        print(f"{'(no bug)':40} {'passes' if code == 0 else 'FAILS':16} {'':8}  {command}",
              flush=True)
        if code != 0:
            alone.append(command)
            print("\n".join(f"    {line}" for line in text.splitlines()[-options.tail:]))
    missed = [patch.name for patch, end in ends if end != "caught"]
    result = {"experiment": "planted", "trials": len(ends), "caught": len(ends) - len(missed),
              "stuck": 0, "seconds": round(time.monotonic() - began, 1)}
    problem = [f"not caught: {', '.join(missed)}"] if missed else []
    problem += [f"fails without a bug: {', '.join(alone)}"] if alone else []
    print(json.dumps({**result, "problem": "; ".join(problem)} if problem else result))
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
