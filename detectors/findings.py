"""Findings by the hundred thousand: what comparing them needs stays at hand, their words are packed until they are told.

Of a few findings each is kept as it is. Beyond those a `Brief` stands for each: it answers what a `Finding` answers about who
and where, and `whole()` gives back the very finding that it was made of. So nothing is lost, and no ticket lacks a text.
"""

from __future__ import annotations

import pickle
import zlib
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from detectors.contract import SEVERITY_ORDER, Finding, Impact, Kind, Member, Related, Severity, SubjectKey, Team

PLAIN = 1000
"""So many findings of one detector are kept as they are."""
_PARTS = 64
BOXED = 64
"""So many findings are packed together: alike as they are, each then costs a fraction of what it costs alone."""


class Box:
    """Some whole findings; once it is full they are packed."""

    __slots__ = ("_loose", "_packed")

    def __init__(self) -> None:
        self._loose: list[Finding] = []
        self._packed = b""

    def add(self, finding: Finding) -> int:
        """The place of `finding` in this box."""
        self._loose.append(finding)
        return len(self._loose) - 1

    @property
    def full(self) -> bool:
        return len(self._loose) >= BOXED

    def close(self) -> None:
        # Level 1: more effort saves a tenth of the room and takes twice the time.
        self._packed = zlib.compress(pickle.dumps(self._loose, pickle.HIGHEST_PROTOCOL), 1)
        self._loose = []

    def take(self, place: int) -> Finding:
        held = self._loose
        if self._packed:
            # Packed by this very process, and never outside its memory.
            held = pickle.loads(zlib.decompress(self._packed))  # noqa: S301
        found: Finding = held[place]
        return found


@dataclass(frozen=True, slots=True)
class _Alike:
    """What many findings of a detector have in common."""

    detector: str
    team: Team
    severity: Severity
    title: str
    kind: Kind
    marks: tuple[str, ...]
    keys: tuple[SubjectKey, ...]


class Brief:
    """What is at hand of a finding whose words are packed away."""

    __slots__ = (
        "_affected",
        "_alike",
        "_box",
        "_fingerprint",
        "_place",
        "_touched",
        "_values",
        "first_seen",
        "households",
        "occurred_at",
        "users",
    )
    members: tuple[Member, ...] = ()
    related: tuple[Related, ...] = ()

    def __init__(self, finding: Finding, alike: _Alike, box: Box) -> None:
        self._alike, self._box = alike, box
        self._place = box.add(finding)
        self._values = tuple(finding.subject[key] for key in alike.keys)
        # Most are about one household: then its id is kept once.
        self.households = self._values if finding.households == self._values else finding.households
        self.users = finding.users
        self._affected, self._touched = finding.impact.users, finding.impact.households
        self.occurred_at, self.first_seen = finding.occurred_at, finding.first_seen
        self._fingerprint = bytes.fromhex(finding.fingerprint)

    def whole(self) -> Finding:
        return self._box.take(self._place)

    @property
    def detector(self) -> str:
        return self._alike.detector

    @property
    def team(self) -> Team:
        return self._alike.team

    @property
    def severity(self) -> Severity:
        return self._alike.severity

    @property
    def title(self) -> str:
        return self._alike.title

    @property
    def kind(self) -> Kind:
        return self._alike.kind

    @property
    def marks(self) -> tuple[str, ...]:
        return self._alike.marks

    @property
    def subject(self) -> dict[SubjectKey, str]:
        return dict(zip(self._alike.keys, self._values, strict=True))

    @property
    def impact(self) -> Impact:
        return Impact(users=self._affected, households=self._touched)

    @property
    def fingerprint(self) -> str:
        return self._fingerprint.hex()

    @property
    def sort_key(self) -> tuple[int, str, tuple[tuple[str, str], ...]]:
        return (
            SEVERITY_ORDER.index(self.severity),
            self.detector,
            tuple(zip(self._alike.keys, self._values, strict=True)),
        )

    def as_related(self) -> Related:
        return Related(detector=self.detector, subject=self.subject, households=self.households, users=self.users)


Found = Finding | Brief


def whole(found: Found) -> Finding:
    return found if isinstance(found, Finding) else found.whole()


@dataclass(slots=True)
class Keeper:
    """The findings of one detector, in the order in which they came: the first as they are, the others brief."""

    plain: int = PLAIN
    _kept: list[Found] = field(default_factory=list)
    _box: Box = field(default_factory=Box)
    _alike: dict[_Alike, _Alike] = field(default_factory=dict)

    def add(self, finding: Finding) -> None:
        self._kept.append(finding if len(self._kept) < self.plain else self.brief(finding))

    def brief(self, finding: Finding) -> Found:
        """What to keep of `finding`; a group is kept as it is, for there are few of them."""
        if finding.members or finding.related:
            return finding
        alike = _Alike(
            finding.detector,
            finding.team,
            finding.severity,
            finding.title,
            finding.kind,
            finding.marks,
            tuple(sorted(finding.subject)),
        )
        if self._box.full:
            self._box.close()
            self._box = Box()
        return Brief(finding, self._alike.setdefault(alike, alike), self._box)

    def __iter__(self) -> Iterator[Found]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)


class Distinct:
    """How many different ids there are among very many. They are kept by their hashes: the ids would be many megabytes."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        # By the last bits, so that one part at a time is made a set.
        self._parts = [array("q") for _ in range(_PARTS)]

    def add(self, ids: Iterable[str]) -> None:
        self.add_hashes(map(hash, ids))

    def add_hashes(self, hashes: Iterable[int]) -> None:
        for one in hashes:
            self._parts[one % _PARTS].append(one)

    def add_all(self, other: Distinct) -> None:
        for mine, theirs in zip(self._parts, other._parts, strict=True):
            mine.extend(theirs)

    def __len__(self) -> int:
        return sum(len(set(part)) for part in self._parts)


@dataclass(frozen=True, slots=True)
class Alike:
    """More findings of a detector that were counted instead of made (see engine/alike.py): each is about a household of its own."""

    like: Finding
    """A finding of the scan that differs from each of them only in whom it names."""
    number: int
    users: Distinct


def in_order(findings: Iterable[Found]) -> list[Found]:
    """`findings` as their `sort_key` says, without making one for each of very many at once."""
    alike: dict[tuple[int, str], list[Found]] = defaultdict(list)
    for one in findings:
        alike[SEVERITY_ORDER.index(one.severity), one.detector].append(one)
    return [one for key in sorted(alike) for one in sorted(alike[key], key=lambda each: each.sort_key[2])]
