#!/usr/bin/env python3
"""Damages the stream of a stopped flow and runs it again: it always starts, and loses nothing but
what was damaged.

    damage.py [--long] [--trials N] [--flowc PROGRAM] [--seed S]

A stream is filled by runs of one flow; its reader, another flow, has not begun. A trial damages a copy: one bit that flips in a
file of the log, the log cut at a byte, a file removed, emptied, renamed, copied. Then the readers
run to their end, which must be good; each record whose frame was not hit must be in an object,
once. Frames are found by a reading of the format of this program's own. (Every byte prefix and
2,000 flips over several segments are tests of the log alone: `cargo test -p stdlib damage`.)
"""

import json
import random
import shutil
import struct
import sys

import common

FLOW = """
type Row = { id: int, text: text }

stream rows : json<Row> key .id
bucket store : ndjson<Row>
bucket failures : ndjson<Failure>

profile aws {
  rows = kinesis("rows")
  store = s3("store")
  failures = s3("failures")
}

profile local = emulate(aws, dir: "out")

flow fill : at_least_once {
  file.read("rows.csv") -> csv.decode as Row -> rows.write
  errors -> failures.append
}

flow keep : at_least_once {
  rows.read -> base64.decode -> batch(max: 50) -> text.join("\\n")
    -> store.put(key: "{batch.id}.ndjson")
  errors -> failures.append
}
"""
CHUNK, ROWS = 20, 200


def filled(chosen, directory):
    """A stream of several frames, and where they are: (first byte, last, first record, last)."""
    (directory / "rows.flow").write_text(FLOW)
    shards = directory / "out" / "streams" / "rows" / "0"
    for first in range(0, ROWS, CHUNK):
        # A file that grows: each run appends what is new, as a frame of its own.
        lines = "".join(f"{n},text {n} {'x' * (n % 50)}\n" for n in range(first + CHUNK))
        (directory / "rows.csv").write_text("id,text\n" + lines)
        common.Runs(chosen.flowc, directory, directory / "rows.flow", ["fill"]).to_the_end()
    segment, = shards.glob("*.seg")
    content, frames, at = segment.read_bytes(), [], 0
    while at < len(content):
        assert content[at:at + 4] == b"FLO1", at
        length, = struct.unpack_from("<I", content, at + 12)
        base, = struct.unpack_from("<Q", content, at + 16)
        rows, ranges = struct.unpack_from("<II", content, at + 40)
        end = at + 64 + 12 * ranges + length
        frames.append((at, end, base, base + rows))
        at = end
    return segment, frames


def hit(frames, at):
    """The records of the frame that has this byte."""
    return next(set(range(frame[2], frame[3])) for frame in frames if frame[0] <= at < frame[1])


def change(chance, segment, frames):
    """Damages a log; gives what was done, and the records that may be lost."""
    every = set(range(ROWS))
    content = bytearray(segment.read_bytes())
    kind = chance.choice(["flip"] * 7 + ["cut"] * 2 + ["beside", "file"])
    at = chance.randrange(len(content))
    if kind == "flip":
        content[at] ^= 1 << chance.randrange(8)
        segment.write_bytes(content)
        return f"bit of byte {at}", hit(frames, at)
    if kind == "cut":
        segment.write_bytes(content[:at])
        return f"cut at byte {at}", {n for frame in frames if frame[1] > at
                                     for n in range(frame[2], frame[3])}
    if kind == "beside":
        mark = segment.with_name("durable")
        bits = bytearray(mark.read_bytes())
        bits[chance.randrange(len(bits))] ^= 1 << chance.randrange(8)
        mark.write_bytes(bits)
        return "the mark", set()
    other = segment.with_name(f"{chance.choice([1, 7, 999]):020}.seg")
    what = chance.choice(["gone", "empty", "renamed", "copied", "extra"])
    if what == "gone":
        segment.unlink()
    elif what == "empty":
        segment.write_bytes(b"")
    elif what == "renamed":
        segment.rename(other)
    elif what == "copied":
        shutil.copy(segment, other)
    else:
        other.write_bytes(chance.randbytes(500))
    return what, every if what in ("gone", "empty") else set()


def trial(chosen, chance, directory, master, frames, tally):
    # In the same place: a file elsewhere would be another one.
    shutil.rmtree(directory)
    shutil.copytree(master, directory)
    segment, = (directory / "out" / "streams" / "rows" / "0").glob("*.seg")
    what, may_be_lost = change(chance, segment, frames)
    runs = common.Runs(chosen.flowc, directory, directory / "rows.flow")
    runs.to_the_end()
    paths = sorted((directory / "out" / "s3" / "store").glob("*.ndjson"))
    there = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    ids = [row["id"] for row in there]
    gone = set(range(ROWS)) - set(ids)
    lost = gone - may_be_lost
    twice = len(ids) - len(set(ids))
    altered = [row for row in there
               if row["text"] != f"text {row['id']} {'x' * (row['id'] % 50)}"]
    tally.line["lost"] += len(lost)
    tally.line["duplicated"] += twice
    tally.line["altered"] += len(altered)
    tally.line["reordered"] += ids != sorted(ids)
    said = runs.said()
    if lost or twice or altered or ids != sorted(ids):
        raise common.Failed(f"{what}: lost {sorted(lost)[:5]}, {twice} twice, {altered[:1]}")
    if gone and " lost (" not in said:
        raise common.Failed(f"{what}: {len(gone)} records are gone, and nothing says so: {said}")
    return len(gone)


def main(arguments):
    chosen = common.options(__doc__, arguments, (15, 2000))
    tally, chance = common.Tally("damage", chosen), random.Random(chosen.seed)
    damaged = 0
    try:
        with common.Directory(chosen, "damage") as place:
            directory, master = place / "flow", place / "master"
            directory.mkdir()
            _, frames = filled(chosen, directory)
            shutil.copytree(directory, master)
            while tally.line["trials"] < chosen.trials:
                damaged += trial(chosen, chance, directory, master, frames, tally)
                tally.line["trials"] += 1
    except common.Failed as failed:
        tally.line["stuck"] += "stuck" in str(failed)
        tally.problem(str(failed))
    return tally.end(records_each=ROWS, records_in_damaged_frames=damaged)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
