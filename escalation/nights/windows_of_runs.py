"""Which stretch of time a run looks at, and how far back it reads, by what the ledger has seen of the runs before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from detectors.contract import Window
from escalation.decide.incidents import INCIDENT
from escalation.decide.windows import covered, midnight
from escalation.errors import LedgerUsageError
from escalation.ledger.ledger import Ledger
from escalation.ledger.records import Look
from escalation.policy.policy import Policy

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


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
