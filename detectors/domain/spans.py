"""How far back several rules look: what one rule alone looks at it says by itself (`looks_back`)."""

from __future__ import annotations

from datetime import date, timedelta

from detectors.contract import Context
from detectors.limits import Limits


def habit(limits: Limits) -> timedelta:
    """How long before the window what a user did is their habit."""
    return timedelta(days=max(limits.habit_lookback_days, limits.habit_days))


def days_of_a_pattern(limits: Limits) -> timedelta:
    """The days over which somebody's deeds are counted, the last one of the window among them."""
    return timedelta(days=limits.pattern_lookback_days)


def first_day_of_a_pattern(context: Context) -> date:
    """The first of these days."""
    return context.day(context.window.start) - days_of_a_pattern(context.limits) + timedelta(days=1)
