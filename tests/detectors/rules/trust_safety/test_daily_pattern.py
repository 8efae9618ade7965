"""mass-creation and mass-removal count days alike: the policy's, those that ended in the window, and once each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from detectors.contract import Window
from detectors.limits import Limits
from tests.support.daily_deeds import CREATION, REMOVAL, Kind
from tests.support.towns import AS_OF, DAY, HOUR, MINUTE, NOON, YESTERDAY, Scanner, Town, uid

TICK = timedelta(microseconds=1)


both = pytest.mark.parametrize("kind", [CREATION, REMOVAL], ids=["creation", "removal"])


@both
def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, kind: Kind) -> None:
    assert kind.severity(scanner, kind.town(1)) is None
    assert kind.severity(scanner, Town()) is None


@pytest.mark.parametrize(
    ("kind", "per_day", "expected"),
    [
        (CREATION, (10,), None),
        (CREATION, (11,), "Next-day"),
        (CREATION, (11, 0, 0, 11), "Same-day"),
        (CREATION, (11, 0, 0, 10), None),
        (CREATION, (4, 5, 5), None),
        (CREATION, (5, 5, 5), "Same-day"),
        (CREATION, (7, 0, 7), None),
        (CREATION, (7, 0, 8), "Same-day"),
        (CREATION, (5, 5, 0, 5), None),
        (CREATION, (0, 0, 15), "Next-day"),
        (CREATION, (11, 0, 0, 0, 0, 0, 11), "Same-day"),
        (CREATION, (11, 0, 0, 0, 0, 0, 0, 11), "Next-day"),
        (REMOVAL, (20,), None),
        (REMOVAL, (21,), "Next-day"),
        (REMOVAL, (21, 0, 0, 21), "Same-day"),
        (REMOVAL, (15, 15, 14), None),
        (REMOVAL, (10, 15, 20), "Same-day"),
        (REMOVAL, (20, 20, 0, 20), None),
        (REMOVAL, (21, 0, 0, 20), None),
    ],
)
def test_days_and_three_days(scanner: Scanner, kind: Kind, per_day: tuple[int, ...], expected: str | None) -> None:
    assert kind.severity(scanner, kind.town(*per_day)) == expected


@pytest.mark.parametrize(("back", "fires"), [(0, True), (1, False), (2, False)])
@both
def test_fires_on_the_night_of_the_last_day(scanner: Scanner, kind: Kind, back: int, fires: bool) -> None:
    assert (kind.severity(scanner, kind.town(15, 15, 15, last=NOON - back * DAY)) is not None) == fires


@both
def test_the_windows_end_is_outside(scanner: Scanner, kind: Kind) -> None:
    end = YESTERDAY.end - kind.most * MINUTE
    assert kind.severity(scanner, kind.town(kind.most + 1, last=end - MINUTE)) == "Next-day"
    assert kind.severity(scanner, kind.town(kind.most + 1, last=end)) is None
    assert kind.severity(scanner, kind.town(kind.most + 1, last=YESTERDAY.end)) is None


@both
def test_days_are_the_policys(scanner: Scanner, kind: Kind) -> None:
    town = kind.town(kind.most + 1, last=YESTERDAY.start + 5 * HOUR - 5 * MINUTE)
    assert kind.severity(scanner, town) == "Next-day"
    assert kind.severity(scanner, town, limits=Limits(time_zone="America/New_York")) is None


@both
def test_silent_on_service_accounts(scanner: Scanner, kind: Kind) -> None:
    service = Limits(service_accounts=(uid("anna"),))
    assert kind.severity(scanner, kind.town(kind.most + 1), limits=service) is None


@pytest.mark.parametrize(
    ("start", "hours"),
    [(datetime(2026, 3, 28, 23, tzinfo=UTC), 23), (datetime(2026, 10, 24, 22, tzinfo=UTC), 25)],
    ids=["spring", "autumn"],
)
@both
def test_a_day_may_have_23_or_25_hours(scanner: Scanner, kind: Kind, start: datetime, hours: int) -> None:
    end = start + hours * HOUR
    berlin = {"limits": Limits(time_zone="Europe/Berlin"), "as_of": end + 3 * HOUR, "window": Window(start, end)}
    town = kind.town(kind.most + 1, last=start)
    for event, back in zip(town.household_events[1:4], (1, 2, 3), strict=True):
        event["event_timestamp"] = end - back * MINUTE
    assert kind.severity(scanner, town, **berlin) == "Next-day"
    town.household_events[0]["event_timestamp"] = start - TICK
    assert kind.severity(scanner, town, **berlin) is None
    town.household_events[0]["event_timestamp"] = end
    assert kind.severity(scanner, town, **berlin) is None


@both
def test_waits_for_the_grace_period(scanner: Scanner, kind: Kind) -> None:
    window, last = Window(AS_OF - DAY, AS_OF), AS_OF - 2 * MINUTE - kind.most * MINUTE
    assert kind.severity(scanner, kind.town(kind.most + 1, last=last), window=window) == "Next-day"
    assert kind.severity(scanner, kind.town(kind.most + 1, last=last + TICK), window=window) is None
