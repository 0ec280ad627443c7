"""What experiments on AWS share: the strict front, PostgreSQL behind it, boto3 and the rules.

boto3 lives in the environment that the tests install (`target/standins/python`); a script that runs
outside of it starts itself again inside. Where a part is missing the experiment is skipped: its
JSON line says why, and its exit code is 0 (1 with FLOWC_REQUIRE_STANDINS=1, as in the tests).
"""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "NO_COLOR": "1", "COLUMNS": "200"}
AGAIN = "FLOWC_TRUST_PYTHON"


class Missing(Exception):
    """What an experiment needs is not here."""


def targets():
    """Where builds lie: CARGO_TARGET_DIR, then `target`."""
    given = os.environ.get("CARGO_TARGET_DIR")
    return [pathlib.Path(path).absolute() for path in [given, ROOT / "target"] if path]


def program(name, given=None):
    """A built program: `given`, beside it, or of a target directory. An address stays."""
    if given and "://" in str(given):
        return given
    if given:
        given = pathlib.Path(given).absolute()
        beside = given.parent / name
        if (given if given.name == name else beside).is_file():
            return given if given.name == name else beside
        if name == "flowc" and given.is_file():
            return given
    builds = [target / profile / name for target in targets() for profile in ("release", "debug")]
    there = [path for path in builds if path.is_file()]
    if not there:
        raise Missing(f"no {name} is built: cargo build --release -p {name}")
    return there[0]


def with_boto3():
    """Goes on where boto3 can be imported, in this process or one that takes its place."""
    try:
        import boto3  # noqa: F401
        return
    except ImportError:
        pass
    found = [target / "standins/python/bin/python" for target in targets()]
    found = [path for path in found if path.is_file()]
    if os.environ.get(AGAIN) or not found:
        raise Missing("boto3 is not installed: cargo test --test redshift installs it")
    os.execve(found[0], [str(found[0]), *sys.argv], {**os.environ, AGAIN: "1"})


def environment(**more):
    """Nothing of the account of whoever runs this is left."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, **KEYS, **more}


@contextlib.contextmanager
def listening(command):
    """Starts a program and gives what its first line says; it is gone afterwards."""
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                             stderr=subprocess.DEVNULL,
                             env=environment())
    try:
        line = child.stdout.readline()
        if not line.startswith("listening on "):
            raise Missing(f"{command[0]} does not start: {line!r}")
        yield line.removeprefix("listening on ").strip(), child.pid
    finally:
        child.stdin.close()
        try:
            child.wait(5 if "postgres.py" in str(command[1]) else 0.01)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def postgres():
    """A PostgreSQL that is gone afterwards (see tests/standins/postgres.py); gives its URI."""
    wheels = [target / "standins/postgres/pgserver/pginstall/bin" for target in targets()]
    places = [path for path in wheels if (path / "postgres").is_file()]
    if system := shutil.which("postgres"):
        places.append(pathlib.Path(system).resolve().parent)
    if not places:
        raise Missing("PostgreSQL is not installed: cargo test --test redshift installs it")
    script = ROOT / "tests/standins/postgres.py"
    return listening([sys.executable, script, places[0]])


class Front:
    """A running front: its address and what can be asked of it."""

    def __init__(self, address):
        self.url = f"http://{address}"

    def ask(self, what, value=None):
        body = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(f"{self.url}/_front/{what}", body,
                                         method="GET" if value is None else "POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def rules(self, rules):
        self.ask("rules", rules)

    def hit(self):
        """How often each rule in force was asked, and how often it hit."""
        return self.ask("rules")

    def calls(self):
        return self.ask("calls")

    def client(self, service):
        import boto3
        from botocore.config import Config
        os.environ.update(KEYS)
        config = Config(retries={"mode": "standard", "total_max_attempts": 20}, read_timeout=15,
                        s3={"addressing_style": "path"}, region_name="eu-central-1")
        return boto3.client(service, endpoint_url=self.url, config=config)


@contextlib.contextmanager
def front(place, *more):
    """A new front: the program at `place`, or one that runs at that address, made empty."""
    if "://" in str(place):
        running = Front(str(place).split("://")[1])
        running.ask("reset", {})
        yield running
        return
    with listening([place, "--port", "0", *more]) as (address, _):
        yield Front(address)


def up(flowc, file, directory, url):
    """`flowc up`: makes what the file's AWS profile names."""
    done = subprocess.run([flowc, "up", file, "--profile", "aws", "--yes"], cwd=directory,
                          env=environment(AWS_ENDPOINT_URL=url), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"flowc up: {done.stdout}{done.stderr}")


def until(what, reached, seconds):
    """Polls until something is so; gives False where it does not become so in time."""
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            print(f"waited {seconds} s in vain until {what}")
            return False
        time.sleep(0.1)
    return True


def report(result):
    """The last line of an experiment, and its exit code."""
    print(json.dumps(result))
    return 1 if result.get("problem") or any(
        result.get(name, 0) for name in ("lost", "duplicated", "extra", "stuck")) else 0


def skipped(experiment, why):
    """What is said instead where a part is missing."""
    print(json.dumps({"experiment": experiment, "skipped": str(why)}))
    return 1 if os.environ.get("FLOWC_REQUIRE_STANDINS") == "1" else 0
