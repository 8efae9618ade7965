"""One night: what was found is compared with what is known, decided, recorded in one transaction, and then sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from detectors.contract import Coverage, Finding, Team, Window, fingerprint
from detectors.findings import Alike, Found
from escalation.decide.clocks import Overdue, ladder_step, overdue_with_team
from escalation.decide.incidents import INCIDENT
from escalation.decide.windows import late_rows, silent_days, uncovered
from escalation.deliver.helpdesk import Delivered, Failed, HelpdeskDelivery, MessageT, RefT, deliver, put_off
from escalation.deliver.messenger import PayloadT, SlackDelivery, announce
from escalation.deliver.states import StatesRead, read_states
from escalation.errors import LedgerUsageError
from escalation.ledger.ledger import Ledger, Transaction
from escalation.ledger.records import Action, Look, Looked, Ticket
from escalation.ledger.volumes import EVENTS
from escalation.nights.observing import NOTHING_MORE
from escalation.nights.recording import Recording
from escalation.nights.told import Told
from escalation.people.outcomes import Settled, settled_between, without_outcome
from escalation.policy.policy import Policy


@dataclass(frozen=True, slots=True)
class NightReport:
    """Everything a person wants to know about a night. `undelivered` means exit code 5."""

    as_of: datetime
    window: Window
    complete: bool
    findings: tuple[Finding, ...]
    """Tonight's findings, one for each cause."""
    told: tuple[Told, ...]
    delivered: tuple[Delivered, ...]
    failed: tuple[Failed, ...]
    deleted: tuple[Ticket, ...]
    """The tickets of which it was noticed tonight that somebody has deleted them in the queue."""
    announced: tuple[Delivered, ...]
    """What was posted on Slack; each with the channel as its place."""
    unannounced: tuple[Failed, ...]
    open_tickets: dict[Team, int]
    overdue: tuple[tuple[Ticket, tuple[Overdue, ...]], ...]
    settled: tuple[Settled, ...]
    """What was settled since the last night, so that the customer can be told."""
    unlearned: tuple[Ticket, ...]
    """What was settled of late and has no outcome yet."""
    looked: Looked = NOTHING_MORE
    uncovered: tuple[Window, ...] = ()
    """The stretches before the window that no complete run has seen."""
    late: Mapping[date, int] = field(default_factory=dict)
    """How many audit rows of a day before the window came after that day had been looked at."""
    silent: tuple[date, ...] = ()
    """The days of the window that have no audit row, while all others of late do."""
    look: Look = "night"
    put_off: Mapping[str, datetime] = field(default_factory=dict)
    """The tickets on which something waits to be said until a silence ends, and until when at least."""

    @property
    def undelivered(self) -> bool:
        return bool(self.failed or self.unannounced)

    def counted(self) -> dict[Action, int]:
        """How many tickets had each action; what is on none counts by itself."""
        each = {(one.action, one.external_id or one.fingerprint) for one in self.told}
        return dict(Counter(action for action, _ in each))


def run_night(
    ledger: Ledger,
    findings: Sequence[Found],
    coverage: Sequence[Coverage],
    policy: Policy,
    now: datetime,
    *,
    window: Window,
    helpdesk: HelpdeskDelivery[RefT, MessageT],
    slack_delivery: SlackDelivery[PayloadT] | None = None,
    looked: Looked = NOTHING_MORE,
    look: Look = "night",
    alike: Sequence[Alike] = (),
) -> NightReport:
    """Play one night, or a quick look. `findings` are the scan's own, not yet one for each cause; `now` is the scan's time.

    Without a `slack_delivery` nothing is said on Slack. `looked` is what the scan saw of the source itself, `alike` what it counted
    besides the findings: none of it is in a household of which the ledger knows anything.

    What could not be sent is in the report and stays in the ledger for the next run. A process that dies at any moment
    leaves a ledger with which the next run carries on.

    Raises:
        LedgerError: the ledger cannot be written.
        LedgerUsageError: it has seen a later night than this one.
    """
    with ledger.begin() as tx:
        latest, last = tx.latest_look(), tx.latest_night()
    if latest is not None and now < latest:
        raise LedgerUsageError(
            f"the ledger has seen {latest:%Y-%m-%d %H:%M} UTC already; run as of a later time, or, if that night was a "
            "mistake, see `hearthwatch ledger forget-after --help`"
        )
    read = _read_back(ledger, helpdesk, findings, coverage, policy, now, look)
    scan = _Scan(findings, coverage, alike, looked, look, window, now)
    kept = _kept(ledger, scan, policy, announced=slack_delivery is not None)
    tonights = {one.fingerprint: one for one in kept.findings}
    delivered, failed = deliver(ledger, helpdesk, tonights, now)
    announced, unannounced = announce(ledger, slack_delivery, policy, tonights, now) if slack_delivery else ([], [])
    with ledger.begin() as tx:
        waiting = tx.tickets(ended=False)
        settled = settled_between(tx, latest if last is None or look == "quick" else last.as_of, now, policy)
        unlearned = without_outcome(tx.tickets(), tx.outcomes(), now)
        held = dict(put_off(tx, now))
    promises = ((ticket, overdue_with_team(ticket, now)) for ticket in waiting)
    return NightReport(
        as_of=now,
        window=window,
        complete=kept.complete,
        looked=looked,
        look=look,
        uncovered=kept.uncovered,
        late=kept.late,
        silent=silent_days(_believed_days(looked), window) if look == "night" else (),
        findings=kept.findings,
        told=kept.told,
        delivered=tuple(delivered),
        failed=(*read.failed, *failed),
        deleted=read.deleted,
        announced=tuple(announced),
        unannounced=tuple(unannounced),
        open_tickets=dict(Counter(ticket.team for ticket in waiting)),
        overdue=tuple((ticket, broken) for ticket, broken in promises if broken),
        settled=tuple(settled),
        unlearned=tuple(unlearned),
        put_off=held,
    )


def _read_back(
    ledger: Ledger,
    helpdesk: HelpdeskDelivery[RefT, MessageT],
    findings: Sequence[Found],
    coverage: Sequence[Coverage],
    policy: Policy,
    now: datetime,
    look: Look,
) -> StatesRead:
    """What people did in the queue. A quick look asks for the tickets of its detectors, and for those that nobody acknowledged."""
    seen = {one.fingerprint for one in findings}
    seen |= {
        fingerprint(name, policy.environment, {"operation": INCIDENT}) for name in {one.detector for one in findings}
    }
    asked = {entry.detector for entry in coverage}

    def matters(ticket: Ticket) -> bool:
        return look == "night" or ticket.detector in asked or ladder_step(ticket, policy, now) > ticket.ladder_step

    return read_states(ledger, helpdesk, seen, now, matters)


@dataclass(frozen=True, slots=True)
class _Scan:
    """What tonight's scan found, and what it saw of the source itself."""

    findings: Sequence[Found]
    coverage: Sequence[Coverage]
    alike: Sequence[Alike]
    looked: Looked
    look: Look
    window: Window
    now: datetime

    @property
    def complete(self) -> bool:
        failed = any(entry.status == "failed" for entry in self.coverage)
        return not (self.looked.disbelieved or self.looked.unseen or failed)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What one transaction has put into the ledger."""

    complete: bool
    findings: tuple[Finding, ...]
    told: tuple[Told, ...]
    late: Mapping[date, int]
    uncovered: tuple[Window, ...]


def _kept(ledger: Ledger, scan: _Scan, policy: Policy, *, announced: bool) -> _Kept:
    looked, look, window, now = scan.looked, scan.look, scan.window, scan.now
    nightly = look == "night"
    with ledger.begin() as tx:
        late = late_rows(tx.all_nights(), tx.audit_days(), _believed_days(looked), window, policy) if nightly else {}
        # An audit table without a row has shown nothing of the window.
        reached = looked.reached or (window.start if looked.audited else None)
        night_id = tx.add_night(
            now,
            window.start,
            window.end,
            complete=scan.complete,
            reached=reached,
            seconds=looked.seconds,
            kind=look,
            server=looked.server,
        )
        if nightly:
            tx.add_volumes(night_id, looked.volumes)
            tx.add_endings(night_id, scan.coverage)
            tx.forget_snapshots(now)
        else:
            tx.drop_idle_looks(night_id)
        gaps = uncovered(tx.all_nights(), window, policy) if nightly else ()
        night = Recording(
            tx,
            scan.findings,
            scan.coverage,
            policy,
            now,
            announced=announced,
            looked=looked,
            look=look,
            alike=scan.alike,
        )
        night.play()
        _leave_bookmark(tx, night.findings, looked, now, look, complete=scan.complete)
        tx.add_decisions(night_id, night.decided)
        return _Kept(scan.complete, tuple(night.findings), tuple(night.told()), late, gaps)


def _leave_bookmark(
    tx: Transaction, findings: Sequence[Finding], looked: Looked, now: datetime, look: Look, *, complete: bool
) -> None:
    """What the next look at changes goes by. It must know all rows of an incident, of which the ledger keeps some."""
    if look == "night":
        if any(one.subject.get("operation") == INCIDENT for one in findings):
            tx.drop_bookmark()
    elif complete and looked.bookmark is None:
        tx.drop_bookmark()
    elif complete and looked.bookmark is not None:
        tx.keep_bookmark(looked.bookmark, now)


def _believed_days(looked: Looked) -> Mapping[date, int]:
    """What tonight counted of the audit table's days; nothing where it is not believed."""
    return next((one.days for one in looked.volumes if one.table == EVENTS and one.believed), {})
