"""What the page may not show: it has its own channel in the policy's [redaction], and what e-mail alone may tell is left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from detectors.contract import Team
from escalation.deliver.case_file import CaseFile
from escalation.ledger.records import Entry, Ticket
from escalation.people.outcomes import Settled
from escalation.policy.policy import Policy
from escalation.policy.process import Redaction
from reports.closing import whom
from reports.redact import redacted_case, word_scrub

BY_EMAIL = "Told by e-mail only"


@dataclass(frozen=True, slots=True)
class Hiding:
    """How the page says titles, findings and lines. `key` makes the pseudonyms where ids are hidden."""

    policy: Policy
    hides: Redaction
    key: bytes = b""

    def is_closed(self, team: Team) -> bool:
        """Whether nobody but the team's e-mail may tell of it."""
        return self.policy.teams[team].by == "email"

    def title(self, team: Team, title: str, entries: Iterable[Entry] = ()) -> str:
        if self.is_closed(team):
            return BY_EMAIL
        return self.line(title, entries)

    def line(self, words: str, entries: Iterable[Entry] = ()) -> str:
        """One line of ours about what is on a ticket."""
        ids = {one for entry in entries for one in (*entry.households, *entry.users, *entry.subject.values())}
        return word_scrub(self.hides, self.key, ids)(words)

    def to_tell(self, one: Settled) -> str:
        """Whom to tell what of a settled ticket."""
        if self.is_closed(one.ticket.team):
            return BY_EMAIL
        said = word_scrub(self.hides, self.key, {*one.support, *one.users, *one.households})(whom(one))
        return f"tell {said}: {one.words}" if one.words else f"tell {said}"

    def case(self, case: CaseFile) -> CaseFile | None:
        """What may be shown of a ticket's case, whose findings are all of one team; None where nothing may."""
        return None if self.is_closed(case.findings[0].team) else redacted_case(case, self.hides, self.key)

    def owner(self, ticket: Ticket) -> str:
        """Who has a ticket, in the helpdesk's words; empty where names are hidden."""
        if self.hides == "ids" or self.is_closed(ticket.team):
            return ""
        # Where people acknowledge by a command, or by mail, no queue tells who they are.
        return self.line(ticket.owner) or "none named"
