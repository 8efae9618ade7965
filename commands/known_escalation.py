"""What the ledger knows of an escalation before it is filed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from commands.options import Settings
from escalation.deliver.linking import LINKS_MOST, Links
from escalation.errors import NoLedgerError
from escalation.ledger.ledger import open_ledger
from escalation.ledger.records import Linked, Ticket
from escalation.people.person import claimed_resolved, open_escalation
from escalation.people.questions import Escalation
from escalation.policy.policy import Policy


@dataclass(frozen=True)
class KnownEscalation:
    """What the ledger knows of an escalation: the ticket that says it already, and the tickets on the same ids."""

    current: Ticket | None
    key: str
    """The fingerprint that its own ticket would have."""
    past: list[Ticket]
    linked: tuple[Linked, ...] = ()
    unrepaired: Mapping[int, datetime] = field(default_factory=dict)
    """Those that were called resolved and are not."""

    def earlier(self, policy: Policy) -> list[Ticket]:
        """The past ones that are too old to be linked, but for those that only their team's e-mail may tell of."""
        linked = {one.external_id for one in self.linked}
        return [one for one in self.past if one.external_id not in linked and policy.teams[one.team].by != "email"]


def known_escalation(settings: Settings, policy: Policy, escalation: Escalation) -> KnownEscalation:
    """What is open already, and what there was before; nothing where there is no ledger yet."""
    try:
        with open_ledger(settings.ledger, exclusive=False, create=False) as ledger, ledger.begin() as tx:
            current, key = open_escalation(tx, escalation, policy.environment)
            past = tx.tickets_about((*escalation.households, *escalation.users))
            linked = Links(tx, policy, settings.moment).about(escalation.households, escalation.users)
            return KnownEscalation(current, key, past, tuple(linked[:LINKS_MOST]), claimed_resolved(tx, past))
    except NoLedgerError:
        return KnownEscalation(*open_escalation(None, escalation, policy.environment), [])
