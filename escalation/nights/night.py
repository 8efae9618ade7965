"""One night: what was found is compared with what is known, decided, recorded in one transaction, and then sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from detectors.contract import Coverage, Finding, Team, Window, fingerprint
from detectors.findings import Alike, Found
from escalation.decide.clocks import Overdue, ladder_step, overdue_with_team
from escalation.decide.incidents import INCIDENT
from escalation.decide.windows import covered, late_rows, midnight, silent_days, uncovered
from escalation.deliver.helpdesk import (
    Delivered,
    Failed,
    HelpdeskDelivery,
    MessageT,
    RefT,
    deliver,
    put_off,
    read_states,
)
from escalation.deliver.messenger import PayloadT, SlackDelivery, announce
from escalation.errors import LedgerUsageError
from escalation.ledger.ledger import Ledger, Transaction
from escalation.ledger.records import Action, Look, Looked, Ticket
from escalation.ledger.volumes import EVENTS
from escalation.nights.recording import NOTHING_MORE, Recording
from escalation.nights.told import Told
from escalation.people.outcomes import Settled, settled_between, without_outcome
from escalation.policy.policy import Policy

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


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


def next_window(ledger: Ledger, as_of: datetime, policy: Policy, *, since: datetime | None = None) -> Window:
    """The window of a nightly run: the policy's day that has just closed, or from where the last complete run's source ended.

    Where that was within a day, the whole day is looked at again, as rules count by days. A missed night is made up for,
    but not more than `nights.catch_up_days` of them, unless somebody says `since` when. A run as of the same time again has
    the same window: what it says of a finding is what the run before it said, also where that was cut off.

    Raises:
        LedgerUsageError: `since` is not before the window's end.
    """
    with ledger.begin() as tx:
        last, latest = tx.last_complete_night(), tx.latest_night()
    end = midnight(as_of, policy, 0)
    if since is not None:
        if since >= end:
            raise LedgerUsageError(f"--since must be before the end of the last closed day, {end:%Y-%m-%d %H:%M} UTC")
        return Window(since, end)
    if latest is not None and latest.as_of == as_of:
        return Window(latest.window_start, latest.window_end)
    start = midnight(as_of, policy, 1)
    if last is not None:
        start = min(start, midnight(covered(last, policy).end, policy, 0))
    return Window(max(start, midnight(as_of, policy, policy.nights.catch_up_days)), end)


def quick_windows(ledger: Ledger, as_of: datetime, policy: Policy) -> tuple[Window, ...]:
    """The windows of a quick look: the policy's day so far, and the day before until a night has looked at it.

    Raises:
        LedgerUsageError: no night has been complete yet; what was there before the first one is not news of today.
    """
    with ledger.begin() as tx:
        last = tx.last_complete_night()
    if last is None:
        raise LedgerUsageError(
            "no night has been complete yet, so nothing tells what is new: let `hearthwatch run` end once, then run --quick"
        )
    today = midnight(as_of, policy, 0)
    windows = [Window(today, as_of)] if today < as_of else []
    if covered(last, policy).end < today:
        windows.append(Window(midnight(as_of, policy, 1), today))
    return tuple(windows)


def look_back_days(ledger: Ledger, as_of: datetime, policy: Policy, look: Look = "night") -> int:
    """How many days of the audit table the state rules of a run read.

    The first complete night reads the whole history, and so does one in each `nights.whole_history_every_days`: an old fault
    is still a fault. The others read `nights.look_back_days`, so that a night does not cost more as the history grows; what is
    known to be wrong is judged again whatever its age, but of an incident not every case is known by its ids, so a night
    with one reads everything. A quick look leaves the whole history to the night, but for such an incident's sake.
    """
    with ledger.begin() as tx:
        last = tx.complete_look_before(as_of)
        incident = any(
            entry.present and entry.kind == "state" and entry.subject.get("operation") == INCIDENT
            for entry in tx.entries().values()
        )
    whole = policy.limits.state_lookback_days
    period = timedelta(days=policy.nights.whole_history_every_days)
    due = last is None or (last - _EPOCH) // period != (as_of - _EPOCH) // period
    if incident or (due and look == "night"):
        return whole
    return min(whole, policy.nights.look_back_days)


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
        latest = tx.latest_look()
        last = tx.latest_night()
    if latest is not None and now < latest:
        raise LedgerUsageError(
            f"the ledger has seen {latest:%Y-%m-%d %H:%M} UTC already; run as of a later time, or, if that night was a "
            "mistake, see `hearthwatch ledger forget-after --help`"
        )
    nightly = look == "night"
    since = latest if last is None or not nightly else last.as_of
    seen = {one.fingerprint for one in findings}
    seen |= {
        fingerprint(name, policy.environment, {"operation": INCIDENT}) for name in {one.detector for one in findings}
    }
    asked = {entry.detector for entry in coverage}

    def matters(ticket: Ticket) -> bool:
        return nightly or ticket.detector in asked or ladder_step(ticket, policy, now) > ticket.ladder_step

    read = read_states(ledger, helpdesk, seen, now, matters)
    with ledger.begin() as tx:
        complete = not (looked.disbelieved or looked.unseen) and all(entry.status != "failed" for entry in coverage)
        late = late_rows(tx.all_nights(), tx.audit_days(), _believed_days(looked), window, policy) if nightly else {}
        # An audit table without a row has shown nothing of the window.
        reached = looked.reached or (window.start if looked.audited else None)
        night_id = tx.add_night(
            now,
            window.start,
            window.end,
            complete=complete,
            reached=reached,
            seconds=looked.seconds,
            kind=look,
            database=looked.database,
        )
        if nightly:
            tx.add_volumes(night_id, looked.volumes)
            tx.add_endings(night_id, coverage)
            tx.forget_snapshots(now)
        else:
            tx.drop_idle_looks(night_id)
        gaps = uncovered(tx.all_nights(), window, policy) if nightly else ()
        night = Recording(
            tx,
            findings,
            coverage,
            policy,
            now,
            announced=slack_delivery is not None,
            looked=looked,
            look=look,
            alike=alike,
        )
        night.play()
        _leave_bookmark(tx, night.findings, looked, now, look, complete=complete)
        tx.add_decisions(night_id, night.decided)
        told = tuple(night.told())
    tonights = {one.fingerprint: one for one in night.findings}
    delivered, failed = deliver(ledger, helpdesk, tonights, now)
    announced, unannounced = announce(ledger, slack_delivery, policy, tonights, now) if slack_delivery else ([], [])
    with ledger.begin() as tx:
        waiting = tx.tickets(ended=False)
        settled = settled_between(tx, since, now, policy)
        unlearned = without_outcome(tx.tickets(), tx.outcomes(), now)
        held = dict(put_off(tx, now))
    promises = ((ticket, overdue_with_team(ticket, now)) for ticket in waiting)
    return NightReport(
        as_of=now,
        window=window,
        complete=complete,
        looked=looked,
        look=look,
        uncovered=gaps,
        late=late,
        silent=silent_days(_believed_days(looked), window) if nightly else (),
        findings=tuple(night.findings),
        told=told,
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
