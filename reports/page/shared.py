"""Who stands on several tickets in progress: one look at one person may settle them all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from detectors.text.wording import listed
from escalation.ledger.records import Entry
from escalation.views.morning import Card
from reports.page.hiding import Hiding

GROUPS_SHOWN, NAMED = 25, 5


@dataclass(frozen=True, slots=True)
class Shared:
    """People and households, and the tickets on which all of them stand; `more` of these are not named."""

    who: str
    tickets: tuple[str, ...]
    more: int


def shared(waiting: Sequence[Card], hiding: Hiding) -> tuple[Shared, ...]:
    """Those on the most tickets first, as many as a page has room for; whoever stands on the same tickets is told together."""
    on = defaultdict[str, dict[str, Entry]](dict)
    for card in waiting:
        if hiding.is_closed(card.ticket.team):
            continue
        for entry in card.entries:
            for name in _names(entry):
                on[name][card.ticket.external_id] = entry
    groups = defaultdict[tuple[str, ...], list[str]](list)
    for name, tickets in on.items():
        if len(tickets) > 1:
            groups[tuple(tickets)].append(name)
    most = sorted(groups.items(), key=lambda group: (-len(group[0]), group[1]))[:GROUPS_SHOWN]
    return tuple(
        Shared(
            hiding.line(listed(names, NAMED), [one for name in names for one in on[name].values()]),
            tickets[:NAMED],
            max(0, len(tickets) - NAMED),
        )
        for tickets, names in most
    )


def _names(entry: Entry) -> list[str]:
    """Whom a finding that is still there names; the ledger keeps the first ids alone."""
    if not entry.present:
        return []
    return [*(f"household {one}" for one in entry.households), *(f"user {one}" for one in entry.users)]
