"""Which stretches of time the nights have really seen, and which nobody has seen yet. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from detectors.contract import Window
from escalation.ledger.nights import NightRow
from escalation.policy.policy import Policy

BUSY_DAYS, BUSY_ROWS = 3, 10
"""So many other days with so many audit rows each make a day without any a strange one."""


def covered(night: NightRow, policy: Policy) -> Window:
    """What a complete night has really seen: until its window's end, or where the source's rows were no longer complete."""
    end = night.window_end
    if night.reached is not None:
        end = min(end, night.reached - timedelta(hours=policy.nights.late_hours))
    return Window(night.window_start, max(end, night.window_start))


def uncovered(nights: Iterable[NightRow], window: Window, policy: Policy) -> tuple[Window, ...]:
    """The stretches before `window` and after the first night's beginning that no complete night has seen."""
    known = list(nights)
    if not known:
        return ()
    at = min(night.window_start for night in known)
    found: list[Window] = []
    for seen in sorted((covered(night, policy) for night in known if night.complete), key=lambda one: one.start):
        if seen.start > at:
            found.append(Window(at, min(seen.start, window.start)))
        at = max(at, seen.end)
    found.append(Window(at, window.start))
    return tuple(one for one in found if one.start < min(one.end, window.start))


def late_rows(
    nights: Sequence[NightRow],
    counted: Mapping[int, Mapping[date, int]],
    now: Mapping[date, int],
    window: Window,
    policy: Policy,
) -> dict[date, int]:
    """How many audit rows of a day (UTC) came after the last night that saw its end, for days before `window`.

    `counted` is what each of `nights` (by id, the oldest first) counted of a day, `now` what tonight did.
    """
    found: dict[date, int] = {}
    for day, number in sorted(now.items()):
        end = _end(day)
        if end > window.start:
            continue
        seen = [
            counted[night.id].get(day)
            for night in nights
            if night.complete and night.id in counted and (part := covered(night, policy)).start < end <= part.end
        ]
        before = seen[-1] if seen else None
        if before is not None and number > before:
            found[day] = number - before
    return found


def silent_days(counted: Mapping[date, int], window: Window) -> tuple[date, ...]:
    """The days (UTC) of `window` without an audit row, where all other days of late are busy: a part was not delivered."""
    closed = {day: number for day, number in counted.items() if _end(day) <= window.end}
    silent = tuple(day for day, number in sorted(closed.items()) if not number and _end(day) > window.start)
    others = [number for day, number in closed.items() if day not in silent]
    return silent if len(others) >= BUSY_DAYS and min(others) >= BUSY_ROWS else ()


def _end(day: date) -> datetime:
    return datetime.combine(day, time(), UTC) + timedelta(days=1)


def midnight(at: datetime, policy: Policy, days_before: int) -> datetime:
    """The moment (UTC) at which the policy's day of `at`, or one so many days before it, begins."""
    zone = ZoneInfo(policy.limits.time_zone)
    day = at.astimezone(zone).date() - timedelta(days=days_before)
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
