"""What a night did, for the person who reads the cron job's output."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from detectors.contract import SEVERITY_ORDER
from detectors.text.wording import count, listed, stamp
from escalation.ledger.records import Action, Reason
from escalation.nights.night import NightReport
from reports.closing import closing_lines
from reports.neutral import defused, visible
from reports.reach import trail_ended

_OWN_FILE = re.compile(r"(hw-[0-9a-f]{16}(?:-[0-9]+)?)\[\.\](md|json)")
"""The name of a ticket's file, which is ours and no host; .md is a country's."""
_MOST = 10
"""How many of a kind are named one by one."""
_WORDS: dict[Action, tuple[str, str]] = {
    "open": ("ticket", "made"),
    "comment": ("ticket", "commented"),
    "reopen": ("ticket", "reopened"),
    "verify": ("ticket", "verified as fixed"),
}
_QUIET: dict[Reason, str] = {
    "explained": "explained by another",
    "same-case": "on the new ticket of its case",
    "snoozed": "snoozed",
    "dismissed": "dismissed",
    "not-looked-at": "not looked at",
    "ticket-deleted": "without a ticket any more",
    "flapping": "that comes and goes",
    "happened-once": "of earlier, told then",
    "fixed-before": "known to be gone",
    "done": "known to be settled",
    "rows-gone": "known to be no longer there",
    "rows-fewer": "known to have lost rows behind them",
    "nobody-left": "known to have nobody left",
    "account-deleted": "known to have lost an account behind them",
    "trail-gone": "known to be no longer there",
}
"""Why nothing was said of a finding. Any other reason means that it is as it was."""

DELETED = "a new ticket is made if it comes back or becomes more urgent"


def summary(report: NightReport) -> str:
    """Counts of what was done, the tickets that were made tonight with their places, what is overdue and what failed."""
    return "\n".join(_lines(report)) + "\n"


def _reach(report: NightReport) -> Iterator[str]:
    """How far the source reached, where that is short of the window's end, and what no run has seen."""
    window, looked = report.window, report.looked
    ended = trail_ended(window, looked.reached, audited=looked.audited)
    if ended:
        yield ended
    elif looked.reached is not None and looked.reached < window.end:
        yield f"The source reached until {stamp(looked.reached)}; the next run goes on from there."
    if report.silent:
        yield (
            f"The audit table has no row of {listed([str(day) for day in report.silent])}, though it has many of every other day of late: "
            "was a part not delivered? Nothing that happened then could be seen."
        )
    if report.late:
        rows = [f"{number:,} of {day}" for day, number in report.late.items()]
        yield (
            f"Audit rows came after their day was looked at: {listed(rows, _MOST)}; to look at them: "
            f"hearthwatch run --since {min(report.late)}"
        )
    if report.uncovered and not (looked.audited and looked.reached is None):
        stretches = [f"{stamp(one.start)} to {stamp(one.end)}" for one in report.uncovered]
        since = report.uncovered[0].start
        yield (
            f"No run has seen {listed(stretches, _MOST)}; to look at it: hearthwatch run --since {since:%Y-%m-%dT%H:%M:%SZ}"
        )


def _done(report: NightReport) -> Iterator[str]:
    """What was done, counted; and the findings of which nothing was said, by the reason."""
    counted = report.counted()
    for action, (noun, what) in _WORDS.items():
        if counted.get(action):
            yield f"{count(counted[action], noun)} {what}"
    quiet = Counter(_QUIET.get(one.reason, "unchanged") for one in report.told if one.action == "none")
    for why, number in quiet.most_common():
        yield f"{count(number, 'finding')} {why}"


def _not_there(report: NightReport, external_id: str) -> str:
    until = report.put_off.get(external_id)
    return f"waits, as all that is on {external_id} is silenced until {stamp(until)}" if until else "not delivered yet"


def _lines(report: NightReport) -> Iterator[str]:
    yield ""
    if report.look == "night":
        yield from _reach(report)
    yield f"{'Tonight' if report.look == 'night' else 'This look'}: {', '.join(_done(report)) or 'nothing found, nothing to do'}."
    where = {one.external_id: one.url for one in report.delivered}
    for one in sorted(report.told, key=lambda one: (SEVERITY_ORDER.index(one.severity), one.detector, one.fingerprint)):
        if one.action == "none":
            continue
        place = where.get(one.external_id or "") or _not_there(report, one.external_id or "")
        yield f"  {one.action:8} {one.severity:9} {one.detector} ({one.reason}) -> {visible(place)}"
    said = {one.external_id for one in report.told if one.action != "none"}
    earlier = [sent for sent in report.delivered if sent.external_id not in said]
    for sent in earlier[:_MOST]:
        yield f"  sent now, decided earlier: {sent.kind} -> {visible(sent.url)}"
    if len(earlier) > _MOST:
        kinds = Counter(sent.kind for sent in earlier[_MOST:])
        yield f"  sent now, decided earlier: {', '.join(f'{number} more ({kind})' for kind, number in kinds.items())}"
    for ticket in report.deleted:
        yield f"  deleted in the queue: {ticket.external_id} {ticket.severity} {ticket.detector}; {DELETED}"
    open_now = ", ".join(f"{team} {number}" for team, number in sorted(report.open_tickets.items()))
    yield f"Open tickets: {open_now or 'none'}."
    late = sorted(report.overdue, key=lambda one: (SEVERITY_ORDER.index(one[0].severity), one[0].external_id))
    for ticket, broken in late[:_MOST]:
        promises = ", ".join(one.promise for one in broken)
        yield f"  overdue: {ticket.external_id} {ticket.severity} {ticket.detector} ({promises})"
    if len(late) > _MOST:
        yield f"  overdue: {len(late) - _MOST} more"
    yield from closing_lines(report.settled, report.unlearned)
    if report.announced:
        places = Counter(visible(one.url) for one in report.announced)
        posted = [f"{count(number, 'message')} in {place}" for place, number in sorted(places.items())]
        yield f"On Slack: {', '.join(posted)}."
    for failure in (*report.failed, *report.unannounced):
        why = _OWN_FILE.sub(r"\1.\2", defused(failure.error))
        yield f"  not delivered: {failure.kind} of {failure.external_id}: {why}"
