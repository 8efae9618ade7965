"""One cause is one finding for one team; many findings of one kind are one incident. The catalogue's "Causes and effects".

Nothing is lost: what a finding explains is in its `related`, what an incident groups is in its `members`, and what
nothing explains stays as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from zoneinfo import ZoneInfo

from detectors.contract import SEVERITY_ORDER, Finding, Impact, Member, Related, Severity, Story, fingerprint
from detectors.findings import Alike, Distinct, Found, in_order, whole
from detectors.limits import Limits
from detectors.text.wording import count, stamp

INCIDENT = "incident"
"""The subject's `operation` of a finding that stands for many of one detector."""
WORST_SHOWN = 10
"""How many rows of an incident its ticket's text and its evidence name; more are in `members`."""

CAUSES_OF_HOUSEHOLDS = frozenset(
    {
        "approval-not-applied",
        "members-without-household",
        "orphaned-household",
        "transfer-failed",
        "unauthorised-transfer",
    }
)
ABUSE_BY_NUMBERS = frozenset({"bot-cadence", "fake-households", "mass-creation", "mass-removal", "scraping"})
"""The Trust & Safety detectors of acts so many that they also pass the app's limits."""
MAKE_HOUSEHOLDS = frozenset({"fake-households", "mass-creation"})
"""Those whose acts leave somebody a member of many households."""
Rule = Callable[[Found, "Index"], Found | None]


class Index:
    """What can be a cause among the findings of one scan, by detector and by what it is about. `limits` know what a day is."""

    def __init__(self, findings: Sequence[Found], limits: Limits) -> None:
        self.zone = ZoneInfo(limits.time_zone)
        self._by_household: dict[tuple[str, str], list[Found]] = defaultdict(list)
        self._abuse: dict[str, list[Found]] = defaultdict(list)
        self.abandoned: dict[str, Found] = {}
        """The grouped finding of households that everyone has left, by each household in it."""
        for finding in findings:
            if finding.detector in CAUSES_OF_HOUSEHOLDS:
                household = household_of(finding)
                if household is not None:
                    self._by_household[finding.detector, household].append(finding)
            if finding.detector in ABUSE_BY_NUMBERS:
                for doer in (finding.subject.get("user_id"), finding.subject.get("ip_address")):
                    if doer:
                        self._abuse[doer].append(finding)
            if finding.members and finding.subject.get("operation") == "everyone-left":
                self.abandoned.update((household, finding) for row in finding.members for household in row.households)

    def about_household(self, detector: str, household: str) -> Sequence[Found]:
        """The detector's findings that are about this household alone."""
        return self._by_household.get((detector, household), ())

    def abuse_by(self, doer: str) -> Sequence[Found]:
        """The findings of acts by numbers of this user, or from this address."""
        return self._abuse.get(doer, ())


def household_of(finding: Found) -> str | None:
    """The one household that the finding is about, if it is about one."""
    named = finding.subject.get("household_id")
    return named or (finding.households[0] if len(finding.households) == 1 else None)


def user_of(finding: Found) -> str | None:
    """The one user whom the finding is about, if it is about one."""
    named = finding.subject.get("user_id")
    return named or (finding.users[0] if len(finding.users) == 1 else None)


def _unauthorised_transfer(effect: Found, index: Index) -> Found | None:
    household = household_of(effect)
    if effect.detector != "transfer-failed" or household is None:
        return None
    return next(iter(index.about_household("unauthorised-transfer", household)), None)


def _failed_transfer(effect: Found, index: Index) -> Found | None:
    household = household_of(effect)
    if effect.detector not in ("no-leader", "multiple-leaders") or household is None:
        return None
    return next(iter(index.about_household("transfer-failed", household)), None)


def _orphan(effect: Found, index: Index) -> Found | None:
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


def _missing_household(effect: Found, index: Index) -> Found | None:
    household = household_of(effect)
    if effect.detector == "members-without-household" or effect.team != "engineering" or household is None:
        return None
    return next(iter(index.about_household("members-without-household", household)), None)


def _unapplied_approval(effect: Found, index: Index) -> Found | None:
    household, user = household_of(effect), user_of(effect)
    if effect.detector not in ("concurrent-conflict", "approval-not-applied") or household is None or user is None:
        return None
    theirs = [one for one in index.about_household("approval-not-applied", household) if user_of(one) == user]
    first = min(theirs, key=_by_time, default=None)
    # The requester's later requests, approved in vain as well, are effects of the first one.
    return None if first is effect else first


def _same_acts(effect: Found, index: Index) -> Found | None:
    """Trust & Safety's finding of the acts by which one person, or one address, passed a limit on the same days."""
    doer = _doer(effect) if effect.detector == "rate-limit-bypass" else None
    if doer is None:
        return None
    return next((one for one in index.abuse_by(doer) if _on_the_same_days(one, effect, index.zone)), None)


def _doer(bypass: Found) -> str | None:
    subject = bypass.subject
    if "user_id" in subject or "ip_address" in subject:
        return subject.get("user_id") or subject.get("ip_address")
    done = whole(bypass).evidence.get("operations", ())
    people = {str(operation.get("user_id") or "") for operation in done}
    return people.pop() or None if len(people) == 1 else None


def _on_the_same_days(abuse: Found, effect: Found, zone: ZoneInfo) -> bool:
    if abuse.occurred_at is None or effect.occurred_at is None:
        return False
    first, last, day = (
        moment.astimezone(zone).date()
        for moment in (abuse.first_seen or abuse.occurred_at, abuse.occurred_at, effect.occurred_at)
    )
    return first <= day <= last


def _made_in_masses(effect: Found, index: Index) -> Found | None:
    """Trust & Safety's finding of the creations that left their maker in many households; one of these may be their own."""
    user = effect.subject.get("user_id")
    if effect.detector != "member-of-many-households" or user is None:
        return None
    made = (one for one in index.abuse_by(user) if one.detector in MAKE_HOUSEHOLDS)
    return next((one for one in made if len(set(effect.households) - set(one.households)) <= 1), None)


def _by_time(finding: Found) -> tuple[str, tuple[int, str, tuple[tuple[str, str], ...]]]:
    return (stamp(finding.occurred_at) if finding.occurred_at else "", finding.sort_key)


RULES: tuple[Rule, ...] = (
    _missing_household,
    _unauthorised_transfer,
    _failed_transfer,
    _orphan,
    _unapplied_approval,
)
"""The first rule that names a cause decides. No rule's causes are another rule's effects in a circle."""
ONE_TEAM: tuple[Rule, ...] = (_same_acts, _made_in_masses)
"""What Engineering would be told only because of what Trust & Safety is told: the process forbids to tell both at once."""


def explain(findings: Iterable[Found], limits: Limits, *, both_teams: bool = False) -> list[Finding]:
    """`findings` without those that another one explains; they are in the `related` of that one's root cause."""
    roots, effects, _ = _roots(findings, limits, both_teams=both_teams)
    explained = (_with_effects(whole(root), effects.get(root.fingerprint, ())) for root in roots)
    return sorted(explained, key=lambda one: one.sort_key)


def _roots(
    findings: Iterable[Found], limits: Limits, alike: Iterable[Alike] = (), *, both_teams: bool = False
) -> tuple[list[Found], dict[str, list[Found]], list[Alike]]:
    """What nothing explains, in order; what it explains, by its fingerprint; and those of `alike` that nothing explains."""
    ordered = in_order(findings)
    index = Index(ordered, limits)
    rules = RULES if both_teams else (*RULES, *ONE_TEAM)
    effects: dict[str, list[Found]] = defaultdict(list)
    roots = []
    for finding in ordered:
        root = _root(finding, index, rules)
        if root is finding:
            roots.append(finding)
        else:
            effects[root.fingerprint].append(finding)
    # What explains one of them, explains all: they are alike in that, too.
    return roots, dict(effects), [one for one in alike if _root(one.like, index, rules) is one.like]


def _root(finding: Found, index: Index, rules: Sequence[Rule]) -> Found:
    while True:
        cause = next((found for rule in rules if (found := rule(finding, index))), None)
        if cause is None:
            return finding
        finding = cause


def _with_effects(root: Finding, effects: Sequence[Found]) -> Finding:
    if not effects:
        return root
    update = {
        "related": tuple(_related(root, effects)),
        "marks": _marks([root, *effects]),
    }
    return root.model_copy(update=update)


def _related(root: Found, effects: Sequence[Found]) -> Iterator[Related]:
    yield from root.related
    for effect in effects:
        yield effect.as_related()
        yield from effect.related


def _marks(findings: Iterable[Found]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(mark for one in findings for mark in one.marks))


def worst(severities: Iterable[Severity]) -> Severity:
    """The most urgent of some severities (at least one)."""
    return min(severities, key=SEVERITY_ORDER.index)


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
    told = [*made, *(_with_effects(whole(one), effects.get(one.fingerprint, ())) for one in kept)]
    return OnePerCause(sorted(told, key=lambda finding: finding.sort_key), grouped, effects)


def _incident(
    detector: str,
    found: Sequence[Found],
    effects: Effects,
    limits: Limits,
    environment: str,
    more: Sequence[Alike],
) -> Finding:
    by_urgency: dict[Severity, list[Found]] = defaultdict(list)
    for one in found:
        by_urgency[one.severity].append(one)
    urgent = worst(by_urgency)
    rows = [one for severity in sorted(by_urgency, key=SEVERITY_ORDER.index) for one in in_order(by_urgency[severity])]
    shown, listed = rows[:WORST_SHOWN], rows[: limits.incident_members_most]
    first, impact = whole(rows[0]), _impact(rows, more)
    number = len(rows) + sum(one.number for one in more)
    times = [row.occurred_at for row in rows if row.occurred_at is not None]
    began = min(times, default=None)
    explained = {
        (one.detector, str(sorted(one.subject.items()))): one
        for row in listed
        for one in _related(row, effects.get(row.fingerprint, ()))
    }
    return Finding(
        detector=detector,
        team=first.team,
        severity=urgent,
        fingerprint=fingerprint(detector, environment, {"operation": INCIDENT}),
        subject={"operation": INCIDENT},
        households=tuple(sorted({household for row in listed for household in row.households})),
        users=tuple(sorted({user for row in listed for user in row.users})),
        title=f"Incident: {count(number, 'case')} of {first.title}",
        first_seen=min((row.first_seen for row in rows if row.first_seen is not None), default=None),
        occurred_at=began,
        impact=impact,
        kind=first.kind,
        marks=_marks(part for row in rows for part in (row, *effects.get(row.fingerprint, ()))),
        evidence={
            "count": number,
            "listed": len(listed),
            "first": began,
            "last": max(times, default=None),
            "worst": [{"subject": row.subject, "severity": row.severity} for row in shown],
        },
        related=tuple(explained.values()),
        members=tuple(Member(subject=row.subject, households=row.households, users=row.users) for row in listed),
        story=_story(first, number, len(listed), [_line(row) for row in shown], impact),
    )


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
    roots, effects, unexplained = _roots(findings, limits, alike, both_teams=both_teams)
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
