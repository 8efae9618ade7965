"""The files of a new detector: its page, rule and test, ready to be filled in."""

from __future__ import annotations

import keyword
import os
import re
from pathlib import Path
from string import Template

import click

from detectors.contract import PERSON
from detectors.registry import BY_FAMILY, BY_ID, FAMILIES

ROOT = Path(__file__).parent.parent

_DETECTOR = Template('''"""$sentence

Problem
-------
What is wrong, and whom it hurts.

Fires when
----------
Exactly what must be true of one household (or user).

Stays silent when
-----------------
Each look-alike that is no fault. Also while the household is younger than the grace period.

Evidence
--------
What the ticket shows.

What to do
----------
1. What the team that gets the ticket does first, for household {household_id} and {leader_id|its leader}.
2. If reason is too-many: what is done in that case alone.

How to check
------------
    SELECT m.household_id, count(*) AS active_members
      FROM household_members m
     WHERE m.household_id = :household_id AND m.status = 'active'
     GROUP BY m.household_id HAVING count(*) > 15
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, FromClause

from detectors.cases.timeline import timeline
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.domain.household import HouseholdCase

META = Meta(
    id="$id",
    title="$sentence",
    team="$team",
    severity="$severity",
    kind="state",
    subject=("household_id",),
    needs=frozenset({"household_members.status"}),
    sure="rows",
    refuted_by="what would show that it is wrong although the data says it",
    process="$section: the row",
)


def may_be_wrong(household: FromClause, context: Context) -> ColumnElement[bool]:
    """What the pass looks for in its one statement; wider than the rule is fine, narrower is not.

    A condition sees the pass's rows alone: docs/passes.md says which those are.
    """
    return household.c.active_members > context.limits.household_capacity


def evaluate(case: HouseholdCase, context: Context) -> Iterator[Finding]:
    """The rule itself, on the facts of one household that the pass has named."""
    if case.household is None or case.household.created_at > context.watermark:
        return
    if len(case.active) <= context.limits.household_capacity:
        return
    yield find(
        META,
        context,
        {"household_id": case.household_id},
        impact=Impact(users=len(case.active), households=1),
        households=[case.household_id],
        evidence={"active_members": len(case.active)},
        timeline=timeline(case.events),
        story=Story(
            issue="What happened, in a sentence.",
            steps=("What the user did",),
            expected="What should have happened",
            actual="What happened",
            impact="Who is affected",
            requesting="What the team is asked for",
        ),
    )


DETECTOR = Detector(META, __doc__, (Subscription("households", may_be_wrong),), evaluate)
''')

_TEST = Template('''"""$id: what must fire, what must not, and both sides of every limit."""

from __future__ import annotations

import pytest

from detectors.rules.$family.$module import DETECTOR
from tests.support.towns import Scanner, Town, uid


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben")
    return town


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


@pytest.mark.parametrize(("members", "expected"), [(15, []), (16, [{"household_id": uid("elm")}])])
def test_fires_on_exactly_the_bad_thing(
    scanner: Scanner, town: Town, members: int, expected: list[dict[str, str]]
) -> None:
    town.family("elm", *(f"person {number}" for number in range(members)))
    assert scanner.subjects(town, DETECTOR) == expected
''')


_LONGEST_ID = 60


def _shown(text: str) -> str:
    return text if len(text) <= _LONGEST_ID else text[:_LONGEST_ID] + "…"


@click.command("new")
@click.argument("name", metavar="ID")
@click.option(
    "--family",
    default="malfunctions",
    show_default=True,
    help=f"The folder below detectors/rules/ that it goes into: {', '.join(FAMILIES)}.",
)
def new_detector(name: str, family: str) -> None:
    """Make the file and the test of a new detector (CONTRIBUTING.md)."""
    if name == PERSON or keyword.iskeyword(name):
        raise click.UsageError(f"{name!r} means something else already: take more words, such as no-leader")
    if not re.fullmatch(r"[a-z]+(-[a-z]+)*", name) or len(name) > _LONGEST_ID:
        raise click.UsageError(
            f"{_shown(name)!r} is no id: write lower-case words joined by hyphens, such as no-leader"
        )
    if name in BY_ID:
        raise click.UsageError(f"there is a detector {name!r} already: `hearthwatch detectors explain {name}` shows it")
    family = family.replace("-", "_")
    if family not in FAMILIES:
        raise click.UsageError(
            f"there is no family {_shown(family)!r} below detectors/rules/, only {', '.join(FAMILIES)}"
        )
    module = name.replace("-", "_")
    example = BY_FAMILY[family][-1].meta
    words = {
        "team": example.team,
        "severity": example.severity,
        "section": example.process.partition(":")[0],
        "id": name,
        "module": module,
        "family": family,
        "sentence": name.replace("-", " ").capitalize() + " (say it in five words)",
    }
    files = {
        ROOT / "detectors" / "rules" / family / f"{module}.py": _DETECTOR,
        ROOT / "tests" / "detectors" / "rules" / family / f"test_{module}.py": _TEST,
    }
    taken = [path for path in files if path.exists()]
    if taken:
        raise click.UsageError(f"{taken[0].relative_to(ROOT)} exists already")
    for path, template in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template.substitute(words), encoding="utf-8")
        click.echo(f"made {os.path.relpath(path)}")
    click.echo("it is found by itself from now on; CONTRIBUTING.md says how to go on")
