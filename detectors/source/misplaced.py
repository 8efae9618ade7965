"""Columns whose values stand beside others' rows: a column was sorted, moved by a row or filled down apart from its table.

All that they name is there, and next to nothing where it is said to be. Where most households are broken, the others still
agree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from sqlalchemy import select

from detectors.source.base import Source
from detectors.source.nobodys import told_by_trail
from detectors.source.sampled_homes import MEMBERS, REQUESTS, Home, Row, Sampled
from detectors.source.tables import Tables
from detectors.source.trail import EVENTS

ENOUGH = 10
"""Of fewer households, requests or rows nothing is concluded."""
NEARLY_ALL = 0.9
MOST = 0.8
SEVERAL = 5
"""One person may create households in masses; so many different people are no one's doing."""
_SORTED = "was sorted, moved or filled down apart from its table, or another one is mapped to it: export it again"


def misplaced(source: Source, spelled: Tables, sampled: Sampled) -> Iterator[str]:
    """A line for each way in which nearly all rows contradict the others. Raises QueryError."""
    said = list(states(sampled.homes.values()))
    yield from said
    if not said:
        yield from _requests(source, spelled, sampled.homes)
        yield from _acts(source, spelled, sampled)


def _nearly_all(number: int, of: int) -> bool:
    return of >= ENOUGH and number >= NEARLY_ALL * of


def leaders_astray(number: int, of: int) -> str:
    return (
        f"households.leader_id names members of other households alone, in {number:,} of {of:,} households: it, the "
        f"households' id, or a column of {MEMBERS} {_SORTED}"
    )


def states(homes: Collection[Home]) -> Iterator[str]:
    """A line for each thing that nearly all households show, and that no fault does to them."""
    led = [home for home in homes if home.leader]
    everybody = {row.who for home in homes for row in home.rows}
    astray = [home.leader for home in led if home.leader in everybody and home.leader not in home.there]
    if _nearly_all(len(astray), len(led)) and len(set(astray)) >= SEVERAL:
        yield leaders_astray(len(astray), len(led))
        return
    known = [home for home in led if home.leader in home.there]
    others = [home for home in known if not any(row.leads for row in _of_leader(home))]
    # Of households of one person all may have lost their leader, and transfers that stopped leave one other the role.
    opposite = sum(all(row.leads for row in home.rows if row.who != home.leader) for home in others if _big(home))
    if _nearly_all(len(others), len(known)) and opposite >= ENOUGH:
        yield (
            f"{MEMBERS}.role makes others leaders than households.leader_id, in {len(others):,} of {len(known):,} households: map "
            f"its words, [source.words.{MEMBERS}.role], or export it again"
        )
    all_lead = [home for home in led if len(home.there) > 1 and all(row.leads for row in home.rows)]
    if _nearly_all(len(all_lead), len(led)) and sum(map(_big, all_lead)) >= ENOUGH:
        yield f"{MEMBERS}.role makes everybody a leader, in {len(all_lead):,} of {len(led):,} households: export it again"
    leaders = [row for home in led for row in _of_leader(home) if row.active]
    temporary = sum(row.temporary for row in leaders)
    everybodys = [row.temporary for home in homes for row in home.rows]
    # Sitters may have come to lead, beside members who stay.
    if _nearly_all(temporary, len(leaders)) and sum(everybodys) >= MOST * len(everybodys):
        yield (
            f"{MEMBERS}.is_temporary is true for {temporary:,} of {len(leaders):,} leaders, who are never temporary: map the column "
            "that holds it, or export it again"
        )
    rows = [number for home in homes for number in home.there.values()]
    twice = sum(number > 1 for number in rows)
    wholly = sum(_big(home) and min(home.there.values()) > 1 for home in homes)
    if _nearly_all(twice, len(rows)) and wholly >= ENOUGH:
        yield (
            f"{MEMBERS} holds {twice:,} of {len(rows):,} people of a household more than once: it was loaded twice, or joined with "
            "another table on its way; export each row once"
        )


def _big(home: Home) -> bool:
    """Whether it has more people than the two whom a transfer or a second leader leaves with the role."""
    return len(home.there) > 2


def _of_leader(home: Home) -> list[Row]:
    return [row for row in home.rows if row.who == home.leader]


def _requests(source: Source, spelled: Tables, homes: Mapping[str, Home]) -> Iterator[str]:
    """Where nearly no request is of who belongs to its household, or was answered by one, and the audit table tells of others."""
    asked = [(home, who, by) for home in homes.values() for who, by in home.approved]
    answered = [(home, who, by) for home, who, by in asked if by]
    strangers = {
        "user_id": ([who for home, who, _ in asked if who not in home.there], len(asked)),
        "responded_by": ([by for home, _, by in answered if by not in home.there], len(answered)),
    }
    suspicious = [
        column
        for column, (who, of) in strangers.items()
        if _nearly_all(len(who), of) and _are_members(source, spelled, set(who))
    ]
    for column in dict.fromkeys([*(["household_id"] if suspicious else []), *suspicious]):
        agree, of = told_by_trail(source, spelled, column)
        if _nearly_all(of - agree, of):
            yield (
                f"{REQUESTS}.{column} says otherwise than {EVENTS} in {of - agree:,} of {of:,} requests, and names nearly nobody of "
                f"their households: the column {_SORTED}"
            )
            return


def _acts(source: Source, spelled: Tables, sampled: Sampled) -> Iterator[str]:
    """Where nearly nobody who created a household has a row there, and has one elsewhere."""
    astray = [who for home, who in sampled.created if who not in sampled.people.get(home, ())]
    if not _nearly_all(len(astray), len(sampled.created)) or len(set(astray)) < SEVERAL:
        return
    if _are_members(source, spelled, set(astray)):
        yield (
            f"{EVENTS} names members of other households alone as who created a household, in {len(astray):,} of "
            f"{len(sampled.created):,} rows: its user_id or household_id {_SORTED}"
        )


def _are_members(source: Source, spelled: Tables, people: Collection[str]) -> bool:
    """Whether nearly all of these people are members of some household."""
    member = spelled[MEMBERS].c.user_id
    known = select(member.label("who")).where(spelled.users_in(member, sorted(people))).distinct()
    return len(source.rows(known, "agreement")) >= NEARLY_ALL * len(people)
