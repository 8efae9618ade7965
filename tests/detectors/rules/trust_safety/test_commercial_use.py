"""commercial-use: sitters with a business, and texts that advertise one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detectors.rules.trust_safety.commercial_use import DETECTOR
from tests.support.towns import AS_OF, DAY, MINUTE, Scanner, Town, uid

pytestmark = pytest.mark.each_engine

SECOND = timedelta(seconds=1)
FOUND = [{"user_id": uid("sid")}]


def sitter(memberships: int, households: int, **columns: object) -> Town:
    town = Town()
    for place in range(households):
        town.family(f"home {place}", f"leader {place}")
    for place in range(memberships):
        row = {"is_temporary": True, "status": "removed", "at": AS_OF - (place + 1) * DAY, **columns}
        town.member(f"home {place % households}", "sid", **row)  # type: ignore[arg-type]  # columns of the row
    return town


def test_silent_on_an_empty_town(scanner: Scanner) -> None:
    assert scanner.findings(Town(), DETECTOR) == []


@pytest.mark.parametrize(
    ("memberships", "households", "expected"), [(10, 5, 1), (9, 9, 0), (10, 4, 0), (10, 10, 1), (3, 3, 0)]
)
def test_ten_memberships_across_five_households(
    scanner: Scanner, memberships: int, households: int, expected: int
) -> None:
    assert scanner.subjects(sitter(memberships, households), DETECTOR) == FOUND * expected


def test_ordinary_memberships_do_not_count(scanner: Scanner) -> None:
    assert scanner.findings(sitter(10, 10, is_temporary=False), DETECTOR) == []


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (AS_OF - 30 * DAY, 0),
        (AS_OF - 30 * DAY + SECOND, 1),
        (AS_OF - 2 * MINUTE, 1),
        (AS_OF - 2 * MINUTE + SECOND, 0),
    ],
    ids=["too old", "just in", "settled", "under way"],
)
def test_the_thirty_days_are_rolling(scanner: Scanner, at: object, expected: int) -> None:
    town = sitter(9, 9)
    town.family("last", "lea")
    town.member("last", "sid", is_temporary=True, at=at)  # type: ignore[arg-type]  # a time of the table above
    assert len(scanner.findings(town, DETECTOR)) == expected


ADVERTISED = (
    "Dog boarding services, $25 a night",
    "Book now: rex@example.com",
    "Book&#32;now &#64; www.best-dogs.example",
    "Clients call +1 (555) 123-4567",
    "Our rates from 20 €",
    "Dogs stay here for $25/night",
    "Dog walks, 20 EUR per hour",
    "Cats: $30-40 / night",
    "Book your walk \u260e 555\u2013123\u20134567",
    "Clients call 06.12.34.56.78",
    "Bookings: @paws_and_co",
    "D\u043eg b\u043earding s\u0435rvices, USD 25",
    "bo\u200barding servi\u00adces for 25&euro;",
)
ORDINARY = (
    "Dog boarding services",
    "Business the cat. Vet 555-123-4567",
    "12 Kennel Lane, vet 555-123-4567",
    "Kibble, $40 a bag, on offer at the shop",
    "Food costs $3 per day",
    "One tablet per night. Vet 555-123-4567",
    "Walk 1 hour / night, vet 555-123-4567",
    "Fully insured with Petplan Ltd, 0345 071 8000",
    "Clients met from 17.05.2024 on",
    "Vet: 555-123-4567, costs $40",
    "Clients since 2024-05-17",
    "Our customers' chip 276098106123456",
    "Bookings for 30 pounds of food",
    "mail rex@example.com",
)


def test_commercial_words_beside_a_price_or_contact(scanner: Scanner) -> None:
    town = Town()
    for text in (*ADVERTISED, *ORDINARY):
        town.family(text, f"whoever says {text}", "ben")
        town.home(text)["description"] = text
    leaders = {uid(f"whoever says {text}"): text for text in (*ADVERTISED, *ORDINARY)}
    found = sorted(leaders[one["user_id"]] for one in scanner.subjects(town, DETECTOR))
    assert found == sorted(ADVERTISED)


@pytest.mark.parametrize(
    ("name", "contact", "expected"), [("Happy Paws LLC", "555-123-4567", 1), ("Happy Paws LLC", "", 0)]
)
def test_a_companys_form_counts_in_the_name(scanner: Scanner, name: str, contact: str, expected: int) -> None:
    town = Town()
    town.family("oak", "sid", "ben")
    town.home("oak").update(name=name, description=contact)
    assert scanner.subjects(town, DETECTOR) == FOUND * expected


def test_several_sittings_in_one_household_count_each(scanner: Scanner) -> None:
    assert scanner.subjects(sitter(10, 5), DETECTOR) == FOUND
    town = sitter(10, 5)
    town.household_members[-1]["joined_at"] = AS_OF - 31 * DAY
    assert scanner.subjects(town, DETECTOR) == []


def test_both_patterns_of_one_person_are_one_finding(scanner: Scanner) -> None:
    town = sitter(10, 10)
    for name in ("oak", "elm"):
        town.household(name, "sid", description="Book now for 20 €")
    (finding,) = scanner.findings(town, DETECTOR)
    assert len(finding.households) == 12
    assert finding.evidence["temporary_memberships"] == 10
    assert finding.evidence["words"] == ["book now"]
