"""Charts for the page: small, without a script, each with its numbers as a table and its message in words.

Colours are classes, so that the page's light and dark sides each have their own; what colour tells, place, shape or a word
tells as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from detectors.text.wording import count
from reports.message import Table
from reports.svg import clipped, picture, shape, text

LEFT, RIGHT, TOP, BOTTOM = 206, 14, 22, 30
WIDTH = 960
NO_RUN = "no run"
HEAT_STEPS = (1, 2, 4, 8, 16)
"""The least number of each shade of a heat map."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture, what it says in one sentence, and the numbers that it draws."""

    title: str
    says: str
    svg: Markup
    table: Table


Cells = Mapping[str, Sequence[str]]
"""By row the class of each cell; an empty one is not drawn."""


def grid(name: str, title: str, says: str, cells: Cells, days: Sequence[date], legend: Mapping[str, str]) -> Markup:
    """Rows of small cells, one for each day. Cells of a class are one path, so that a year stays a small page."""
    wide = min(40.0, (WIDTH - LEFT - RIGHT) / max(1, len(days)))
    high = 15
    height = TOP + 20 + len(cells) * high + BOTTOM
    drawn: dict[str, list[str]] = {}
    parts: list[Markup] = list(_legend(legend, LEFT, 12))
    for place, (label, classes) in enumerate(cells.items()):
        y = TOP + 8 + place * high
        parts.append(text(LEFT - 8, y + 11, clipped(label, 30), text_anchor="end"))
        for column, kind in enumerate(classes):
            if kind:
                x = LEFT + column * wide
                drawn.setdefault(kind, []).append(_mark(kind, x, y, wide - 1, high - 1))
    parts += [shape("path", d="".join(paths), class_=kind) for kind, paths in drawn.items()]
    parts += _days(days, LEFT, wide, height - BOTTOM + 12)
    return picture(name, WIDTH, height, title=title, says=says, parts=parts)


def _mark(kind: str, x: float, y: float, wide: float, high: float) -> str:
    """The outline of a cell: a square, or where the shape has to tell, a cross, a dash or a dot."""
    w, h = round(wide, 1), round(high, 1)
    x = round(x, 1)
    middle = round(y + h / 2, 1)
    match kind:
        case "failed":
            return f"M{x} {y}h{w}v{h}h-{w}zM{x + 1:g} {y + 1:g}l{w - 2:g} {h - 2:g}m0 -{h - 2:g}l-{w - 2:g} {h - 2:g}"
        case "unable":
            return f"M{x} {middle}h{w}"
        case "unwritten":
            return f"M{round(x + w / 2 - 2, 1)} {middle - 2}h4v4h-4z"
        case "missed":
            return f"M{x} {y + h:g}l{w} -{h}"
        case "part":
            return f"M{x} {middle}h{w}v{h / 2:g}h-{w}z"
    return f"M{x} {y}h{w}v{h}h-{w}z"


def _legend(legend: Mapping[str, str], x: float, y: float) -> Iterator[Markup]:
    for kind, words in legend.items():
        yield shape("path", d=_mark(kind, x, y - 10, 12, 12), class_=kind)
        yield text(x + 17, y, words)
        x += 30 + 6.6 * len(words)


def _days(days: Sequence[date], left: float, wide: float, y: float) -> Iterator[Markup]:
    """Dates below the columns: the first, the last, and some between, as many as have room."""
    if not days:
        return
    every = max(1, -(-66 // max(1, int(wide))))
    for place in range(0, len(days), every):
        yield text(left + place * wide, y, f"{days[place]:%d %b}", class_="ink soft", font_size="11")


Numbers = Mapping[str, Sequence[int | None]]
"""By row or series a number for each day; None where nobody looked."""


def heat_map(name: str, title: str, numbers: Numbers, days: Sequence[date], unit: str) -> Chart:
    """Numbers by row and day, the darker the more."""
    shades = {f"heat{place}": f"{least}+" for place, least in enumerate(HEAT_STEPS)} | {"missed": NO_RUN}
    cells = {row: [_shade(number) for number in values] for row, values in numbers.items()}
    sums = {row: sum(filter(None, values)) for row, values in numbers.items()}
    top = max(sums, key=lambda row: sums[row], default="")
    says = (
        f"{count(len(numbers), 'detector')} over {count(len(days), 'day')}; the most in {top}." if top else "Nothing."
    )
    rows = tuple((row, *map(_said, values), str(sums[row])) for row, values in numbers.items())
    columns = ("Detector", *(f"{day:%m-%d}" for day in days), "Sum")
    return Chart(title, says, grid(name, title, says, cells, days, shades), Table(f"{title}: {unit}", columns, rows))


def _said(number: int | None) -> str:
    return NO_RUN if number is None else str(number)


def _shade(number: int | None) -> str:
    if number is None:
        return "missed"
    return f"heat{sum(number >= least for least in HEAT_STEPS) - 1}" if number else ""


def stacked(name: str, title: str, series: Numbers, days: Sequence[date], unit: str) -> Chart:
    """Bars, one a day, whose parts are the series, the first at the bottom."""
    totals = [sum(filter(None, column)) for column in zip(*series.values(), strict=True)]
    top, height, left = _nice(max(totals, default=0)), 230, 44
    wide = min(40.0, (WIDTH - left - RIGHT) / max(1, len(days)))
    floor = height - BOTTOM
    scale = (floor - TOP - 16) / top
    parts = [
        *_legend({f"age{place}": words for place, words in enumerate(series)}, left, 12),
        *_axis(left, floor, top, scale),
    ]
    below = [0.0] * len(days)
    for place, values in enumerate(series.values()):
        paths = []
        for column, value in enumerate(values):
            if value:
                high = round(value * scale, 1)
                y = round(floor - below[column] - high, 1)
                paths.append(
                    f"M{round(left + column * wide, 1)} {y}h{round(wide - 1, 1)}v{high}h-{round(wide - 1, 1)}z"
                )
                below[column] += high
        parts.append(shape("path", d="".join(paths), class_=f"age{place}"))
    parts += _days(days, left, wide, floor + 16)
    says = f"{totals[-1]} on the last night, at most {max(totals)}." if totals else "No nights."
    rows = tuple(
        (f"{day}", *(_said(values[place]) for values in series.values()), str(totals[place]))
        for place, day in enumerate(days)
    )
    svg = picture(name, WIDTH, height, title=title, says=says, parts=parts)
    return Chart(title, says, svg, Table(f"{title}: {unit}", ("Night", *series, "Sum"), rows))


def _nice(most: float) -> float:
    """The end of an axis: 1, 2 or 5 times a power of ten, at or above `most`."""
    power = 1.0
    while power * 10 <= most:
        power *= 10
    return next((step * power for step in (1, 2, 3, 4, 5, 6, 8, 10) if step * power >= most), 10 * power)


def _axis(left: float, floor: float, top: float, scale: float) -> Iterator[Markup]:
    for part in (0, 0.5, 1):
        y = round(floor - part * top * scale, 1)
        yield shape("path", d=f"M{left} {y}H{WIDTH - RIGHT}", class_="rule")
        yield text(left - 6, y + 4, f"{part * top:,.10g}", text_anchor="end", class_="ink soft", font_size="11")


def line(name: str, title: str, values: Sequence[float | None], days: Sequence[date], unit: str) -> Chart:
    """One number a day as a line from zero; days without it are gaps."""
    width, height, left = 300, 118, 8
    known = [value for value in values if value is not None]
    top = _nice(max(known, default=0)) or 1
    floor, room = height - 24, width - left - 12
    step = room / max(1, len(days) - 1)
    points = [
        None if value is None else (round(left + place * step, 1), round(floor - value / top * (floor - 40), 1))
        for place, value in enumerate(values)
    ]
    path, pen = "", "M"
    for point in points:
        path += "" if point is None else f"{pen}{point[0]} {point[1]}"
        pen = "M" if point is None else "L"
    said = f"{known[-1]:,.10g} {unit}" if known else "not known"
    says = (
        f"{said} last; from {min(known):,.10g} to {max(known):,.10g} over {count(len(known), 'night')}."
        if known
        else "Not known."
    )
    last = next((point for point in reversed(points) if point is not None), None)
    parts = [
        text(left, 14, title, font_weight="bold"),
        text(left, 31, said),
        shape("path", d=f"M{left} {floor}H{width - 12}", class_="rule"),
        shape("path", d=path or "M0 0", class_="line"),
        *([shape("circle", cx=last[0], cy=last[1], r=3, class_="dot")] if last else []),
        *([text(left, height - 8, f"{days[0]:%d %b}", class_="ink soft", font_size="11")] if days else []),
        *(
            [text(width - 12, height - 8, f"{days[-1]:%d %b}", text_anchor="end", class_="ink soft", font_size="11")]
            if len(days) > 1
            else []
        ),
    ]
    rows = tuple(
        (f"{day}", "-" if value is None else f"{value:,.10g}") for day, value in zip(days, values, strict=True)
    )
    svg = picture(name, width, height, title=title, says=says, parts=parts)
    return Chart(title, says, svg, Table(title, ("Night", unit.capitalize()), rows))


def shares(name: str, title: str, rows: Mapping[str, tuple[int, ...]], kinds: Mapping[str, str]) -> Markup:
    """A bar for each row, whose parts (their classes and words are `kinds`) are drawn to the whole."""
    high = 24
    height = TOP + 8 + len(rows) * high
    width, left = 640, 236
    room = width - left - 60
    parts: list[Markup] = list(_legend(kinds, left, 12))
    said = []
    for place, (label, numbers) in enumerate(rows.items()):
        y, x = TOP + 4 + place * high, float(left)
        whole = sum(numbers) or 1
        parts.append(text(left - 8, y + 14, clipped(label, 36), text_anchor="end"))
        for kind, number in zip(kinds, numbers, strict=True):
            wide = room * number / whole
            if number:
                parts.append(shape("path", d=f"M{x:.1f} {y}h{wide:.1f}v18h-{wide:.1f}z", class_=kind))
            x += wide
        parts.append(text(x + 6, y + 14, " / ".join(map(str, numbers))))
        said.append(
            f"{label}: {', '.join(f'{number} {words}' for number, words in zip(numbers, kinds.values(), strict=True))}"
        )
    return picture(name, width, height, title=title, says=". ".join(said) or "Nothing.", parts=parts)


def _apart(ends: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """Words at the heights of their lines' ends, moved up as far as the words below them need."""
    free = float("inf")
    for words, y in sorted(ends.items(), key=lambda end: -end[1]):
        free = min(y, free - 14)
        yield words, free


def curve(
    name: str, title: str, across: str, places: Sequence[float], series: Mapping[str, Sequence[int]], now: float | None
) -> Chart:
    """Numbers over a limit that moves; a broken line where the limit stands now."""
    height, left, right = 300, 52, 150
    floor = height - 48
    # Whole numbers, also half way up.
    top = 2 * _nice(max((value for values in series.values() for value in values), default=0) / 2)
    scale = (floor - TOP) / top
    low, high = min(places), max(places)
    room = WIDTH - left - right

    def x_of(place: float) -> float:
        return round(left + (place - low) / ((high - low) or 1) * room, 1)

    parts, ends = list(_axis(left, floor, top, scale)), dict[str, float]()
    for number, (words, values) in enumerate(series.items()):
        points = [(x_of(place), round(floor - value * scale, 1)) for place, value in zip(places, values, strict=True)]
        parts.append(shape("path", d="M" + "L".join(f"{x} {y}" for x, y in points), class_=f"line series{number}"))
        parts += [shape("circle", cx=x, cy=y, r=3, class_=f"dot series{number}") for x, y in points]
        ends[words] = points[-1][1]
    parts += [text(x_of(high) + 8, y + 4, words) for words, y in _apart(ends)]
    if now is not None and low <= now <= high:
        parts.append(shape("path", d=f"M{x_of(now)} {TOP}V{floor}", class_="mark-line"))
        parts.append(text(x_of(now) + 5, TOP - 6, f"now {now:g}", font_weight="bold"))
    every = max(1, len(places) // 12)
    parts += [
        text(x_of(place), floor + 17, f"{place:g}", text_anchor="middle", class_="ink soft")
        for place in places[::every]
    ]
    parts.append(text(left + room / 2, height - 6, across, text_anchor="middle"))
    rows = tuple(
        (f"{place:g}", *(str(values[number]) for values in series.values())) for number, place in enumerate(places)
    )
    says = (
        "; ".join(f"{words}: {values[0]} at {low:g}, {values[-1]} at {high:g}" for words, values in series.items())
        + "."
    )
    svg = picture(name, WIDTH, height, title=title, says=says, parts=parts)
    return Chart(title, says, svg, Table(title, (across, *series), rows))
