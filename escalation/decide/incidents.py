"""Many findings of one kind are one incident; and what becomes of a scan's findings, after causes and incidents.

Nothing is lost: what an incident groups is in its `members`, or counted in its evidence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from detectors.contract import SEVERITY_ORDER, Finding, Impact, Member, Related, Severity, Story, fingerprint
from detectors.findings import Alike, Distinct, Found, in_order, whole
from detectors.limits import Limits
from detectors.text.wording import count, stamp
from escalation.decide.causes import marks_of, related_of, roots_of, with_effects

INCIDENT = "incident"
"""The subject's `operation` of a finding that stands for many of one detector."""
WORST_SHOWN = 10
"""How many rows of an incident its ticket's text and its evidence name; more are in `members`."""
Effects = Mapping[str, Sequence[Found]]
NO_EFFECTS: Effects = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class OnePerCause:
    """What becomes of a scan's findings: those that are told, and which of the others each stands for."""

    findings: list[Finding]
    grouped: Mapping[str, Sequence[Found]]
    """The rows of each incident, all of them, by its fingerprint."""
    effects: Effects
    """What a finding, or a row, explains, by its fingerprint."""

    def rows(self) -> Iterator[tuple[Found, Finding]]:
        """Each finding of the scan that is a part of another one tonight, with that one."""
        for finding in self.findings:
            for row in self.grouped.get(finding.fingerprint, ()):
                yield row, finding
                for effect in self.effects.get(row.fingerprint, ()):
                    yield effect, finding
            for effect in self.effects.get(finding.fingerprint, ()):
                yield effect, finding


def incidents(
    findings: Iterable[Finding], limits: Limits, environment: str, ongoing: Collection[str] = ()
) -> list[Finding]:
    """`findings`, with those of one detector as one incident where they are more than `limits.incident_size`.

    The detectors in `ongoing` have an incident that has not ended: theirs are grouped whatever their number, so that
    an incident shrinks to its end instead of falling apart into single findings. A group that a detector made itself
    is not grouped again.
    """
    return _grouped(list(findings), NO_EFFECTS, (), limits, environment, ongoing).findings


def _grouped(
    roots: Iterable[Found],
    effects: Effects,
    alike: Iterable[Alike],
    limits: Limits,
    environment: str,
    ongoing: Collection[str],
) -> OnePerCause:
    more: dict[str, list[Alike]] = defaultdict(list)
    for one in alike:
        more[one.like.detector].append(one)
    singles: dict[str, list[Found]] = defaultdict(list)
    kept: list[Found] = []
    for finding in roots:
        if finding.members or "operation" in finding.subject:
            kept.append(finding)
        else:
            singles[finding.detector].append(finding)
    made, grouped = [], {}
    for detector, rows in singles.items():
        if len(rows) > limits.incident_size or detector in ongoing:
            made.append(_incident(detector, rows, effects, limits, environment, more[detector]))
            grouped[made[-1].fingerprint] = rows
        else:
            kept.extend(rows)
    told = [*made, *(with_effects(whole(one), effects.get(one.fingerprint, ())) for one in kept)]
    return OnePerCause(sorted(told, key=lambda finding: finding.sort_key), grouped, effects)


def _incident(
    detector: str,
    found: Sequence[Found],
    effects: Effects,
    limits: Limits,
    environment: str,
    more: Sequence[Alike],
) -> Finding:
    rows = _urgent_first(found)
    shown, listed = rows[:WORST_SHOWN], rows[: limits.incident_members_most]
    first, impact = whole(rows[0]), _impact(rows, more)
    number = len(rows) + sum(one.number for one in more)
    times = [row.occurred_at for row in rows if row.occurred_at is not None]
    began = min(times, default=None)
    return Finding(
        detector=detector,
        team=first.team,
        severity=rows[0].severity,
        fingerprint=fingerprint(detector, environment, {"operation": INCIDENT}),
        subject={"operation": INCIDENT},
        households=tuple(sorted({household for row in listed for household in row.households})),
        users=tuple(sorted({user for row in listed for user in row.users})),
        title=f"Incident: {count(number, 'case')} of {first.title}",
        first_seen=min((row.first_seen for row in rows if row.first_seen is not None), default=None),
        occurred_at=began,
        impact=impact,
        kind=first.kind,
        marks=marks_of(part for row in rows for part in (row, *effects.get(row.fingerprint, ()))),
        evidence={
            "count": number,
            "listed": len(listed),
            "first": began,
            "last": max(times, default=None),
            "worst": [{"subject": row.subject, "severity": row.severity} for row in shown],
        },
        related=_explained_by(listed, effects),
        members=tuple(Member(subject=row.subject, households=row.households, users=row.users) for row in listed),
        story=_story(first, number, len(listed), [_line(row) for row in shown], impact),
    )


def _urgent_first(found: Sequence[Found]) -> list[Found]:
    by_urgency: dict[Severity, list[Found]] = defaultdict(list)
    for one in found:
        by_urgency[one.severity].append(one)
    return [one for severity in sorted(by_urgency, key=SEVERITY_ORDER.index) for one in in_order(by_urgency[severity])]


def _explained_by(rows: Sequence[Found], effects: Effects) -> tuple[Related, ...]:
    """What the rows explain, each once."""
    each = (one for row in rows for one in related_of(row, effects.get(row.fingerprint, ())))
    return tuple({(one.detector, str(sorted(one.subject.items()))): one for one in each}.values())


def _impact(rows: Sequence[Found], more: Sequence[Alike]) -> Impact:
    """Distinct households and users: where the findings name everybody whom they affect, each id counts once."""
    households, users = Distinct(), Distinct()
    affected = touched = 0
    named = all_listed = True
    for row in rows:
        impact = row.impact
        households.add(row.households)
        users.add(row.users)
        affected += impact.users
        touched += impact.households
        named = named and impact.users <= len(row.users)
        all_listed = all_listed and impact.households <= len(row.households)
    # Each is about a household that no other finding names, and names everybody whom it affects if its like does.
    beside = sum(one.number for one in more)
    for one in more:
        users.add_all(one.users)
        affected += one.number * one.like.impact.users
        named = named and one.like.impact.users <= len(one.like.users)
    return Impact(
        users=min(affected, len(users)) if named else affected,
        households=beside + (min(touched, len(households)) if all_listed else touched),
    )


def _line(row: Found) -> str:
    what = ", ".join(f"{key.removesuffix('_id')} {value}" for key, value in row.subject.items())
    return f"{what} ({stamp(row.occurred_at)})" if row.occurred_at else what


def _story(first: Finding, number: int, listed: int, shown: Sequence[str], impact: Impact) -> Story:
    """The words of an incident, for whichever template its team's tickets have."""
    many, more = count(number, "case"), number - len(shown)
    attached = "all of them" if listed == number else f"the first {listed:,} of all"
    lines = (*shown, *((f"and {more:,} more, {attached} in the attachment",) if more else ()))
    affected = f"{count(impact.users, 'user')} and {count(impact.households, 'household')}"
    summary = f"{many} of the same kind: {first.title}"
    return Story(
        issue=f"{summary}.",
        steps=(f"One scan found {many}; what they have in common is not known yet", *lines),
        expected=f"No such case; of the first of them: {first.story.expected or 'it is not there'}",
        actual=f"{many}; of the first of them: {first.story.actual or _line(first)}",
        impact=f"{affected} affected",
        screenshots=f"None; {'all cases' if listed == number else f'the first {listed:,} cases'} are in the attachment",
        pattern=summary,
        evidence=lines,
        suspected_violation=first.story.suspected_violation,
        reporter=first.story.reporter,
        requesting=f"One investigation into the common cause of {many}, then repair of all of them"
        if first.team == "engineering"
        else f"One review of {many} together",
        fields={name: f"{summary}; for example: {text}" for name, text in first.story.fields.items()},
    )


def told_of(
    findings: Iterable[Found],
    limits: Limits,
    environment: str,
    ongoing: Collection[str] = (),
    alike: Iterable[Alike] = (),
    *,
    both_teams: bool = False,
) -> OnePerCause:
    """`explain`, then `incidents`: what becomes tickets, and what each stands for. `alike` was counted besides.

    With `both_teams` Engineering is told by itself also of what Trust & Safety is told.
    """
    roots, effects, unexplained = roots_of(findings, limits, alike, both_teams=both_teams)
    return _grouped(roots, effects, unexplained, limits, environment, ongoing)


def one_per_cause(
    findings: Iterable[Found],
    limits: Limits,
    environment: str,
    ongoing: Collection[str] = (),
    alike: Iterable[Alike] = (),
    *,
    both_teams: bool = False,
) -> list[Finding]:
    """What becomes tickets."""
    return told_of(findings, limits, environment, ongoing, alike, both_teams=both_teams).findings
