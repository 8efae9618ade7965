"""A finding's evidence as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from detectors.text.wording import stamp
from reports.message import FACTS, Table

_IN_PLAIN_WORDS = {"blows": "adverse actions"}
"""What the published names of evidence say to people, where that is not what they say themselves."""
VALUES_SHOWN = 20
"""A list within one cell shows this many values."""


def member_list(evidence: Mapping[str, object]) -> list[Table]:
    """The household's active members and who of them has the leader badge: the picture a screenshot would give."""
    members = evidence.get("stuck_members")
    if not isinstance(members, list | tuple) or not members:
        return []
    leaders = evidence.get("active_leaders")
    badges = {_user_of(leader) for leader in leaders} if isinstance(leaders, list | tuple) else set()
    rows = [(str(member), "leader" if str(member) in badges else "no badge") for member in members]
    return [Table("Household member list", ("Active member", "Badge"), tuple(rows))]


def _user_of(leader: object) -> str:
    return str(leader.get("user_id", "")) if isinstance(leader, Mapping) else str(leader)


def evidence_tables(evidence: Mapping[str, object]) -> list[Table]:
    """One table of the single values, and one for each list of rows."""
    singles: list[tuple[str, str]] = []
    tables: list[Table] = []
    for key, value in evidence.items():
        if key == "stuck_members":
            continue
        if isinstance(value, Mapping):
            singles.extend((f"{named(key)}: {named(str(inner))}", cell(each)) for inner, each in value.items())
        elif isinstance(value, list | tuple) and value and all(isinstance(row, Mapping) for row in value):
            tables.append(_table(named(key), value))
        else:
            singles.append((named(key), percent(value) if is_share(key) and isinstance(value, float) else cell(value)))
    head = [Table("Evidence", FACTS, tuple(singles))] if singles else []
    return head + tables


def _table(heading: str, rows: Sequence[Mapping[str, object]]) -> Table:
    columns = list(dict.fromkeys(str(key) for row in rows for key in row))
    cells = tuple(tuple(cell(row.get(column, "")) for column in columns) for row in rows)
    return Table(heading, tuple(named(column) for column in columns), cells)


def named(key: str) -> str:
    """`old_leader` as `Old leader`."""
    words = _IN_PLAIN_WORDS.get(key, key)
    words = words.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def is_share(key: str) -> bool:
    """Whether a part of a whole stands under `key`, as a number from 0 to 1."""
    return key.startswith("share") or key.endswith("share")


def percent(share: float) -> str:
    """`0.125` as `12.5%`, which a spreadsheet takes for a number."""
    return f"{round(share * 100, 2):g}%"


def cell(value: object) -> str:
    """A value in words: times as the process document writes them, lists with commas, "none" for what the data has not."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return stamp(value)
        case float() if value.is_integer():
            return str(int(value))
        case list() | tuple() | set() | frozenset():
            return _several([cell(each) for each in (sorted(value, key=str) if isinstance(value, set) else value)])
        case Mapping():
            return ", ".join(f"{named(str(key)).lower()} {cell(each)}" for key, each in value.items())
        case _:
            return str(value)


def _several(cells: Sequence[str]) -> str:
    if not cells:
        return "none"
    more = f" and {len(cells) - VALUES_SHOWN:,} more" if len(cells) > VALUES_SHOWN else ""
    return ", ".join(cells[:VALUES_SHOWN]) + more
