"""Closing the loop, for the night's summary: whom to tell what, and which outcomes nobody has written down yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from detectors.text.wording import count, listed
from escalation.ledger.records import Ticket
from escalation.people.outcomes import Settled
from reports.neutral import defused

_MOST = 10
"""How many tickets are named one by one."""


def closing_lines(settled: Sequence[Settled], unlearned: Sequence[Ticket]) -> Iterator[str]:
    """One line a settled ticket with those to be told, the words to tell them, then what is still to be written down."""
    if settled:
        yield f"Settled since the last night, so tell the customer ({count(len(settled), 'ticket')}):"
    for one in settled[:_MOST]:
        yield f"  {defused(to_tell(one))}"
        if one.words:
            yield f"    {defused(one.words)}"
    if len(settled) > _MOST:
        yield f"  and {len(settled) - _MOST:,} more"
    if unlearned:
        yield f"No outcome written down yet ({count(len(unlearned), 'ticket')}); hearthwatch tickets outcome TICKET:"
        yield f"  {listed([ticket.external_id for ticket in unlearned], _MOST)}"


def to_tell(one: Settled) -> str:
    """A settled ticket and those to be told, raw."""
    return f"{one.ticket.external_id} {one.ticket.title}: tell {whom(one)}"


def whom(one: Settled) -> str:
    """Those to be told, raw."""
    parts = [
        f"{name} {listed(ids, 3)}"
        for name, ids in (
            ("support request", one.support),
            ("user", one.users),
            ("household", one.households),
        )
        if ids
    ]
    if one.reporter_only:
        return f"{' · '.join(parts) or 'whoever reported it'} and nobody else"
    if one.cut:
        parts.append("perhaps more (the ticket has them all)")
    return " · ".join(parts) or "whoever asked (the ticket says who)"
