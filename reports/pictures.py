"""What a ticket is about as pictures: a household's members with who leads, and who did what when.

A page shows them inline; a ticket may carry them as files, since each is a whole SVG document.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from detectors.contract import Finding, TimelineEntry
from detectors.text.wording import count, listed
from reports.message import Picture
from reports.svg import BLUE, GREY, ORANGE, PAPER, RED, clipped, picture, shape, text

SHOWN = 12
"""So many people, or lanes of a timeline, are drawn; a line says how many more there are."""
MOMENTS_SHOWN = 24
NOBODY = "nobody known"
_ACROSS = 4
_CELL_WIDTH, _CELL_HEIGHT, _HEAD = 150, 92, 40
_LEFT, _STEP, _LANE_HEIGHT, _TOP = 128, 34, 30, 34


@dataclass(frozen=True, slots=True)
class Person:
    """One person of a household: whether their row is active, whether it has the role of leader, and what else is known."""

    id: str
    active: bool
    leads: bool
    notes: tuple[str, ...]


def attached(finding: Finding) -> tuple[Picture, ...]:
    """What a ticket attaches: the household's members and who leads, where the finding is about that."""
    people = people_of(finding)
    if not people:
        return ()
    name = "household-members"
    return (Picture(name, in_short(people), str(household(name, people))),)


def in_short(people: Sequence[Person]) -> str:
    """What the picture of a household shows, in one line without ids."""
    leaders = sum(one.leads for one in people)
    said = count(leaders, "leader") if leaders else "no leader"
    return f"{count(sum(one.active for one in people), 'active member')} shown, {said}"


def people_of(finding: Finding) -> tuple[Person, ...]:
    """The people whom the evidence of a finding about leadership names, the active members first; else nobody."""
    evidence = finding.evidence
    active, leaders = _ids(evidence.get("stuck_members")), _ids(evidence.get("active_leaders"))
    named = {
        what: str(evidence[key])
        for key, what in (
            ("leader_id", "leader_id names them"),
            ("old_leader", "was to hand over"),
            ("new_leader", "was to lead"),
            ("longest_standing_member", "longest-standing member"),
        )
        if evidence.get(key)
    }
    if "active_leaders" not in evidence:
        return ()
    everybody = dict.fromkeys((*leaders, *active, *named.values()))
    return tuple(
        Person(
            id=one,
            active=one in active or one in leaders,
            leads=one in leaders,
            notes=tuple(what for what, who in named.items() if who == one),
        )
        for one in everybody
    )


def _ids(value: object) -> list[str]:
    rows = value if isinstance(value, list | tuple) else ()
    return [str(row.get("user_id", "")) if isinstance(row, dict) else str(row) for row in rows]


def household(name: str, people: Sequence[Person]) -> Markup:
    """The members of a household as circles: a crown for each leader, a broken line for who is no active member."""
    shown = people[:SHOWN]
    across = max(1, min(_ACROSS, len(shown)))
    down = -(-len(shown) // across)
    width, height = max(across, 2) * _CELL_WIDTH + 20, down * _CELL_HEIGHT + _HEAD + 14
    leaders = sum(one.leads for one in people)
    led = leaders == 1
    head = in_short(people)
    more = f", {len(people) - len(shown)} more people are not drawn" if len(people) > len(shown) else ""
    return picture(
        name,
        width,
        height,
        title="Who is in the household, and who leads it",
        says=f"{head}{more}. {_in_words(shown)}",
        parts=(
            _box(width, height),
            text(
                6, 16, f"{head}{more}", font_weight="bold", fill=BLUE if led else RED, class_="good" if led else "bad"
            ),
            *(
                part
                for place, one in enumerate(shown)
                for part in _person(one, 10 + place % across * _CELL_WIDTH, _HEAD + place // across * _CELL_HEIGHT)
            ),
        ),
    )


def _box(width: float, height: float) -> Markup:
    size = {"x": 4, "y": 26, "width": width - 8, "height": height - 32, "rx": 10}
    return shape("rect", **size, fill="none", stroke=GREY, stroke_width=1.5, class_="soft-line")


def _in_words(people: Sequence[Person]) -> str:
    said = []
    for one in people:
        what = ["leader" if one.leads else "member" if one.active else "not an active member", *one.notes]
        said.append(f"{one.id}: {', '.join(what)}")
    return "; ".join(said)


def _person(one: Person, x: float, y: float) -> Iterator[Markup]:
    middle = x + _CELL_WIDTH / 2
    line = "4 3" if not one.active else None
    fill, kind = (BLUE, "leads") if one.leads else (PAPER, "follows")
    yield shape(
        "circle", cx=middle, cy=y + 22, r=13, fill=fill, stroke=BLUE, stroke_width=2, stroke_dasharray=line, class_=kind
    )
    if one.leads:
        crown = f"M{middle - 11:g} {y + 6:g}l4 -11 7 6 7 -6 4 11z"
        yield shape("path", d=crown, fill=ORANGE, class_="crown")
    yield text(middle, y + 50, clipped(one.id, 14), text_anchor="middle", font_family="ui-monospace, monospace")
    notes = one.notes if one.active else ("no active row", *one.notes)
    for number, note in enumerate(notes[:2]):
        yield text(middle, y + 64 + 13 * number, note, text_anchor="middle", font_size="10.5", fill=GREY, class_="soft")


def sequence(name: str, moments: Sequence[TimelineEntry], missing: str = "") -> Markup:
    """Who did what when: a lane for each person, a numbered dot for each moment, a hollow one for the step that is missing.

    The dots stand in order, not to scale: a household's life is long and what goes wrong takes seconds.
    """
    shown = moments[-MOMENTS_SHOWN:]
    lanes = list(dict.fromkeys(moment.actor or NOBODY for moment in shown))
    lanes = lanes if len(lanes) <= SHOWN else [*lanes[: SHOWN - 1], "others"]
    steps = len(shown) + bool(missing)
    width, height = _LEFT + steps * _STEP + 20, _TOP + len(lanes) * _LANE_HEIGHT + 12
    parts = [*_lanes(lanes, width), *_moments(shown, len(moments) - len(shown) + 1, lanes, height)]
    if missing:
        parts += _gap(_LEFT + 16 + len(shown) * _STEP, _TOP + 10, height)
    return picture(
        name,
        width,
        height,
        title="Who did what, in order",
        says=f"{count(len(moments), 'moment')} by {listed(lanes)}." + (f" Missing: {missing}" if missing else ""),
        parts=parts,
    )


def _lanes(lanes: Sequence[str], width: float) -> Iterator[Markup]:
    for place, lane in enumerate(lanes):
        y = _TOP + place * _LANE_HEIGHT + 10
        yield text(4, y + 4, clipped(lane, 15), font_family="ui-monospace, monospace")
        yield shape("path", d=f"M{_LEFT} {y}H{width - 12}", stroke=GREY, stroke_opacity=".5", class_="soft-line")


def _moments(shown: Sequence[TimelineEntry], first: int, lanes: Sequence[str], height: float) -> Iterator[Markup]:
    """A dot for each moment in its person's lane, and a line with the date where a day begins."""
    day = ""
    for place, moment in enumerate(shown):
        x = _LEFT + 16 + place * _STEP
        lane = moment.actor or NOBODY
        y = _TOP + (lanes.index(lane) if lane in lanes else len(lanes) - 1) * _LANE_HEIGHT + 10
        if f"{moment.at:%d %b}" != day:
            day = f"{moment.at:%d %b}"
            yield text(x - 10, 14, day, font_size="10.5", fill=GREY, class_="soft")
            yield shape("path", d=f"M{x - 14} 4V{height - 8}", stroke=GREY, stroke_dasharray="2 3", class_="soft-line")
        yield from _dot(x, y, str(first + place))


def _dot(x: float, y: float, number: str) -> Iterator[Markup]:
    yield shape("circle", cx=x, cy=y, r=11, fill=BLUE, class_="leads")
    yield text(x, y + 4, number, text_anchor="middle", fill=PAPER, class_="on-blue", font_size="11", font_weight="bold")


def _gap(x: float, y: float, height: float) -> Iterator[Markup]:
    yield text(x, 14, "missing", text_anchor="middle", font_size="10.5", font_weight="bold", fill=RED, class_="bad")
    yield shape(
        "path", d=f"M{x} 18V{height - 8}", stroke=RED, stroke_width=1.5, stroke_dasharray="4 3", class_="bad-line"
    )
    yield shape(
        "circle", cx=x, cy=y, r=11, fill=PAPER, stroke=RED, stroke_width=2, stroke_dasharray="4 3", class_="gap"
    )
    yield text(x, y + 4, "?", text_anchor="middle", font_weight="bold", fill=RED, class_="bad")


def missing_of(finding: Finding) -> str:
    """The step that should have followed what is recorded, in the ticket's own words; empty where nothing is missing.

    Only of a state can a step be missing: an occurrence is what happened.
    """
    return finding.story.expected if finding.kind == "state" else ""
