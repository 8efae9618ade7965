"""One cause is one finding for one team; many findings of one kind are one incident. The catalogue's "Causes and effects".

Nothing is lost: what a finding explains is in its `related`, what an incident groups is in its `members`, and what
nothing explains stays as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence

from detectors.contract import SEVERITY_ORDER, Finding, Impact, Member, Related, Severity, Story, fingerprint
from detectors.limits import Limits
from detectors.words import count, stamp

INCIDENT = "incident"
"""The subject's `operation` of a finding that stands for many of one detector."""
WORST_SHOWN = 10
"""How many rows of an incident its ticket's text and its evidence name; all are in `members`."""

Rule = Callable[[Finding, "Index"], "Finding | None"]


class Index:
    """The findings of one scan, by detector and by what they are about."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self._by_household: dict[tuple[str, str], list[Finding]] = defaultdict(list)
        self._by_user: dict[tuple[str, str], list[Finding]] = defaultdict(list)
        self.abandoned: dict[str, Finding] = {}
        """The grouped finding of households that everyone has left, by each household in it."""
        for finding in findings:
            for household in finding.households:
                self._by_household[finding.detector, household].append(finding)
            for user in {finding.subject.get("user_id"), *finding.users} - {None}:
                self._by_user[finding.detector, str(user)].append(finding)
            if finding.subject.get("operation") == "everyone-left":
                self.abandoned.update((household, finding) for row in finding.members for household in row.households)

    def about_household(self, detector: str, household: str) -> list[Finding]:
        """The detector's findings that are about this household alone."""
        return [one for one in self._by_household[detector, household] if household_of(one) == household]

    def about_user(self, detector: str, user: str) -> list[Finding]:
        """The detector's findings whose subject is, or whose only person is, this user."""
        return [one for one in self._by_user[detector, user] if user_of(one) == user]


def household_of(finding: Finding) -> str | None:
    """The one household that the finding is about, if it is about one."""
    named = finding.subject.get("household_id")
    return named or (finding.households[0] if len(finding.households) == 1 else None)


def user_of(finding: Finding) -> str | None:
    """The one user whom the finding is about, if it is about one."""
    named = finding.subject.get("user_id")
    return named or (finding.users[0] if len(finding.users) == 1 else None)


def _unauthorised_transfer(effect: Finding, index: Index) -> Finding | None:
    household = household_of(effect)
    if effect.detector != "transfer-failed" or household is None:
        return None
    return next(iter(index.about_household("unauthorised-transfer", household)), None)


def _failed_transfer(effect: Finding, index: Index) -> Finding | None:
    household = household_of(effect)
    if effect.detector not in ("no-leader", "multiple-leaders") or household is None:
        return None
    return next(iter(index.about_household("transfer-failed", household)), None)


def _orphan(effect: Finding, index: Index) -> Finding | None:
    household = household_of(effect)
    if effect.detector == "orphaned-household" or effect.team != "engineering" or household is None:
        return None
    orphan = next(iter(index.about_household("orphaned-household", household)), None)
    if orphan is not None:
        return orphan
    group = index.abandoned.get(household)
    # Everyone having left explains a state of that household, but must not hide a P0 behind its own P2.
    hides = effect.severity == "P0" and group is not None and group.severity != "P0"
    return None if group is None or effect.kind != "state" or hides else group


def _missing_household(effect: Finding, index: Index) -> Finding | None:
    household = household_of(effect)
    if effect.detector == "members-without-household" or effect.team != "engineering" or household is None:
        return None
    return next(iter(index.about_household("members-without-household", household)), None)


def _unapplied_approval(effect: Finding, index: Index) -> Finding | None:
    household, user = household_of(effect), user_of(effect)
    if effect.detector not in ("concurrent-conflict", "approval-not-applied") or household is None or user is None:
        return None
    theirs = [one for one in index.about_household("approval-not-applied", household) if user_of(one) == user]
    first = min(theirs, key=_by_time, default=None)
    # The requester's later requests, approved in vain as well, are effects of the first one.
    return None if first is effect else first


def _mass_creation(effect: Finding, index: Index) -> Finding | None:
    user = effect.subject.get("user_id")
    if effect.detector != "mass-removal" or user is None:
        return None
    return next(iter(index.about_user("mass-creation", user)), None)


def _by_time(finding: Finding) -> tuple[str, tuple[int, str, tuple[tuple[str, str], ...]]]:
    return (stamp(finding.occurred_at) if finding.occurred_at else "", finding.sort_key)


RULES: tuple[Rule, ...] = (
    _missing_household,
    _unauthorised_transfer,
    _failed_transfer,
    _orphan,
    _unapplied_approval,
    _mass_creation,
)
"""The first rule that names a cause decides. No rule's causes are another rule's effects in a circle."""


def explain(findings: Iterable[Finding]) -> list[Finding]:
    """`findings` without those that another one explains; they are in the `related` of that one's root cause."""
    ordered = sorted(findings, key=lambda finding: finding.sort_key)
    index = Index(ordered)
    effects: dict[str, list[Finding]] = defaultdict(list)
    roots = []
    for finding in ordered:
        root = _root(finding, index)
        if root is finding:
            roots.append(finding)
        else:
            effects[root.fingerprint].append(finding)
    return sorted((_with_effects(root, effects[root.fingerprint]) for root in roots), key=lambda one: one.sort_key)


def _root(finding: Finding, index: Index) -> Finding:
    while True:
        cause = next(filter(None, (rule(finding, index) for rule in RULES)), None)
        if cause is None:
            return finding
        finding = cause


def _with_effects(root: Finding, effects: Sequence[Finding]) -> Finding:
    if not effects:
        return root
    related = [*root.related, *(row for effect in effects for row in (effect.as_related(), *effect.related))]
    # An effect of the same team may be the more urgent part of one ticket (a creation that is Next-day, removals that
    # are Same-day); across teams the words differ and the cause's own urgency stays.
    severities = [root.severity, *(effect.severity for effect in effects if effect.team == root.team)]
    raised = worst(severities) if root.detector == "mass-creation" else root.severity
    marks = tuple(dict.fromkeys((*root.marks, *(mark for effect in effects for mark in effect.marks))))
    return root.model_copy(update={"related": tuple(related), "severity": raised, "marks": marks})


def worst(severities: Iterable[Severity]) -> Severity:
    """The most urgent of some severities (at least one)."""
    return min(severities, key=SEVERITY_ORDER.index)


def incidents(
    findings: Iterable[Finding], limits: Limits, environment: str, ongoing: Collection[str] = ()
) -> list[Finding]:
    """`findings`, with those of one detector as one incident where they are more than `limits.incident_size`.

    The detectors in `ongoing` have an incident that has not ended: theirs are grouped whatever their number, so that
    an incident shrinks to its end instead of falling apart into single findings. A group that a detector made itself
    is not grouped again.
    """
    singles: dict[str, list[Finding]] = defaultdict(list)
    kept = []
    for finding in findings:
        if finding.members or "operation" in finding.subject:
            kept.append(finding)
        else:
            singles[finding.detector].append(finding)
    for detector, rows in singles.items():
        if len(rows) > limits.incident_size or detector in ongoing:
            kept.append(_incident(detector, sorted(rows, key=lambda one: one.sort_key), limits, environment))
        else:
            kept.extend(rows)
    return sorted(kept, key=lambda finding: finding.sort_key)


def _incident(detector: str, rows: Sequence[Finding], limits: Limits, environment: str) -> Finding:
    first = rows[0]
    times = [row.occurred_at for row in rows if row.occurred_at is not None]
    began = min(times, default=None)
    impact = _impact(rows)
    shown = [_line(row) for row in rows[:WORST_SHOWN]]
    related: dict[tuple[str, str], Related] = {
        (one.detector, str(sorted(one.subject.items()))): one for row in rows for one in row.related
    }
    listed = rows[: limits.incident_members_most]
    return Finding(
        detector=detector,
        team=first.team,
        severity=worst(row.severity for row in rows),
        fingerprint=fingerprint(detector, environment, {"operation": INCIDENT}),
        subject={"operation": INCIDENT},
        households=tuple(sorted({household for row in rows for household in row.households})),
        users=tuple(sorted({user for row in rows for user in row.users})),
        title=f"Incident: {count(len(rows), 'case')} of {first.title}",
        first_seen=min((row.first_seen for row in rows if row.first_seen is not None), default=None),
        occurred_at=began,
        impact=impact,
        kind=first.kind,
        marks=tuple(dict.fromkeys(mark for row in rows for mark in row.marks)),
        evidence={
            "count": len(rows),
            "listed": len(listed),
            "first": began,
            "last": max(times, default=None),
            "worst": [{"subject": row.subject, "severity": row.severity} for row in rows[:WORST_SHOWN]],
        },
        related=tuple(related.values()),
        members=tuple(Member(subject=row.subject, households=row.households, users=row.users) for row in listed),
        story=_story(rows, shown, impact),
    )


def _impact(rows: Sequence[Finding]) -> Impact:
    """Distinct households and users: where the findings name everybody whom they affect, each id counts once."""
    households = {household for row in rows for household in row.households}
    users = {user for row in rows for user in row.users}
    affected = sum(row.impact.users for row in rows)
    named = all(row.impact.users <= len(row.users) for row in rows)
    touched = sum(row.impact.households for row in rows)
    all_listed = all(row.impact.households <= len(row.households) for row in rows)
    return Impact(
        users=min(affected, len(users)) if named else affected,
        households=min(touched, len(households)) if all_listed else touched,
    )


def _line(row: Finding) -> str:
    what = ", ".join(f"{key.removesuffix('_id')} {value}" for key, value in row.subject.items())
    return f"{what} ({stamp(row.occurred_at)})" if row.occurred_at else what


def _story(rows: Sequence[Finding], shown: Sequence[str], impact: Impact) -> Story:
    """The words of an incident, for whichever template its team's tickets have."""
    first, many = rows[0], count(len(rows), "case")
    more = len(rows) - len(shown)
    lines = (*shown, *((f"and {more:,} more, all of them in the attachment",) if more else ()))
    affected = f"{count(impact.users, 'user')} and {count(impact.households, 'household')}"
    summary = f"{many} of the same kind: {first.title}"
    return Story(
        issue=f"{summary}.",
        steps=(f"One scan found {many}; what they have in common is not known yet", *lines),
        expected=f"No such case; of the first of them: {first.story.expected or 'it is not there'}",
        actual=f"{many}; of the first of them: {first.story.actual or _line(first)}",
        impact=f"{affected} affected",
        screenshots="None; all cases are in the attachment",
        pattern=summary,
        evidence=lines,
        suspected_violation=first.story.suspected_violation,
        reporter=first.story.reporter,
        requesting=f"One investigation into the common cause of {many}, then repair of all of them"
        if first.team == "engineering"
        else f"One review of {many} together",
        fields={name: f"{summary}; for example: {text}" for name, text in first.story.fields.items()},
    )


def one_per_cause(
    findings: Iterable[Finding], limits: Limits, environment: str, ongoing: Collection[str] = ()
) -> list[Finding]:
    """`explain`, then `incidents`: what becomes tickets."""
    return incidents(explain(findings), limits, environment, ongoing)
