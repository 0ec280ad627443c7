"""The results as text, at most 100 columns wide."""

from . import stats

WIDTH = 100
NAME = 34
CELL = 10
GOAL = 45
BLOCKS = " ▏▎▍▌▋▊▉█"


def section(part):
    """One part: its title, and a line for each program."""
    columns = [column for column in part["columns"] if _any(part, column[0])]
    lines = ["", part["title"]]
    if part["note"]:
        lines.append(part["note"])
    if not part["programs"]:
        return "\n".join(lines)
    head = "".join(f"{heading:>{CELL}}" for _, heading, _ in columns)
    longest = max(len(name) for name in part["programs"]) + 2
    wide = max(NAME, min(longest, WIDTH - 4 - CELL * len(columns)))
    room = WIDTH - 2 - wide - CELL * len(columns) - 3
    lines.append(f"  {'':<{wide}}{head}")
    lines.append(f"  {'─' * (wide + CELL * len(columns))}")
    for name, mine in part["programs"].items():
        cells = "".join(f"{number(mine.get(key), digits):>{CELL}}" for key, _, digits in columns)
        lines.append(f"  {_short(name, wide):<{wide}}{cells}{_bar(part, mine, room)}".rstrip())
        if _troubled(mine):
            lines += _wrapped(mine["state"])
    return "\n".join(lines)


def goals(parts):
    """All goals with what was found."""
    rows = [goal for part in parts for goal in part["goals"]]
    if not rows:
        return ""
    head = f"  {'':<{GOAL}}{'goal':>18}{'found':>18}"
    lines = ["", "Goals", head, f"  {'─' * (GOAL + 50)}"]
    for goal in rows:
        sign = {True: "✓ met", False: "✗ missed", None: "– not measured"}[stats.met(goal)]
        want, found = wanted(goal), reached(goal)
        lines.append(f"  {goal['what']:<{GOAL}}{want:>18}{found:>18}  {sign}")
    return "\n".join(lines)


def facts(found):
    """The machine in two lines."""
    peers = ", ".join(f"{name} {version}" for name, version in found["peers"].items())
    return "\n".join([
        f"{found['cores']} cores, {found['cpu']}, {found['memory_gib']} GiB, {found['file_system']}",
        f"Linux {found['kernel']}, {found['rustc'].split(' (')[0]}, Python {found['python']}"
        + (f", {peers}" if peers else ""),
    ])


def wanted(goal):
    """`≤ 3 ×`"""
    bound = goal.get("most", goal.get("least"))
    return f"{'≤' if 'most' in goal else '≥'} {number(bound, _fewest(bound))} {goal['unit']}"


def reached(goal):
    """`2.45 ×`, or nothing when it was not measured."""
    if goal["found"] is None:
        return ""
    return f"{number(goal['found'], goal['digits'])} {goal['unit']}"


def number(value, digits):
    """1,234,567 or 0.31; nothing for None."""
    return "" if value is None else f"{value:,.{digits}f}"


def _fewest(value):
    """The digits behind the point that a number needs, at most two."""
    return next((digits for digits in (0, 1, 2) if round(value, digits) == value), 2)


def _any(part, key):
    return any(mine.get(key) is not None for mine in part["programs"].values())


def _troubled(mine):
    return mine.get("state") not in ("equal", "stored", "verified", "done")


def _bar(part, mine, room):
    """A bar in proportion to one of the columns, `room` columns wide at most."""
    key = part.get("bar")
    if not key or mine.get(key) is None:
        return ""
    most = max(other[key] for other in part["programs"].values() if other.get(key))
    eighths = max(1, round(mine[key] / most * room * 8)) if most else 0
    return "  " + "█" * (eighths // 8) + BLOCKS[eighths % 8].strip()


def _short(name, wide):
    return name if len(name) < wide else name[:wide - 2] + "…"


def _wrapped(text):
    """A remark under a line, within the width."""
    import textwrap

    indent = "    "
    return textwrap.wrap(text, WIDTH, initial_indent=indent + "! ", subsequent_indent=indent + "  ")
