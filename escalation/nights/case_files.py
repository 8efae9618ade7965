"""What the tickets that a night makes or changes tell, put together when all is decided and recorded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from detectors.contract import Finding, Impact
from detectors.text.wording import stamp
from escalation.decide.cases import actor_of
from escalation.deliver.case_file import CaseFile
from escalation.deliver.linking import Links, linked_case, tell_the_older
from escalation.deliver.notes import about
from escalation.ledger.ledger import Transaction
from escalation.ledger.records import Entry, Silence, Ticket
from escalation.policy.policy import Policy

_SILENCED = {"snooze": "snoozed", "dismiss": "dismissed"}


class CaseFiles:
    """The texts of some `tickets` (by their rows). `tonight` are the night's findings by fingerprint."""

    def __init__(
        self,
        tx: Transaction,
        policy: Policy,
        now: datetime,
        tonight: Mapping[str, Finding],
        tickets: Collection[int],
    ) -> None:
        self._tx, self._policy, self._now, self._tonight = tx, policy, now, tonight
        self._kept = tx.snapshots(tickets)
        self._links = Links(tx, policy, now)

    def of(self, ticket: Ticket, entries: Sequence[Entry], put_off: Sequence[tuple[Entry, Silence]]) -> CaseFile:
        """What `ticket` tells of `entries` (at least one, the most urgent first): in tonight's words where they were seen."""
        kept = self._kept.get(ticket.id, {})
        findings = tuple(
            self._tonight.get(one.fingerprint) or kept.get(one.fingerprint) or _outline(one) for one in entries
        )
        for one in entries:
            self._keep(ticket, self._tonight.get(one.fingerprint))
        actors = {actor_of(one, one.subject, one.evidence) for one in findings}
        silenced = tuple(_silenced(entry, silence) for entry, silence in put_off)
        return linked_case(self._links, ticket, findings, actors.pop() if len(actors) == 1 else None, silenced)

    def _keep(self, ticket: Ticket, finding: Finding | None) -> None:
        """What a team is told by e-mail only is for its readers alone, so no page may show it."""
        if finding is not None and self._policy.teams[ticket.team].by != "email":
            self._tx.add_snapshot(ticket, finding, self._now)

    def tell_the_older(self, new: Ticket, made: Collection[int]) -> None:
        tell_the_older(self._tx, self._links, new, self._policy, self._now, made)


def _silenced(entry: Entry, silence: Silence) -> str:
    until = f"{_SILENCED[silence.kind]} until {stamp(silence.ends_at)}"
    return f"{entry.title} ({about(entry)}): {until}, by {silence.author}: {silence.reason}"


def _outline(entry: Entry) -> Finding:
    """What the ledger knows of a finding of which nothing else is kept."""
    return Finding(
        detector=entry.detector,
        team=entry.team,
        severity=entry.severity,
        fingerprint=entry.fingerprint,
        subject=entry.subject,  # type: ignore[arg-type]  # its keys were a finding's
        households=entry.households,
        users=entry.users,
        title=entry.title,
        first_seen=entry.first_seen_at,
        occurred_at=entry.happened_at,
        impact=Impact(users=len(entry.users), households=len(entry.households)),
        kind=entry.kind,
    )
