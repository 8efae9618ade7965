"""What one night makes of the ledger, in one transaction: observed, decided, and queued for sending."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from detectors.contract import Coverage, Finding, Severity, SubjectKey, Team, fingerprint
from detectors.findings import Alike, Found, whole
from escalation.decide.causes import INCIDENT, OnePerCause, told_of
from escalation.decide.clocks import Deadlines, deadlines, ladder_step, sooner
from escalation.decide.decisions import (
    LOST,
    Observation,
    dated,
    decide,
    first_seen,
    has_left,
    is_broken,
    is_held,
    more_urgent,
    observe,
)
from escalation.decide.remains import RESOLVED, ROWS_GONE, TRAIL_GONE, rows_are_gone, trail_is_gone
from escalation.deliver.helpdesk import pack_note
from escalation.deliver.notes import external_id_of, follow_up, note
from escalation.ledger.ledger import Transaction
from escalation.ledger.records import (
    Action,
    Decision,
    Entry,
    Look,
    Looked,
    NightStatus,
    OutboxKind,
    Reason,
    Silence,
    Ticket,
)
from escalation.ledger.scrub import pack
from escalation.ledger.volumes import EVENTS
from escalation.policy.policy import Policy


@dataclass(frozen=True, slots=True)
class Told:
    """What tonight made of one finding, and why."""

    fingerprint: str
    detector: str
    team: Team
    severity: Severity
    title: str
    subject: dict[str, str]
    status: NightStatus
    action: Action
    reason: Reason
    external_id: str | None


@dataclass(slots=True)
class _Case:
    """One finding tonight: what was known, how it was met, what it is now."""

    before: Entry | None
    entry: Entry
    observation: Observation


@dataclass(slots=True)
class _Tickets:
    """The tickets that tonight touches, as they are by now."""

    tx: Transaction
    by_id: dict[int, Ticket] = field(default_factory=dict)

    def of(self, entry: Entry) -> Ticket | None:
        return None if entry.ticket_id is None else self.of_row(entry.ticket_id)

    def of_row(self, ticket_id: int) -> Ticket:
        if ticket_id not in self.by_id:
            self.by_id[ticket_id] = self.tx.ticket_by_row(ticket_id)
        return self.by_id[ticket_id]

    def save(self, ticket: Ticket) -> None:
        self.by_id[ticket.id] = ticket
        self.tx.save_ticket(ticket)


NOTHING_MORE = Looked()


class Recording:
    """The part of a night that happens in one transaction. `announced` says that there is a Slack to tell, too."""

    def __init__(
        self,
        tx: Transaction,
        raw: Sequence[Found],
        coverage: Sequence[Coverage],
        policy: Policy,
        now: datetime,
        *,
        announced: bool,
        looked: Looked = NOTHING_MORE,
        look: Look = "night",
        alike: Sequence[Alike] = (),
    ) -> None:
        self._tx, self._policy, self._now, self._look = tx, policy, now, look
        self._announced, self._source = announced, looked
        # What a quick look counts is not kept.
        oldest = (one.oldest for one in looked.volumes if one.table == EVENTS and one.believed)
        self._audit_began = max(filter(None, (tx.audit_began_by(now), *oldest)), default=None)
        self._known = tx.entries()
        told = told_of(raw, policy.limits, policy.environment, self._ongoing(), alike)
        self.findings = told.findings
        self._primary = {one.fingerprint: one for one in self.findings}
        self._raw: dict[str, Found] = {}
        self._causes = self._explained(told)
        self._looked = {entry.detector for entry in coverage if entry.status in ("ran", "proved")}
        self._failed = {entry.detector for entry in coverage if entry.status == "failed"}
        self._known.update(tx.entries_for({*self._primary, *self._causes} - set(self._known)))
        self.findings = self._dated()
        self._primary = {one.fingerprint: one for one in self.findings}
        self._silences = {key: _patient(one, look) for key, one in tx.silences().items()}
        self._tickets = _Tickets(tx)
        self._cases: dict[str, _Case] = {}
        self._on_ticket: dict[int, list[_Case]] = defaultdict(list)
        self.decided: list[tuple[Entry, Decision]] = []

    def _dated(self) -> list[Finding]:
        """The findings with what is known of when they began."""
        looks: dict[datetime, datetime | None] = {}
        found = []
        for one in self.findings:
            entry = self._known.get(one.fingerprint)
            seen = first_seen(entry, self._now)
            if seen not in looks:
                looks[seen] = self._tx.complete_look_before(seen)
            found.append(dated(one, entry, looks[seen], self._now))
        return found

    def _ongoing(self) -> set[str]:
        """The detectors whose incident has not ended."""
        return {
            entry.detector
            for entry in self._known.values()
            if entry.present and entry.subject.get("operation") == INCIDENT
        }

    def _explained(self, told: OnePerCause) -> dict[str, str]:
        """The fingerprint of each finding that is part of another one tonight, with that one's fingerprint.

        Of the rows of a group only those are of interest that the ledger has known by themselves.
        """
        known, causes = self._tx.fingerprints(), dict[str, str]()
        for finding in self.findings:
            rows: list[tuple[str, Mapping[SubjectKey, str]]] = [(row.detector, row.subject) for row in finding.related]
            rows += [(finding.detector, row.subject) for row in finding.members]
            for detector, subject in rows:
                key = fingerprint(detector, self._policy.environment, subject)
                if key in known or not finding.members:
                    causes[key] = finding.fingerprint
        for row, finding in told.rows():
            key = row.fingerprint
            if key in known or not finding.members:
                causes[key], self._raw[key] = finding.fingerprint, row
        return {effect: cause for effect, cause in causes.items() if effect not in self._primary}

    def play(self) -> None:
        self._observe()
        self._end_resolved_snoozes()
        # Causes come before their effects, so that these find their cause's ticket.
        for case in sorted(
            self._cases.values(), key=lambda one: (one.observation == "explained", one.entry.fingerprint)
        ):
            self._decide(case)
        self._finish()
        self._let_go_of_lost()
        self._tx.save_entries([case.entry for case in self._cases.values()], self._known)

    def _observe(self) -> None:
        for key in sorted({*self._known, *self._primary, *self._causes}):
            before = self._known.get(key)
            observation, finding = self._observation(key, before)
            if before is None and (finding is None or self._is_row_of_an_incident(key)):
                continue
            if before is not None and self._left_to_the_night(before, observation):
                self._watch(_Case(before, before, "not-looked-at"))
                continue
            cause = self._causes.get(key)
            entry = observe(before, observation, finding, self._policy.nights, self._now, cause=cause)
            if observation in ("seen", "explained") and key in self._source.behind:
                entry = replace(entry, rows=self._source.behind[key])
            self._watch(_Case(before, entry, observation))

    def _watch(self, case: _Case) -> None:
        self._cases[case.entry.fingerprint] = case
        if case.entry.ticket_id is not None:
            self._on_ticket[case.entry.ticket_id].append(case)

    def _left_to_the_night(self, before: Entry, observation: Observation) -> bool:
        """Whether a quick look changes nothing of what is known: it did not look, or an occurrence lies on another day."""
        unseen = observation == "not-looked-at" or (observation == "absent" and before.kind == "occurrence")
        return self._look == "quick" and unseen

    def _observation(self, key: str, before: Entry | None) -> tuple[Observation, Finding | None]:
        if key in self._primary:
            return "seen", self._primary[key]
        if key in self._causes:
            return "explained", whole(self._raw[key]) if key in self._raw else None
        if before is None or before.detector in self._failed:
            return "not-looked-at", None
        watched = before.present and before.kind == "state"
        if watched and rows_are_gone(before, self._source.gone):
            return "rows-gone", None
        if watched and before.detector in self._source.trail:
            then = self._tx.audit_began_by(before.last_seen_at)
            if trail_is_gone(before, then, self._audit_began):
                return "trail-gone", None
        if watched and key in self._source.unseen:
            return "not-looked-at", None
        if watched and key in self._source.thinned:
            return "rows-gone", None
        return ("absent" if before.detector in self._looked else "not-looked-at"), None

    def _is_row_of_an_incident(self, key: str) -> bool:
        """True for what is only a part of a group tonight: the group is watched, not each of its rows."""
        cause = self._causes.get(key)
        return cause is not None and bool(self._primary[cause].members)

    def _decide(self, case: _Case) -> None:
        cause = self._cause_ticket(case.entry)
        ticket = self._tickets.of(case.entry)
        if ticket is not None and has_left(case.before, case.entry, ticket):
            self._take_off(case)
            ticket = None
        # Nobody has been told of it by a cause's ticket that was deleted before.
        if cause is not None and cause.status != "missing" and (ticket is None or ticket.ended):
            self._put_on(case, cause)
            ticket = cause
        entry = case.entry
        others = [
            other.entry
            for other in self._on_ticket.get(entry.ticket_id or 0, ())
            if other is not case and other.entry.present
        ]
        silence = self._silences.get(entry.fingerprint)
        decision = decide(
            case.before,
            entry,
            case.observation,
            ticket,
            silence,
            self._policy,
            self._now,
            others_present=bool(others),
            said=case.observation in LOST
            and self._tx.was_said(entry.fingerprint, case.observation, entry.last_seen_at),
            look=self._look,
        )
        self._end_broken(silence, entry, case.observation)
        if decision.action == "open":
            self._open(case, ticket)
        elif decision.action != "none" and ticket is not None:
            self._change(case, ticket, decision, others, cause)
        # Of three hundred looks a day only what they did is kept.
        if self._look == "night" or decision.action != "none":
            self.decided.append((case.entry, decision))

    def _end_resolved_snoozes(self) -> None:
        """Whoever resolves a ticket says that there is nothing to put off any more: what is still seen must be said."""
        for ticket_id, cases in self._on_ticket.items():
            resolved = self._tickets.of_row(ticket_id).resolved_at
            for case in cases:
                silence = self._silences.get(case.entry.fingerprint)
                if resolved is None or silence is None or silence.kind != "snooze" or silence.made_at > resolved:
                    continue
                self._tx.end_silence(silence, self._now, "resolved")
                del self._silences[case.entry.fingerprint]

    def _put_on(self, case: _Case, ticket: Ticket) -> None:
        self._take_off(case)
        self._on_ticket[ticket.id].append(case)
        case.entry = replace(case.entry, ticket_id=ticket.id)

    def _take_off(self, case: _Case) -> None:
        if case.entry.ticket_id is not None:
            self._on_ticket[case.entry.ticket_id].remove(case)
            case.entry = replace(case.entry, ticket_id=None)

    def _cause_ticket(self, entry: Entry) -> Ticket | None:
        cause = self._cases.get(entry.explained_by or "")
        return None if cause is None else self._tickets.of(cause.entry)

    def _end_broken(self, silence: Silence | None, entry: Entry, observation: Observation) -> None:
        if silence is None or observation != "seen":
            return
        if is_broken(silence, entry):
            self._tx.end_silence(silence, self._now, "worse")
        elif self._now >= silence.ends_at:
            self._tx.end_silence(silence, self._now, "time")

    def _deadlines(self, entry: Entry) -> Deadlines:
        sla = self._policy.sla(entry.team, entry.severity, entry.detector)
        return deadlines(self._now, sla, self._policy.business_hours)

    def _open(self, case: _Case, gone: Ticket | None) -> None:
        """A ticket for the finding; in place of one that is `gone` from its queue, with all that was on that one."""
        entry = case.entry
        generation = self._tx.generations(entry.fingerprint) + 1
        external_id = external_id_of(entry.fingerprint, generation)
        ticket = self._tx.add_ticket(entry, external_id, generation, self._now, self._deadlines(entry))
        self._tickets.by_id[ticket.id] = ticket
        if gone is not None:
            self._tx.forget_unsent(gone)
            for other in list(self._on_ticket[gone.id]):
                self._put_on(other, ticket)
        else:
            self._put_on(case, ticket)
        case.entry = _said(case.entry)
        finding = self._primary[entry.fingerprint]
        self._send(f"{external_id}/create", ticket, "create", pack(finding))
        self._keep(ticket, finding)

    def _change(
        self, case: _Case, ticket: Ticket, decision: Decision, others: Sequence[Entry], cause: Ticket | None
    ) -> None:
        """Say on the ticket what has changed, and give it its new state."""
        entry = case.entry
        told = note(ticket, case.before, entry, decision, self._now, remaining=others, cause=cause)
        self._send(self._key(ticket, decision.reason, entry), ticket, "comment", pack_note(told))
        if decision.action == "verify":
            self._tickets.save(replace(ticket, status="verified", ended_at=self._now))
            return
        if case.observation != "seen":
            return
        self._tickets.save(self._after_change(ticket, entry, decision))
        case.entry = replace(_said(entry), flapping_said=entry.flapping_said or decision.reason == "flapping")
        if entry.fingerprint == ticket.fingerprint:
            finding = self._primary[entry.fingerprint]
            self._send(self._key(ticket, "update", entry), ticket, "update", pack(finding))
            self._keep(ticket, finding)

    def _keep(self, ticket: Ticket, finding: Finding) -> None:
        """What a team is told by e-mail only is for its readers alone, so no page may show it."""
        if self._policy.teams[ticket.team].by != "email":
            self._tx.add_snapshot(ticket, finding, self._now)

    def _after_change(self, ticket: Ticket, entry: Entry, decision: Decision) -> Ticket:
        due = self._deadlines(entry)
        if decision.action == "reopen":
            return replace(
                ticket,
                status="open",
                severity=entry.severity,
                reopened=ticket.reopened + 1,
                clock_began_at=self._now,
                acknowledge_due=due.acknowledge,
                investigate_due=due.investigate,
                resolve_due=due.resolve,
                acknowledged_at=None,
                resolved_at=None,
                ended_at=None,
                closed_as=None,
                closing_reason=None,
                ladder_step=0,
            )
        if more_urgent(entry.severity, ticket.severity):
            kept = sooner(Deadlines(ticket.acknowledge_due, ticket.investigate_due, ticket.resolve_due), due)
            return replace(
                ticket,
                severity=entry.severity,
                acknowledge_due=kept.acknowledge,
                investigate_due=kept.investigate,
                resolve_due=kept.resolve,
            )
        return ticket if entry.fingerprint != ticket.fingerprint else replace(ticket, severity=entry.severity)

    def _send(self, key: str, ticket: Ticket, kind: OutboxKind, payload: Mapping[str, Any]) -> None:
        destinations = self._policy.destinations(ticket.team, ticket.severity, announced=self._announced)
        self._tx.enqueue(key, ticket, kind, payload, self._now, destinations)

    def _key(self, ticket: Ticket, what: str, entry: Entry) -> str:
        """The same for the same thing on the same night, so that it is never said twice."""
        return f"{ticket.external_id}/{what}/{entry.fingerprint[:16]}/{self._now:%Y%m%dT%H%M%SZ}"

    def _finish(self) -> None:
        """End the tickets on which nothing is left to watch, and follow up on those that nobody has acknowledged."""
        for ticket in self._tx.tickets(ended=False):
            cases = self._on_ticket.get(ticket.id, ())
            entries = [case.entry for case in cases]
            there = {case.observation for case in cases if case.entry.present and case.entry.kind == "state"}
            if ticket.status == "resolved" and there <= set(LOST):
                gone = ROWS_GONE if "rows-gone" in there else TRAIL_GONE
                reason = RESOLVED.format(gone) if there else None
                self._tickets.save(replace(ticket, status="closed", ended_at=self._now, closing_reason=reason))
            elif ticket.ref_id is not None and not is_held(ticket.fingerprint, entries, self._silences, self._now):
                self._follow_up(ticket)

    def _let_go_of_lost(self) -> None:
        """What is lost is watched while its ticket is open, as its rows may come back; after that nobody waits for it."""
        for case in self._cases.values():
            ticket = self._tickets.of(case.entry)
            if case.observation in LOST and (ticket is None or ticket.ended):
                case.entry = replace(case.entry, present=False)

    def _follow_up(self, ticket: Ticket) -> None:
        step = ladder_step(ticket, self._policy, self._now)
        if step > ticket.ladder_step:
            told = pack_note(follow_up(ticket, step, self._policy, self._now))
            key = f"{ticket.external_id}/follow-up/{ticket.reopened}/{step}"
            self._send(key, ticket, "follow-up", told)
            self._tickets.save(replace(ticket, ladder_step=step))

    def told(self) -> Iterable[Told]:
        for entry, decision in self.decided:
            ticket = self._tickets.of(entry)
            yield Told(
                fingerprint=entry.fingerprint,
                detector=entry.detector,
                team=entry.team,
                severity=entry.severity,
                title=entry.title,
                subject=entry.subject,
                status=entry.status,
                action=decision.action,
                reason=decision.reason,
                external_id=ticket.external_id if ticket else None,
            )


def _patient(silence: Silence, look: Look) -> Silence:
    """For a quick look a snooze is broken once what was put off has doubled: what goes on all day grows with each look."""
    if look == "night" or silence.size is None:
        return silence
    return replace(silence, size=2 * silence.size)


def _said(entry: Entry) -> Entry:
    return replace(entry, said_severity=entry.severity, said_size=entry.size)
