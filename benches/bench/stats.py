"""Medians, and what a row of the results looks like.

A part gives a dict, which becomes a part of `out/bench/results.json`:

    title, note     texts
    columns         [[key, heading, digits], …] of the table
    programs        {name: {key: median, "runs": [{key: value}], "state": "equal", …}}
    goals           [{"what", "found", "most" or "least", "unit", "digits"}, …]
    failed          true when a result is wrong or something could not be run that should
"""

from statistics import median


def program(runs, **more):
    """A program's medians over its runs, each a dict of numbers with the same keys."""
    keys = runs[0] if runs else {}
    return {**{key: median(run[key] for run in runs) for key in keys}, "runs": runs, **more}


def goal(what, found, unit, most=None, least=None, digits=2):
    """Something to reach: at `most` or at `least`. `found` may be None: not measured."""
    bound = {"most": most} if least is None else {"least": least}
    return {"what": what, "found": found, "unit": unit, "digits": digits, **bound}


def met(goal):
    """Whether a goal is reached; None when it was not measured."""
    if goal["found"] is None:
        return None
    if "most" in goal:
        return goal["found"] <= goal["most"]
    return goal["found"] >= goal["least"]


def in_turns(programs, runs, once):
    """Calls `once(program)` `runs` times for each, round by round, so that all see the same
    machine; each round begins with another program."""
    programs = list(programs)
    for turn in range(runs):
        at = turn % max(1, len(programs))
        for program in programs[at:] + programs[:at]:
            once(program)
