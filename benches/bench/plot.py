"""The plot of `docs/performance.md`: CPU seconds of each program on W1, W2 and W3, as an SVG.

Drawn by hand, so that it needs no library and its text can be compared in a change.
"""

from html import escape

WIDTH, LEFT, RIGHT = 760, 150, 74
TOP, BAR, GAP, TITLE, PANEL = 54, 18, 8, 26, 22
INK, PALE, FLOWC, PEER, LIMIT = "#1f2328", "#59636e", "#0b6e99", "#b6bec8", "#e3b25b"
STYLE = ("text{font:13px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;"
         f"fill:{INK}}} .t{{font-size:15px;font-weight:600}} .p{{font-weight:600}} "
         f".n{{fill:{PALE}}} .b{{font-weight:600;fill:{FLOWC}}}")
TITLES = {
    "w1": "W1  CSV to typed NDJSON",
    "w2": "W2  the same with a filter and a computed field",
    "w3": "W3  NDJSON, filter, computed field, three files",
}


def works(rows):
    """The SVG text; `rows` are the parts of `results.json` by name."""
    measured = [(name, _bars(row)) for name, row in rows.items()]
    most = max((value for _, bars in measured for _, value in bars), default=1.0)
    scale = (WIDTH - LEFT - RIGHT) / most
    body, y = [], TOP
    for name, bars in measured:
        body.append(f'<text class="p" x="20" y="{y + 12}">{escape(TITLES[name])}</text>')
        y += TITLE
        for program, value in bars:
            body += _bar(program, value, y, scale)
            y += BAR + GAP
        y += PANEL
    height = y - PANEL + 16
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img">',
        "<title>CPU seconds of flowc and its peers on the same work</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        '<text class="t" x="20" y="30">CPU seconds for 541,909 rows, start to exit; '
        'less is better</text>'.replace("541,909", _rows(rows)),
    ]
    return "\n".join([*head, *body, "</svg>"]) + "\n"


def _bars(row):
    """Programs with their CPU seconds, the least first."""
    known = [(name, mine["cpu_s"]) for name, mine in row["programs"].items() if "cpu_s" in mine]
    return sorted(known, key=lambda pair: pair[1])


def _bar(program, value, y, scale):
    fill = {"flowc": FLOWC, "limit program": LIMIT}.get(program, PEER)
    width = max(1.5, value * scale)
    strong = ' class="b"' if program == "flowc" else ""
    middle = y + BAR - 5
    return [
        f'<text{strong} x="{LEFT - 10}" y="{middle}" text-anchor="end">{escape(program)}</text>',
        f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2" fill="{fill}"/>',
        f'<text{strong or " class=n"!s} x="{LEFT + width + 7:.1f}" y="{middle}">{value:.2f}</text>'
        .replace("class=n", 'class="n"'),
    ]


def _rows(rows):
    """The number of rows as the note of a part begins."""
    return next(iter(rows.values()))["note"].split(" ")[0]
