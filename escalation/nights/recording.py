"""What one night makes of the ledger, in one transaction: what was observed is decided, put on tickets, and queued for sending."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from detectors.contract import Coverage
from detectors.findings import Alike, Found
from escalation.decide.cases import CaseKey
from escalation.decide.clocks import Deadlines, deadlines, ladder_step
from escalation.decide.decisions import decide, has_left, in_force, is_broken, is_held
from escalation.decide.observations import LOST, Observation
from escalation.decide.remains import RESOLVED, WORDS
from escalation.decide.urgency import as_urgent_as, reopened
from escalation.deliver.changes import Change
from escalation.deliver.helpdesk import pack_note
from escalation.deliver.notes import external_id_of, follow_up
from escalation.ledger.ledger import Transaction
from escalation.ledger.records import Decision, Entry, Look, Looked, Silence, Ticket
from escalation.nights.observing import NOTHING_MORE, Observing
from escalation.nights.outgoing import Content, Outgoing
from escalation.nights.told import Told, told_of_entry
from escalation.nights.watched import Tickets, Watched, place
from escalation.policy.policy import Policy


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
        self._observed = Observing(tx, raw, coverage, policy, now, looked=looked, look=look, alike=alike)
        self.findings = self._observed.findings
        self._silences = tx.silences()
        self._tickets = Tickets(tx)
        self._all: dict[str, Watched] = {}
        self._on_ticket: dict[int, list[Watched]] = defaultdict(list)
        self._of_case: dict[CaseKey, list[Watched]] = defaultdict(list)
        self._outgoing = Outgoing(tx, policy, now, self._tickets, announced=announced)
        self.decided: list[tuple[Entry, Decision]] = []

    def play(self) -> None:
        for watched in self._observed.watched():
            self._watch(watched)
        self._end_resolved_snoozes()
        for watched in sorted(self._all.values(), key=lambda one: one.turn):
            self._decide(watched)
        self._finish()
        self._let_go_of_lost()
        self._tx.save_entries([watched.entry for watched in self._all.values()], self._observed.known)
        self._outgoing.send_all(self._observed.primary, self._content)

    def _watch(self, watched: Watched) -> None:
        self._all[watched.entry.fingerprint] = watched
        self._of_case[watched.case].append(watched)
        if watched.entry.ticket_id is not None:
            self._on_ticket[watched.entry.ticket_id].append(watched)

    def _decide(self, watched: Watched) -> None:
        cause = self._cause_ticket(watched.entry)
        ticket = self._tickets.of(watched.entry)
        if ticket is not None and has_left(watched.before, watched.entry, ticket):
            self._take_off(watched)
            ticket = None
        if ticket is not None and self._is_left_to_its_team(watched, ticket):
            self._take_off(watched)
            ticket = None
        # Nobody has been told of it by a cause's ticket that was deleted before.
        if cause is not None and cause.status != "missing" and (ticket is None or ticket.ended):
            self._put_on(watched, cause)
            ticket = cause
        entry = watched.entry
        others = self._others(watched, ticket)
        silence = self._silences.get(entry.fingerprint)
        decision = decide(
            watched.before,
            entry,
            watched.observation,
            ticket,
            silence,
            self._policy,
            self._now,
            others_present=bool(others),
            said=watched.observation in LOST
            and self._tx.was_said(entry.fingerprint, watched.observation, entry.last_seen_at),
            look=self._look,
        )
        self._end_broken(silence, entry, watched.observation)
        home = self._home(watched, ticket) if decision.action in ("open", "reopen") else None
        if home is not None:
            decision = self._join(watched, home)
        elif decision.action == "open":
            self._open(watched, ticket)
        elif decision.action != "none" and ticket is not None:
            self._change(watched, ticket, decision, others, cause)
        # Of three hundred looks a day only what they did is kept.
        if self._look == "night" or decision.action != "none":
            self.decided.append((watched.entry, decision))

    @staticmethod
    def _is_left_to_its_team(watched: Watched, ticket: Ticket) -> bool:
        """Whether a team is done with a ticket, and what is left of it is for another team to repair."""
        done = ticket.status == "resolved" or (ticket.ended and ticket.status != "missing")
        return done and watched.observation == "seen" and ticket.team != watched.entry.team

    def _home(self, watched: Watched, own: Ticket | None) -> Ticket | None:
        """The ticket in progress on which another finding of its case is: of several the first one."""
        tickets = {
            ticket.id: ticket
            for other in self._of_case[watched.case]
            if other is not watched and (ticket := self._tickets.of(other.entry)) is not None
        }
        fit = [one for one in tickets.values() if not one.ended and one.team == watched.entry.team and one != own]
        return min(fit, key=lambda one: one.id, default=None)

    def _join(self, watched: Watched, home: Ticket) -> Decision:
        """Put a finding on the ticket of its case, and say so, unless that was made tonight and tells of all of it anyway."""
        self._put_on(watched, home)
        if home.id in self._tickets.made:
            decision = Decision("none", "same-case")
        else:
            decision = Decision("reopen" if home.status == "resolved" else "comment", "joined")
            self._outgoing.say(home, Change(watched.before, watched.entry, decision, self._others(watched, home)))
        self._tickets.save(self._after_change(home, decision))
        watched.entry = _said(watched.entry)
        self._want_text_of(home)
        return decision

    def _end_resolved_snoozes(self) -> None:
        """Whoever resolves a ticket says that there is nothing to put off any more: what is still seen must be said."""
        for ticket_id, cases in self._on_ticket.items():
            resolved = self._tickets.of_row(ticket_id).resolved_at
            for watched in cases:
                silence = self._silences.get(watched.entry.fingerprint)
                if resolved is None or silence is None or silence.kind != "snooze" or silence.made_at > resolved:
                    continue
                self._tx.end_silence(silence, self._now, "resolved")
                del self._silences[watched.entry.fingerprint]

    def _put_on(self, watched: Watched, ticket: Ticket) -> None:
        self._take_off(watched)
        self._on_ticket[ticket.id].append(watched)
        watched.entry = replace(watched.entry, ticket_id=ticket.id)

    def _take_off(self, watched: Watched) -> None:
        if watched.entry.ticket_id is not None:
            self._on_ticket[watched.entry.ticket_id].remove(watched)
            watched.entry = replace(watched.entry, ticket_id=None)

    def _cause_ticket(self, entry: Entry) -> Ticket | None:
        cause = self._all.get(entry.explained_by or "")
        return None if cause is None else self._tickets.of(cause.entry)

    def _end_broken(self, silence: Silence | None, entry: Entry, observation: Observation) -> None:
        if silence is None or observation != "seen":
            return
        worse = is_broken(silence, entry, self._policy, self._look)
        if worse or self._now >= silence.ends_at:
            self._tx.end_silence(silence, self._now, "worse" if worse else "time")
            del self._silences[entry.fingerprint]

    def _deadlines(self, entry: Entry) -> Deadlines:
        sla = self._policy.sla(entry.team, entry.severity, entry.detector)
        return deadlines(self._now, sla, self._policy.business_hours)

    def _open(self, watched: Watched, gone: Ticket | None) -> None:
        """A ticket for the finding; in place of one that is `gone` from its queue, with all that was on that one."""
        entry = watched.entry
        generation = self._tx.generations(entry.fingerprint) + 1
        external_id = external_id_of(entry.fingerprint, generation)
        ticket = self._tx.add_ticket(entry, external_id, generation, self._now, self._deadlines(entry))
        self._tickets.by_id[ticket.id] = ticket
        if gone is not None:
            self._tx.forget_unsent(gone)
            for other in list(self._on_ticket[gone.id]):
                self._put_on(other, ticket)
        else:
            self._put_on(watched, ticket)
        watched.entry = _said(watched.entry)
        self._tickets.made.add(ticket.id)
        self._outgoing.want(f"{external_id}/create", ticket, "create")

    def _change(
        self, watched: Watched, ticket: Ticket, decision: Decision, others: tuple[Entry, ...], cause: Ticket | None
    ) -> None:
        """Say on the ticket what has changed, and give it its new state."""
        entry = watched.entry
        self._outgoing.say(ticket, Change(watched.before, entry, decision, others, cause))
        if decision.action == "verify":
            self._tickets.save(replace(ticket, status="verified", ended_at=self._now))
            return
        if decision.reason == "part-fixed" and any(other.case == watched.case for other in self._told_on(ticket)):
            self._tickets.save(self._after_change(ticket, decision))
            self._want_text_of(ticket)
        if watched.observation != "seen":
            return
        self._tickets.save(self._after_change(ticket, decision))
        watched.entry = replace(_said(entry), flapping_said=entry.flapping_said or decision.reason == "flapping")
        self._want_text_of(ticket)

    def _others(self, watched: Watched, ticket: Ticket | None) -> tuple[Entry, ...]:
        """What else is there of what is on a ticket."""
        on_it = self._on_ticket.get(ticket.id, ()) if ticket is not None else ()
        return tuple(other.entry for other in on_it if other is not watched and other.entry.present)

    def _want_text_of(self, ticket: Ticket) -> None:
        if self._told_on(ticket):
            self._outgoing.want_text(ticket)

    def _told_on(self, ticket: Ticket) -> list[Watched]:
        """What the text of a ticket tells of, the most urgent first. What is another team's is only related."""
        told = [watched for watched in self._on_ticket[ticket.id] if watched.told and watched.entry.team == ticket.team]
        return sorted(told, key=lambda one: place(one.entry, ticket))

    def _after_change(self, ticket: Ticket, decision: Decision) -> Ticket:
        """The ticket as urgent as the worst of what it tells of now, and with the deadlines of that."""
        told = self._told_on(ticket)
        if not told:
            return ticket
        worst = told[0].entry
        due = self._deadlines(worst)
        if decision.action == "reopen":
            return reopened(ticket, worst, due, self._now)
        return as_urgent_as(ticket, worst, due)

    def _content(self, ticket: Ticket) -> Content:
        told = self._told_on(ticket)
        return [watched.entry for watched in told], self._put_off(ticket, told)

    def _put_off(self, ticket: Ticket, told: Sequence[Watched]) -> list[tuple[Entry, Silence]]:
        """What of the ticket's cases is silenced, on it or on no ticket."""
        around = {
            one.entry.fingerprint: one.entry
            for watched in told
            for one in self._of_case[watched.case]
            if one.entry.present
        }
        found = []
        for key, entry in sorted(around.items()):
            silence = self._silences.get(key)
            if silence is not None and entry.ticket_id in (None, ticket.id) and in_force(silence, self._now):
                found.append((entry, silence))
        return found

    def _finish(self) -> None:
        """End the tickets on which nothing is left to watch, and follow up on those that nobody has acknowledged."""
        for ticket in self._tx.tickets(ended=False):
            cases = self._on_ticket.get(ticket.id, ())
            entries = [watched.entry for watched in cases]
            there = {
                watched.observation
                for watched in cases
                if watched.entry.present and watched.entry.kind == "state" and watched.entry.team == ticket.team
            }
            if ticket.status == "resolved" and there <= set(LOST):
                gone = next((words for lost, words in WORDS.items() if lost in there), None)
                reason = RESOLVED.format(gone) if gone else None
                self._tickets.save(replace(ticket, status="closed", ended_at=self._now, closing_reason=reason))
            elif ticket.ref_id is not None and not is_held(ticket.fingerprint, entries, self._silences, self._now):
                self._follow_up(ticket)

    def _let_go_of_lost(self) -> None:
        """What is lost is watched while its ticket is open, as its rows may come back; after that nobody waits for it."""
        for watched in self._all.values():
            ticket = self._tickets.of(watched.entry)
            if watched.observation in LOST and (ticket is None or ticket.ended):
                watched.entry = replace(watched.entry, present=False)

    def _follow_up(self, ticket: Ticket) -> None:
        step = ladder_step(ticket, self._policy, self._now)
        if step > ticket.ladder_step:
            told = pack_note(follow_up(ticket, step, self._policy, self._now))
            key = f"{ticket.external_id}/follow-up/{ticket.reopened}/{step}"
            self._outgoing.want(key, ticket, "follow-up", told)
            self._tickets.save(replace(ticket, ladder_step=step))

    def told(self) -> Iterable[Told]:
        for entry, decision in self.decided:
            ticket = self._tickets.of(entry)
            yield told_of_entry(entry, decision, ticket)


def _said(entry: Entry) -> Entry:
    return replace(entry, said_severity=entry.severity, said_size=entry.size)
