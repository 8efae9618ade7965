"""How long before the window, or before a deed, a rule looks back: said once for the rule, its pass and its fetcher."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from detectors.contract import Context
from detectors.limits import Limits


def failed_logins_before_a_change(limits: Limits) -> timedelta:
    """How long before a change the first of the failed logins that make it suspicious may lie."""
    return timedelta(minutes=limits.failed_logins_minutes + limits.change_after_failures_minutes)


def accesses_around_a_change(limits: Limits) -> timedelta:
    """How far the first and the last access of one anomaly lie apart: a change is in the middle."""
    return timedelta(minutes=2 * limits.access_minutes)


def habits_since(context: Context) -> datetime:
    """From when on what a user did is their habit; never later than what one anomaly, or one hand-over, spans."""
    limits = context.limits
    spans = max(accesses_around_a_change(limits), timedelta(minutes=limits.transfer_after_failures_minutes))
    habit = timedelta(days=max(limits.habit_lookback_days, limits.habit_days))
    return context.window.start - max(habit, spans)


def removals_of_a_punishment(limits: Limits) -> timedelta:
    """How far the first and the last removal of one punishment lie apart."""
    return timedelta(hours=limits.punitive_removals_hours)


def objections_before_the_window(limits: Limits) -> timedelta:
    """How long before the window an objection may lie for which somebody is still punished in it."""
    return timedelta(hours=limits.punitive_hours) + removals_of_a_punishment(limits)


def adverse_actions_before_the_window(limits: Limits) -> timedelta:
    """How long before the window the first of several people's acts against one person may lie."""
    return timedelta(days=limits.harassment_days)


def first_day_of_a_pattern(context: Context) -> date:
    """The first of the days over which somebody's deeds are counted."""
    return context.day(context.window.start) - timedelta(days=context.limits.pattern_lookback_days - 1)
