#!/usr/bin/env python3
"""The checker against sinks with one thing wrong each."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECKER = pathlib.Path(__file__).resolve().parent / "checker.py"


def found(*arguments):
    ended = subprocess.run([sys.executable, CHECKER, *map(str, arguments)],
                           stdout=subprocess.PIPE, text=True)
    line = json.loads(ended.stdout.splitlines()[-1])
    kinds = {kind: number for kind, number in line.items() if kind != "first" and number}
    assert (ended.returncode == 0) == (not kinds), ended
    return kinds


class Lines(unittest.TestCase):
    def check(self, want, have, expected):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory)
            (path / "want").write_text("\n".join(want))
            (path / "have").write_text("\n".join(have))
            self.assertEqual(found("lines", path / "want", path / "have"), expected)

    def test_all(self):
        self.check("abc", "abc", {})
        self.check("abc", "ac", {"lost": 1})
        self.check("abc", "abbc", {"duplicated": 1})
        self.check("abc", "abcd", {"extra": 1})
        self.check("abc", "acb", {"reordered": 1})


class Acked(unittest.TestCase):
    def check(self, log, objects, expected):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory)
            (path / "store").mkdir()
            rows = [{"id": n, "key": "k", "text": f"t{n}", "answered": answered}
                    for n, answered in log]
            (path / "log").write_text("\n".join(json.dumps(row) for row in rows))
            for name, there in objects.items():
                lines = [json.dumps({"id": n, "key": "k", "text": text}) for n, text in there]
                (path / "store" / f"{name}.ndjson").write_text("\n".join(lines))
            self.assertEqual(found("acked", path / "log", path / "store"), expected)

    def test_all(self):
        log = [(1, True), (2, True), (3, False)]
        self.check(log, {"a": [(1, "t1")], "b": [(2, "t2")]}, {})
        self.check(log, {"a": [(1, "t1"), (2, "t2"), (3, "t3")]}, {})
        self.check(log, {"a": [(1, "t1"), (3, "t3")]}, {"lost": 1})
        self.check(log, {"a": [(1, "t1"), (2, "t2")], "b": [(2, "t2")]}, {"duplicated": 1})
        self.check(log, {"a": [(1, "t1"), (2, "other")]}, {"altered": 1})
        self.check(log, {"a": [(1, "t1"), (2, "t2"), (9, "t9")]}, {"extra": 1})
        self.check(log, {"a": [(2, "t2"), (1, "t1")]}, {"reordered": 1})


if __name__ == "__main__":
    unittest.main()
