"""Months of nights at random, against a plain model: nothing is said twice, nothing is lost, nothing is said while muted.

Findings appear, vanish and worsen; detectors fail; tables come empty, cut, as an older copy or not at all; people acknowledge, resolve, reopen, delete, snooze and dismiss; the
clock moves; the queue is down, or takes something and does not answer; the process dies between any two of its steps.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from sqlalchemy import event

from detectors.contract import SEVERITY_ORDER, Coverage, Finding, Impact, Severity
from escalation.decide.age import older
from escalation.decide.volume import baseline_of, doubts, recorded
from escalation.errors import RefusedError
from escalation.ledger.ledger import Ledger, Transaction
from escalation.ledger.records import Entry, Looked, Marks, SilenceKind, Ticket, Volume
from escalation.ledger.store import open_store
from escalation.nights.night import NightReport, run_night
from escalation.nights.windows_of_runs import next_window
from escalation.people.silences import silence_subject
from escalation.policy.policy import load_policy
from tests.escalation.findings import NOON, OCCURRENCES, finding
from tests.escalation.queues import Crash, MemoryQueue, QueueError, Status, helpdesk
from tests.support.effort import tries

POLICY = load_policy()
HOUR, WEEK = timedelta(hours=1), timedelta(days=7)
FINDINGS: dict[str, Finding] = {
    "leaderless": finding("no-leader", household="h1"),
    "transfer": finding("transfer-failed", household="h1"),
    "other": finding("no-leader", household="h2"),
    "removal": finding("removal-not-applied", household="h3", user="u3"),
    "second removal": finding("removal-not-applied", household="h3", user="u5"),
    "abuse": finding("mass-creation", user="u4"),
}
"""The first two have one cause while both are there, the removals are one case. The last one is an occurrence, the others states."""
RESTS_ON = {
    "no-leader": {"household_members"},
    "transfer-failed": {"household_members"},
    "removal-not-applied": {"household_members", "household_events"},
    "mass-creation": {"household_events"},
}
DETECTORS = sorted({one.detector for one in FINDINGS.values()})
STATES = [name for name, one in FINDINGS.items() if one.detector not in OCCURRENCES]
QUEUE_STEPS = ["state", "find", "create", "create done", "comment", "comment done", "update"]
LEDGER_STEPS = ["before", "in", "after"]

troubles = st.one_of(
    st.none(),
    st.none(),
    st.just(("down", "", 0)),
    st.tuples(st.sampled_from(["lost", "dead"]), st.sampled_from(QUEUE_STEPS), st.just(0)),
    st.tuples(st.just("killed"), st.sampled_from(LEDGER_STEPS), st.integers(0, 12)),
)


damages = st.one_of(
    st.none(),
    st.none(),
    st.tuples(
        st.sampled_from(["household_members", "household_events"]),
        st.sampled_from(["empty", "missing", "halved", "older"]),
    ),
)
towns = st.one_of(
    st.tuples(st.just("appears"), st.sampled_from(STATES)),
    st.tuples(st.just("appears"), st.sampled_from(STATES)),
    st.tuples(st.just("vanishes"), st.sampled_from(STATES)),
    st.tuples(st.just("changes"), st.sampled_from(STATES), st.integers(1, 30), st.sampled_from(["P0", "P1", "P2"])),
    st.tuples(st.just("abuse_happens")),
)
people = st.one_of(
    st.tuples(
        st.just("somebody_works"), st.integers(0, 4), st.sampled_from(["open", "acknowledged", "resolved", "closed"])
    ),
    st.tuples(st.just("somebody_deletes"), st.integers(0, 4)),
    st.tuples(
        st.just("somebody_silences"),
        st.sampled_from(sorted(FINDINGS)),
        st.sampled_from(["snooze", "dismiss"]),
        st.sampled_from([1, 24, 25, 90]),
    ),
)


class FragileLedger(Ledger):
    """Dies before, in or after the transaction that `die_at` counts down to."""

    die_at: tuple[int, str] | None = None

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        place = ""
        if self.die_at is not None:
            left, place = self.die_at
            self.die_at = (left - 1, place) if left else None
            place = "" if left else place
        if place == "before":
            raise Crash
        with super().begin() as transaction:
            yield transaction
            if place == "in":
                raise Crash
        if place == "after":
            raise Crash


@dataclass
class Thing:
    """What the model knows of one finding: how it is in the town now, and how the recorded nights have seen it."""

    there: bool = False
    users: int = 5
    severity: Severity = "P0"
    happened: datetime | None = None
    known: bool = False
    seen_there: bool = False
    seen: tuple[int, Severity] = (0, "P0")
    seen_happened: datetime | None = None
    returns: tuple[datetime, ...] = ()
    silence: tuple[SilenceKind, datetime, tuple[int, Severity] | None] | None = None
    deleted: bool = False
    """Somebody has deleted the ticket that it was on, and it has not been gone since."""
    resolved: bool = False
    """Somebody has resolved the ticket that it is on, which ends a snooze as soon as a night hears of it."""

    def muted(self, now: datetime) -> bool:
        return self.silence is not None and now < self.silence[1]

    @property
    def flapping(self) -> bool:
        return len(self.returns) >= 3


class Nights(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="hearthwatch-nights-")
        self.store = open_store(f"sqlite:///{Path(self.folder.name) / 'ledger.db'}", exclusive=True)
        # Only the tests' own speed: what a power cut would do is not played here.
        event.listen(
            self.store._engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF")
        )
        self.ledger = FragileLedger(self.store)
        self.queue = MemoryQueue()
        self.deletions: Counter[str] = Counter()
        self.things = {name: Thing(severity=one.severity) for name, one in FINDINGS.items()}
        self.now = NOON
        self.looked = Looked()

    def teardown(self) -> None:
        self.night(24, set(), None)
        self.night(24, set(), None)
        self.store.close()
        self.folder.cleanup()

    # --- the town

    def appears(self, name: str) -> None:
        self.things[name].there = True

    def vanishes(self, name: str) -> None:
        self.things[name].there = False

    def changes(self, name: str, users: int, severity: Severity) -> None:
        thing = self.things[name]
        thing.users, thing.severity = users, severity

    def abuse_happens(self) -> None:
        self.things["abuse"].happened = self.now

    # --- the people

    def somebody_works(self, number: int, status: Status) -> None:
        external_id = self.pick(number)
        if external_id is not None:
            filed = self.queue.tickets[external_id]
            filed.status = status
            filed.first_reply_at = filed.first_reply_at or self.now
            for thing in self.on_ticket(external_id):
                thing.resolved |= status in ("resolved", "closed")

    def somebody_deletes(self, number: int) -> None:
        external_id = self.pick(number)
        if external_id is not None:
            del self.queue.tickets[external_id]
            self.deletions[external_id] += 1
            for thing in self.on_ticket(external_id):
                thing.deleted = True

    def on_ticket(self, external_id: str) -> list[Thing]:
        """What is on one of the tickets."""
        entries, tickets = self.kept()
        (ticket,) = [one for one in tickets if one.external_id == external_id]
        found = ((name, entries.get(one.fingerprint)) for name, one in FINDINGS.items())
        return [self.things[name] for name, entry in found if entry is not None and entry.ticket_id == ticket.id]

    def pick(self, number: int) -> str | None:
        """One of the tickets in the queue, if there is any."""
        known = sorted(self.queue.tickets)
        return known[number % len(known)] if known else None

    def somebody_silences(self, name: str, kind: SilenceKind, hours: int) -> None:
        one, thing = FINDINGS[name], self.things[name]
        until = self.now + hours * HOUR
        critical = one.detector in ("no-leader", "transfer-failed") and (not thing.known or thing.seen[1] == "P0")
        refused = critical and (kind == "dismiss" or hours > 24)
        try:
            silence_subject(
                self.ledger,
                one.detector,
                one.subject,
                kind,
                until=until,
                reason="r",
                author="a",
                policy=POLICY,
                now=self.now,
            )
        except RefusedError:
            assert refused
        else:
            assert not refused
            thing.silence = (kind, until, thing.seen if thing.known else None)
            statuses = (filed.status for key, filed in self.queue.tickets.items() if thing in self.on_ticket(key))
            thing.resolved = any(status in ("resolved", "closed") for status in statuses)

    # --- the night

    @rule(
        events=st.lists(st.one_of(towns, towns, people), max_size=4),
        hours=st.sampled_from([1, 6, 24, 24, 24, 60]),
        failed=st.one_of(st.just(set()), st.just(set()), st.sets(st.sampled_from(DETECTORS), max_size=2)),
        trouble=troubles,
        damage=damages,
    )
    def day(
        self,
        events: list[tuple[Any, ...]],
        hours: int,
        failed: set[str],
        trouble: tuple[str, str, int] | None,
        damage: tuple[str, str] | None,
    ) -> None:
        for name, *arguments in events:
            getattr(self, name)(*arguments)
        self.night(hours, failed, trouble, damage)

    @staticmethod
    def newest(at: datetime) -> Marks:
        """Four rows that were written last."""
        return tuple((at - back * HOUR, f"h{back}") for back in range(4))

    def delivered(self, damage: tuple[str, str] | None) -> set[str]:
        """What of the source arrives tonight is held against the nights before: the detectors that rest on what does not."""
        members, events = (100, 20) if damage is None else (50, 10)
        volumes = {
            "household_members": Volume("household_members", 100, newest={"joined_at": self.newest(self.now)}),
            "household_events": Volume(
                "household_events",
                20,
                {NOON.date(): 20},
                NOON - WEEK,
                newest={"event_timestamp": self.newest(self.now)},
            ),
        }
        if damage is not None and damage[1] == "older":
            whole = volumes[damage[0]]
            volumes[damage[0]] = replace(whole, newest={name: self.newest(NOON - WEEK) for name in whole.newest})
        elif damage is not None:
            table, how = damage
            rows = {"empty": 0, "missing": None, "halved": members if table == "household_members" else events}[how]
            if table == "household_events" and how != "missing":
                volumes[table] = Volume(table, rows, {NOON.date(): rows or 0}, None if how == "empty" else NOON - WEEK)
            else:
                volumes[table] = Volume(table, rows)
        with self.ledger.begin() as tx:
            known = {table: baseline_of(nights) for table, nights in tx.volumes().items()}
        baselines = {table: one for table, one in known.items() if one}
        aged = older(baselines, volumes, POLICY.volume, self.now)
        reasons = {table: one.reason for table, one in aged.items()} | doubts(baselines, volumes, POLICY.volume)
        assert not reasons or damage is not None
        assert bool(reasons) == (damage is not None and bool(known))
        self.looked = Looked(
            volumes=recorded(volumes, reasons, accept=False),
            disbelieved=reasons,
            trail=frozenset({"removal-not-applied"}),
        )
        return {name for name, tables in RESTS_ON.items() if tables & reasons.keys()}

    def night(
        self,
        hours: int,
        failed: set[str],
        trouble: tuple[str, str, int] | None,
        damage: tuple[str, str] | None = None,
    ) -> None:
        self.now += hours * HOUR
        # A first night believes what it sees: here it sees everything.
        failed = failed | self.delivered(damage if self.nights() else None)
        window = next_window(self.ledger, self.now, POLICY)
        given = {name: self.current(name) for name, one in FINDINGS.items() if one.detector not in failed}
        given = {name: one for name, one in given.items() if one and (name != "abuse" or one.occurred_at in window)}
        entries, tickets = self.kept()
        untold = self.untold()
        nights = self.nights()
        self.queue.written.clear()
        report = self.play([one for one in given.values() if one], failed, trouble)
        recorded = self.nights() > nights
        if recorded:
            expected = self.remember(set(given), failed)
            if report is not None:
                self.check_statuses(report, expected)
            self.check_second_tickets(tickets, entries, untold, expected)
        self.check_exactly_once()
        self.check_muted()
        self.check_deadlines(tickets)
        self.check_not_looked_at(entries, failed)
        self.check_verified(tickets)
        moved = report is not None and any("gone at once" in one.error for one in report.failed)
        if recorded and trouble is None and not moved:
            self.check_nothing_is_lost(set(given), failed)

    def current(self, name: str) -> Finding | None:
        thing = self.things[name]
        if name == "abuse":
            return FINDINGS[name].model_copy(update={"occurred_at": thing.happened}) if thing.happened else None
        if not thing.there:
            return None
        impact = Impact(users=thing.users, households=1)
        return FINDINGS[name].model_copy(update={"impact": impact, "severity": thing.severity})

    def play(
        self, findings: list[Finding], failed: set[str], trouble: tuple[str, str, int] | None
    ) -> NightReport | None:
        coverage = [Coverage(detector=one, status="failed" if one in failed else "ran") for one in DETECTORS]
        window = next_window(self.ledger, self.now, POLICY)
        match trouble:
            case ("down", _, _):
                self.queue.down = True
            case ("lost", step, _):
                self.queue.trouble_at = {step: QueueError("no answer")}
            case ("dead", step, _):
                self.queue.trouble_at = {step: Crash()}
            case ("killed", step, number):
                self.ledger.die_at = (number, step)
        try:
            return run_night(
                self.ledger,
                findings,
                coverage,
                POLICY,
                self.now,
                window=window,
                helpdesk=helpdesk(self.queue),
                looked=self.looked,
            )
        except Crash:
            return None
        finally:
            self.queue.down, self.queue.trouble_at, self.ledger.die_at = False, {}, None

    # --- the model

    def remember(self, given: set[str], failed: set[str]) -> dict[str, str]:
        """What a recorded night makes of each finding: the model moves on, and says which status it expects."""
        expected: dict[str, str] = {}
        for name, thing in self.things.items():
            if FINDINGS[name].detector in failed:
                expected[name] = "not-looked-at"
                continue
            thing.returns = tuple(at for at in thing.returns if self.now - at < WEEK)
            if name == "abuse":
                expected[name] = self.remember_abuse(thing, name in given)
            elif name in given:
                expected[name] = self.remember_state(thing, explained=self.explained(name, given))
            else:
                thing.seen_there = thing.deleted = False
                expected[name] = "flapping" if thing.flapping else "gone"
        return expected

    @staticmethod
    def explained(name: str, given: set[str]) -> bool:
        return name == "leaderless" and "transfer" in given

    def remember_state(self, thing: Thing, *, explained: bool) -> str:
        sight = (thing.users, thing.severity)
        status = "still-there"
        if not thing.known:
            status, thing.seen = "new", sight
        elif not thing.seen_there:
            status, thing.deleted = "back", False
            thing.returns = (*thing.returns, self.now)
        elif not explained and sight != thing.seen:
            rank = [SEVERITY_ORDER.index(severity) for severity in (thing.severity, thing.seen[1])]
            worse = rank[0] < rank[1] or (rank[0] == rank[1] and thing.users > thing.seen[0])
            status = "worse" if worse else "better"
        thing.known = thing.seen_there = True
        if not explained:
            thing.seen = sight
            self.break_silence(thing)
        return "flapping" if thing.flapping else status

    def remember_abuse(self, thing: Thing, given: bool) -> str:
        status = "still-there"
        if given:
            again = thing.seen_happened is not None and thing.happened != thing.seen_happened
            status = "back" if again else "still-there" if thing.known else "new"
            thing.known, thing.seen_happened, thing.seen = True, thing.happened, (1, "Same-day")
            self.break_silence(thing)
        return status

    def break_silence(self, thing: Thing) -> None:
        if thing.silence is None:
            return
        kind, until, then = thing.silence
        worse = then is not None and (
            SEVERITY_ORDER.index(thing.seen[1]) < SEVERITY_ORDER.index(then[1])
            or (thing.seen[0] > then[0] + 1 and thing.seen[0] * 10 >= then[0] * 11)
        )
        if (kind == "snooze" and worse) or self.now >= until:
            thing.silence = None

    # --- what must hold

    def kept(self) -> tuple[dict[str, Entry], list[Ticket]]:
        with self.ledger.begin() as tx:
            return tx.entries_for(one.fingerprint for one in FINDINGS.values()), tx.tickets()

    def untold(self) -> set[int]:
        """The tickets on which something is still to be said."""
        with self.ledger.begin() as tx:
            return {row.ticket_id for row in tx.unsent()}

    def nights(self) -> int:
        with self.ledger.begin() as tx:
            last = tx.latest_night()
        return last.id if last else 0

    def check_statuses(self, report: NightReport, expected: dict[str, str]) -> None:
        names = {one.fingerprint: name for name, one in FINDINGS.items()}
        assert {one.fingerprint: one.status for one in report.told} == {
            one.fingerprint: expected[names[one.fingerprint]] for one in report.told
        }

    def check_exactly_once(self) -> None:
        for one in FINDINGS.values():
            mine = [
                external_id
                for external_id in self.queue.tickets
                if external_id.startswith(f"hw-{one.fingerprint[:16]}")
            ]
            assert len(mine) <= 1, mine
        for external_id, times in Counter(self.queue.creations).items():
            assert times <= 1 + self.deletions[external_id]

    def check_second_tickets(
        self, tickets: list[Ticket], before: dict[str, Entry], untold: set[int], expected: dict[str, str]
    ) -> None:
        """In place of a deleted ticket one is wanted only for what was gone, is more urgent, or happened again.

        That may also have been so before, and could not be said while the ticket was there. An effect speaks for itself
        when its cause no longer explains it.
        """
        wanted = {ticket.fingerprint for ticket in self.kept()[1][len(tickets) :]}
        for name, one in FINDINGS.items():
            old = before.get(one.fingerprint)
            if one.fingerprint in wanted and old and old.ticket_id not in untold and not old.explained_by:
                unchanged = expected[name] in ("still-there", "worse", "better", "not-looked-at")
                urgent = SEVERITY_ORDER.index(self.things[name].seen[1]) < SEVERITY_ORDER.index(old.said_severity)
                assert not (self.things[name].deleted and unchanged and not urgent), name

    def check_muted(self) -> None:
        """Nothing was said on a ticket of which everything that is there by itself is muted."""
        entries, tickets = self.kept()
        names = {one.fingerprint: name for name, one in FINDINGS.items()}
        for ticket in tickets:
            on_it = [one for one in entries.values() if one.ticket_id == ticket.id]
            there = [one for one in on_it if one.present and not one.explained_by]
            deciding = there or [one for one in on_it if one.fingerprint == ticket.fingerprint]
            deciders = [self.things[names[one.fingerprint]] for one in deciding]
            ended = any(thing.resolved and thing.silence and thing.silence[0] == "snooze" for thing in deciders)
            if deciders and not ended and all(thing.muted(self.now) for thing in deciders):
                assert ticket.external_id not in self.queue.written

    def check_deadlines(self, before: list[Ticket]) -> None:
        _, tickets = self.kept()
        now = {ticket.id: ticket for ticket in tickets}
        for old in before:
            new = now[old.id]
            if SEVERITY_ORDER.index(new.severity) >= SEVERITY_ORDER.index(old.severity):
                for due in ("acknowledge_due", "investigate_due", "resolve_due"):
                    assert getattr(new, due) >= getattr(old, due)

    def check_not_looked_at(self, before: dict[str, Entry], failed: set[str]) -> None:
        after, _ = self.kept()
        for key, old in before.items():
            if old.detector in failed:
                # Its ticket may have been deleted and made again for something else that was on it.
                assert replace(after[key], status=old.status, ticket_id=old.ticket_id) == old

    def check_verified(self, before: list[Ticket]) -> None:
        """What was verified tonight is really gone from the town, whatever arrived of it."""
        ended = {ticket.id for ticket in before if ticket.status == "verified"}
        entries, tickets = self.kept()
        for ticket in tickets:
            if ticket.status == "verified" and ticket.id not in ended:
                on_it = [
                    name
                    for name in STATES
                    if (of := entries.get(FINDINGS[name].fingerprint)) and of.ticket_id == ticket.id
                ]
                assert not any(self.things[name].there for name in on_it), on_it

    def check_nothing_is_lost(self, given: set[str], failed: set[str]) -> None:
        """After a night without trouble what is there is on an open ticket, and what is gone is not."""
        entries, tickets = self.kept()
        by_id = {ticket.id: ticket for ticket in tickets}
        for name in STATES:
            thing, entry = self.things[name], entries.get(FINDINGS[name].fingerprint)
            if thing.flapping or thing.muted(self.now) or FINDINGS[name].detector in failed or entry is None:
                continue
            ticket = by_id.get(entry.ticket_id or 0)
            if name in given and not self.explained(name, given):
                assert ticket is not None
                if ticket.status == "missing":
                    assert thing.deleted, (name, ticket)
                    assert SEVERITY_ORDER.index(entry.severity) >= SEVERITY_ORDER.index(entry.said_severity)
                else:
                    assert ticket.status in ("open", "acknowledged")
                    assert ticket.external_id in self.queue.tickets
            if name not in given and ticket is not None:
                others = [one for one in entries.values() if one.ticket_id == ticket.id and one.present]
                flapping = any(self.things[other].flapping for other in STATES)
                assert ticket.ended or others or flapping


TestNights = Nights.TestCase
TestNights.settings = tries(40, stateful_step_count=25)
