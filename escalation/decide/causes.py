"""One cause is one finding for one team. The catalogue's "Causes and effects".

Nothing is lost: what a finding explains is in its `related`, and what nothing explains stays as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from zoneinfo import ZoneInfo

from detectors.contract import Finding, Related
from detectors.findings import Alike, Found, in_order, whole
from detectors.limits import Limits
from detectors.text.wording import stamp

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
    roots, effects, _ = roots_of(findings, limits, (), both_teams=both_teams)
    explained = (with_effects(whole(root), effects.get(root.fingerprint, ())) for root in roots)
    return sorted(explained, key=lambda one: one.sort_key)


def roots_of(
    findings: Iterable[Found], limits: Limits, alike: Iterable[Alike], *, both_teams: bool
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


def with_effects(root: Finding, effects: Sequence[Found]) -> Finding:
    """A finding that says what it explains."""
    if not effects:
        return root
    update = {
        "related": tuple(related_of(root, effects)),
        "marks": marks_of([root, *effects]),
    }
    return root.model_copy(update=update)


def related_of(root: Found, effects: Sequence[Found]) -> Iterator[Related]:
    """What a finding explains, and what that explains."""
    yield from root.related
    for effect in effects:
        yield effect.as_related()
        yield from effect.related


def marks_of(findings: Iterable[Found]) -> tuple[str, ...]:
    """The marks of some findings, each once."""
    return tuple(dict.fromkeys(mark for one in findings for mark in one.marks))
