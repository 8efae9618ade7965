"""commercial-use: sitters with a business, and texts that advertise one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detectors.rules.trust_safety.commercial_use import DETECTOR
from tests.support.towns import AS_OF, DAY, MINUTE, Scanner, Town, uid

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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dog boarding services, $25 a night", 1),
        ("Book now: rex@example.com", 1),
        ("Book&#32;now &#64; www.best-dogs.example", 1),
        ("Clients call +1 (555) 123-4567", 1),
        ("Our rates from 20 €", 1),
        ("Dogs stay here for $25/night", 1),
        ("Dog walks, 20 EUR per hour", 1),
        ("Cats: $30-40 / night", 1),
        ("Book your walk \u260e 555\u2013123\u20134567", 1),
        ("Clients call 06.12.34.56.78", 1),
        ("Bookings: @paws_and_co", 1),
        ("D\u043eg b\u043earding s\u0435rvices, USD 25", 1),
        ("bo\u200barding servi\u00adces for 25&euro;", 1),
        ("Dog boarding services", 0),
        ("Business the cat. Vet 555-123-4567", 0),
        ("12 Kennel Lane, vet 555-123-4567", 0),
        ("Kibble, $40 a bag, on offer at the shop", 0),
        ("Food costs $3 per day", 0),
        ("One tablet per night. Vet 555-123-4567", 0),
        ("Walk 1 hour / night, vet 555-123-4567", 0),
        ("Fully insured with Petplan Ltd, 0345 071 8000", 0),
        ("Clients met from 17.05.2024 on", 0),
        ("Vet: 555-123-4567, costs $40", 0),
        ("Clients since 2024-05-17", 0),
        ("Our customers' chip 276098106123456", 0),
        ("Bookings for 30 pounds of food", 0),
        ("mail rex@example.com", 0),
    ],
)
def test_commercial_words_beside_a_price_or_contact(scanner: Scanner, text: str, expected: int) -> None:
    town = Town()
    town.family("oak", "sid", "ben")
    town.home("oak")["description"] = text
    assert scanner.subjects(town, DETECTOR) == FOUND * expected


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
