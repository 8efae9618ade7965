"""When something is due: promises counted from a ticket's beginning, on the absolute or the business clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from escalation.ledger.records import Ticket
from escalation.policy.policy import Policy
from escalation.policy.process import BusinessHours, Sla
from escalation.policy.spans import Span

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
Promise = Literal["acknowledge", "investigate", "resolve"]


@dataclass(frozen=True, slots=True)
class Deadlines:
    """When each promise is broken if it has not been kept by then (UTC); None where nothing is promised."""

    acknowledge: datetime | None
    investigate: datetime | None
    resolve: datetime | None


@dataclass(frozen=True, slots=True)
class Overdue:
    """A promise of a ticket that has been broken, and since when."""

    promise: Promise
    since: datetime


def deadlines(began: datetime, sla: Sla, hours: BusinessHours) -> Deadlines:
    """The deadlines of a ticket whose clock began at `began`. A range is missed at its upper end."""
    return Deadlines(
        acknowledge=_due(began, sla.acknowledge, sla, hours),
        investigate=_due(began, sla.investigate, sla, hours),
        resolve=_due(began, sla.resolve, sla, hours),
    )


def sooner(one: Deadlines, other: Deadlines) -> Deadlines:
    """Of each deadline the sooner one: a ticket that became more urgent keeps what it had promised already."""
    return Deadlines(
        *(
            min((moment for moment in pair if moment is not None), default=None)
            for pair in (
                (one.acknowledge, other.acknowledge),
                (one.investigate, other.investigate),
                (one.resolve, other.resolve),
            )
        )
    )


def restarted(ticket: Ticket, policy: Policy, now: datetime) -> Ticket:
    """The ticket with its clock begun at `now`: nobody is late for what had not reached them."""
    if ticket.clock_began_at >= now:
        return ticket
    due = deadlines(now, policy.sla(ticket.team, ticket.severity, ticket.detector), policy.business_hours)
    return replace(
        ticket,
        clock_began_at=now,
        acknowledge_due=due.acknowledge,
        investigate_due=due.investigate,
        resolve_due=due.resolve,
    )


def next_update(ticket: Ticket, policy: Policy, now: datetime) -> datetime | None:
    """When the customer is to hear from us next, after `now`; None where nothing is promised or the ticket has ended."""
    sla = policy.sla(ticket.team, ticket.severity, ticket.detector)
    if sla.communicate is None or not sla.communicate.most or ticket.ended:
        return None
    moment = ticket.clock_began_at
    if sla.clock == "absolute":
        passed = max(0, (now - moment) // sla.communicate.most)
        return moment + (passed + 1) * sla.communicate.most
    while moment <= now:
        moment = after(moment, sla.communicate.most, policy.business_hours)
    return moment


def overdue(ticket: Ticket, now: datetime) -> tuple[Overdue, ...]:
    """The promises that are broken at `now`; exactly at its deadline a promise still holds.

    A queue does not say when an investigation began, so that promise counts as kept once the ticket is acknowledged.
    """
    if ticket.ended or ticket.status == "resolved":
        return ()
    waiting = ticket.acknowledged_at is None
    checked: tuple[tuple[Promise, datetime | None, bool], ...] = (
        ("acknowledge", ticket.acknowledge_due, waiting),
        ("investigate", ticket.investigate_due, waiting),
        ("resolve", ticket.resolve_due, True),
    )
    return tuple(Overdue(promise, due) for promise, due, still in checked if still and due is not None and now > due)


def overdue_with_team(ticket: Ticket, now: datetime) -> tuple[Overdue, ...]:
    """The promises that the team has broken: while no queue has confirmed a ticket, its team knows nothing of it."""
    return () if ticket.ref_id is None else overdue(ticket, now)


def due_next(ticket: Ticket, policy: Policy, now: datetime) -> tuple[str, datetime] | None:
    """What is due next on a ticket, and when; the names are the promises' and `communicate`."""
    if ticket.ended or ticket.status == "resolved":
        return None
    waiting = ticket.acknowledged_at is None
    moments = [
        ("acknowledge", ticket.acknowledge_due if waiting else None),
        ("investigate", ticket.investigate_due if waiting else None),
        ("resolve", ticket.resolve_due),
        ("communicate", next_update(ticket, policy, now)),
    ]
    ahead = [(name, moment) for name, moment in moments if moment is not None and moment >= now]
    return min(ahead, key=lambda pair: pair[1], default=None)


def ladder_step(ticket: Ticket, policy: Policy, now: datetime) -> int:
    """How many steps of the follow-up ladder a ticket has reached: 0 while it is in time or once it is acknowledged."""
    if ticket.acknowledged_at is not None or ticket.status != "open" or ticket.acknowledge_due is None:
        return 0
    sla = policy.sla(ticket.team, ticket.severity, ticket.detector)
    if sla.acknowledge is None or sla.acknowledge.most is None:
        return 0
    reached = 0
    for step in policy.follow_up:
        # From the deadline on, since what became more urgent may have been given its own later than its beginning.
        more = sla.acknowledge.most * (step.after - 1)
        moment = (
            ticket.acknowledge_due + more
            if sla.clock == "absolute"
            else after(ticket.acknowledge_due, more, policy.business_hours)
        )
        reached += now > moment
    return reached


def _due(began: datetime, span: Span | None, sla: Sla, hours: BusinessHours) -> datetime | None:
    if span is None or span.most is None:
        return None
    return began + span.most if sla.clock == "absolute" else after(began, span.most, hours)


def after(began: datetime, allowed: timedelta, hours: BusinessHours) -> datetime:
    """The moment (UTC) at which `allowed` has passed on the business clock.

    Whole days are business days, but never more of them than a week has; weeks are the business days of a week; the rest runs
    within the opening hours.
    """
    moment = _opening(began.astimezone(ZoneInfo(hours.time_zone)), hours)
    (weeks, days), in_a_week = divmod(allowed.days, 7), len(set(hours.days))
    for _ in range(weeks * in_a_week + min(days, in_a_week)):
        same_time = _opening(_next_morning(moment, hours), hours).replace(
            hour=moment.hour, minute=moment.minute, second=moment.second, microsecond=moment.microsecond
        )
        moment = _real(same_time)
    rest = allowed - timedelta(days=allowed.days)
    while True:
        # Time that passes is counted in UTC: a wall clock leaves an hour out in spring and has one twice in autumn.
        closing = datetime.combine(moment.date(), hours.end, moment.tzinfo)
        left = closing.astimezone(UTC) - moment.astimezone(UTC)
        if rest <= left:
            return moment.astimezone(UTC) + rest
        rest -= left
        moment = _opening(_next_morning(moment, hours), hours)


def _opening(moment: datetime, hours: BusinessHours) -> datetime:
    """`moment` if it is within business hours, else when they begin next."""
    while True:
        opens, closes = (_real(datetime.combine(moment.date(), at, moment.tzinfo)) for at in (hours.start, hours.end))
        if _WEEKDAYS[moment.weekday()] in hours.days and moment < closes:
            return max(moment, opens)
        moment = _next_morning(moment, hours)


def _next_morning(moment: datetime, hours: BusinessHours) -> datetime:
    return _real(datetime.combine(moment.date() + timedelta(days=1), hours.start, moment.tzinfo))


def _real(moment: datetime) -> datetime:
    """`moment`, or where the clock jumps over it in spring the moment that is meant: as long after the jump."""
    return moment.astimezone(UTC).astimezone(moment.tzinfo)
