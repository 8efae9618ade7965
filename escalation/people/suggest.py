"""Which row of the process fits what somebody describes: plain matching of words, so that everybody can see why."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from detectors.contract import SEVERITY_ORDER, Severity, Team
from escalation.policy.policy import Policy
from escalation.policy.process import Priority
from escalation.policy.spans import Span

LEAST_LIKENESS = 0.15
"""Rows that share less than this with the description fit nothing."""
TELLING_ROWS = 8
"""A word in more rows than this (household) does not tell them apart."""
TIE = 0.8
"""A row that fits nearly as well as the best one is said beside it."""

_IDLE = (
    "a about after against an and are as at be been before by but can cannot could did do does for from had has have her "
    "his how i if in into is issue it its may my not of on one or our over she he so still that the their them there they "
    "this to us was we were what when which who will with you your"
)
_IDLE_WORDS = frozenset(_IDLE.split())
_SAME = {
    "two": "multiple",
    "three": "multiple",
    "several": "multiple",
    "many": "multiple",
    "both": "multiple",
    "twice": "duplicat",
    "double": "duplicat",
    "nobody": "no",
    "none": "no",
    "without": "no",
    "leaderless": "leader",
    "leadership": "leader",
    "owner": "leader",
    "home": "household",
    "family": "household",
    "empty": "orphan",
    "slow": "load",
    "kick": "remov",
    "bully": "harass",
    "injected": "inject",
    "journalist": "press",
    "gdpr": "deletion",
    "ccpa": "deletion",
    "erase": "deletion",
    "delete": "deletion",
    "argu": "disput",
    "quarrel": "disput",
    "fight": "disput",
    "battl": "disput",
    "divorc": "custod",
    "separ": "custod",
    "separat": "custod",
    "chargeback": "refund",
    "billing": "refund",
    "invoic": "refund",
    "pay": "refund",
    "money": "refund",
    "charg": "refund",
}
"""Words that mean what the process document calls otherwise, and that in one form."""
_OF_NO_ROW = frozenset({"refund"})
"""What the process says nothing of: with such a word only a row that fits well by the others is meant."""
FITS_ANYWAY = 0.4
_OF_SEVERAL_TEAMS = frozenset({"custod"})
"""What the process parts between teams: where it is named, all of its rows are said."""
_ENDINGS = ("ation", "ment", "ing", "ion", "ed", "al", "y", "e")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A row of the process that fits: whom it names, how urgent it is there, and what is promised.

    `severity` is None where the row leaves it open; `promises` are (what, how long) in the document's words.
    """

    row: str
    section: str
    team: Team
    severity: Severity | None
    promises: tuple[tuple[str, str], ...]
    likeness: float


@dataclass(frozen=True, slots=True)
class _Row:
    says: str
    section: str
    team: Team
    severity: Severity | None
    promises: tuple[tuple[str, str], ...]


def words_of(text: str) -> list[str]:
    """The words of a text in one form: no case, accents, punctuation or common endings; what means the same is the same."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return [_form(word) for word in re.findall(r"[^\W\d_]+", plain) if word not in _IDLE_WORDS]


def _form(word: str) -> str:
    if word in _SAME:
        return _SAME[word]
    if word.endswith("s") and not word.endswith("ss") and len(word) > 4:
        word = word.removesuffix("s")
    for ending in _ENDINGS:
        if word not in _SAME and word.endswith(ending) and len(word) - len(ending) >= 4:
            word = word.removesuffix(ending)
            break
    return _SAME.get(word, word)


def suggestions(issue: str, policy: Policy) -> list[Suggestion]:
    """The rows of the matrix and of "When to Escalate" that fit best, several where they fit alike; empty if none does.

    Rare words count more than those that stand in many rows.
    """
    rows = [*_matrix(policy), *_when(policy)]
    bags = [_terms(row.says) for row in rows]
    seen = Counter(term for bag in bags for term in bag)

    def weight(terms: frozenset[str]) -> float:
        # Terms that no row has say nothing about which row it is.
        return sum(math.log(1 + len(rows) / seen[term]) for term in terms if term in seen)

    said = _terms(issue)
    asked = weight(said)
    least = FITS_ANYWAY if said & _OF_NO_ROW else LEAST_LIKENESS
    found: list[tuple[Suggestion, frozenset[str]]] = []
    for row, bag in zip(rows, bags, strict=True):
        likeness = 2 * weight(bag & said) / ((weight(bag) + asked) or 1)
        telling = any(seen[term] <= TELLING_ROWS for term in bag & said)
        if telling and likeness >= least:
            fits = Suggestion(row.says, row.section, row.team, row.severity, row.promises, round(likeness, 6))
            found.append((fits, bag & said))
    best = max((one.likeness for one, _ in found), default=0.0)
    kept = (one for one, shared in found if one.likeness >= TIE * best or shared & _OF_SEVERAL_TEAMS)
    return sorted(kept, key=lambda one: -one.likeness)


def _terms(text: str) -> frozenset[str]:
    """The words of a text, and each pair of neighbours: who does what to whom is in their order."""
    words = words_of(text)
    return frozenset([*words, *(f"{one} {other}" for one, other in pairwise(words))])


def _matrix(policy: Policy) -> Iterator[_Row]:
    for row in policy.matrix.values():
        promises = (("Response", str(row.response)), ("Resolution", str(row.resolution)))
        table = policy.teams[row.team].sla
        severity = next((own for own in SEVERITY_ORDER if own == row.severity and own in table), None)
        yield _Row(row.issue, f"Escalation Matrix, {row.severity}", row.team, severity, promises)


def _when(policy: Policy) -> Iterator[_Row]:
    for team, priorities in policy.when.items():
        for priority, texts in priorities.items():
            for says in texts:
                yield _Row(
                    says, _section(policy, team, priority), team, _severity(priority), promises(policy, team, priority)
                )


def _section(policy: Policy, team: Team, priority: Priority) -> str:
    name = policy.teams[team].name
    return name if priority == "any" else f"{name}, {priority}"


def _severity(priority: Priority) -> Severity | None:
    return None if priority == "any" else priority


def promises(policy: Policy, team: Team, priority: Priority) -> tuple[tuple[str, str], ...]:
    """What a team's own table promises for a priority: (the column's name, how long)."""
    sla = policy.teams[team].sla.get(priority) or policy.teams[team].sla.get("any")
    if sla is None:
        return ()
    spans: tuple[Span | None, ...] = (sla.acknowledge, sla.investigate, sla.resolve, sla.communicate)
    return tuple((name, str(span)) for name, span in zip(policy.teams[team].columns, spans, strict=True) if span)
