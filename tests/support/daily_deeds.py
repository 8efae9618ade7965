"""Towns where one person created households or removed members on one day after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from detectors.contract import Detector
from detectors.rules.trust_safety import mass_creation, mass_removal
from tests.support.towns import DAY, MINUTE, NOON, Scanner, Town, uid


def created(town: Town, back: int, place: int, at: datetime) -> None:
    town.event("household_created", f"h{back}-{place}", "anna", at=at)


def removed(town: Town, back: int, place: int, at: datetime) -> None:
    town.event("household_member_removed", f"h{place}", "anna", at=at, member_id=f"m{back}-{place}")


@dataclass(frozen=True)
class Kind:
    detector: Detector
    does: Callable[[Town, int, int, datetime], None]
    most: int
    """In a day."""

    def town(self, *per_day: int, last: datetime = NOON) -> Town:
        """A town where anna did it so many times a day, a minute apart; the last number is the day of `last`."""
        town = Town()
        for back, number in enumerate(reversed(per_day)):
            for place in range(number):
                self.does(town, back, place, last - back * DAY + place * MINUTE)
        return town

    def severity(self, scanner: Scanner, town: Town, **options: object) -> str | None:
        found = scanner.findings(town, self.detector, **options)
        assert [finding.subject for finding in found] in ([], [{"user_id": uid("anna")}])
        return found[0].severity if found else None


CREATION, REMOVAL = Kind(mass_creation.DETECTOR, created, 10), Kind(mass_removal.DETECTOR, removed, 20)
