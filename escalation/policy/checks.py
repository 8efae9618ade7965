"""What in a policy contradicts itself, or is never used: remarks for whoever writes one."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import pairwise

from detectors.contract import Team
from detectors.limits import Limits
from escalation.policy.policy import Policy
from escalation.policy.spans import stricter


def check(policy: Policy, detectors: Collection[str] | None = None) -> list[str]:
    """What in the policy contradicts itself or is never used, one line each; `detectors` are the ids there are."""
    return [
        *_matrix_problems(policy, detectors),
        *(problem for team in policy.teams for problem in _team_problems(policy, team)),
        *_limit_problems(policy.limits),
        *_redaction_problems(policy),
        *_mention_problems(policy),
        *(f"source.words.{remark}" for remark in policy.source.needless_words()),
    ]


def _matrix_problems(policy: Policy, detectors: Collection[str] | None) -> Iterator[str]:
    owners: dict[str, str] = {}
    for name, row in policy.matrix.items():
        if detectors is not None:
            for detector in row.detectors:
                if detector not in detectors:
                    yield f"matrix.{name}.detectors: there is no detector {detector!r}, so it is never used"
        for detector in row.detectors:
            if detector in owners:
                yield f"matrix.{name}.detectors: {detector!r} is in matrix.{owners[detector]} too; the stricter times hold"
            owners.setdefault(detector, name)
        table = next((sla for key, sla in policy.teams[row.team].sla.items() if key == row.severity), None)
        if table is None:
            continue
        for key, span, promise, own in (
            ("response", row.response, "acknowledge", table.acknowledge),
            ("resolution", row.resolution, "resolve", table.resolve),
        ):
            if own is not None and span.says != own.says and stricter(span, own) is own:
                yield (
                    f"matrix.{name}.{key}: says {span}, but teams.{row.team}.sla.{row.severity}.{promise} says {own}; "
                    f"the stricter holds, {own}"
                )


def _team_problems(policy: Policy, team: Team) -> Iterator[str]:
    rules = policy.teams[team]
    if rules.by == "email" and rules.slack:
        yield f"teams.{team}.slack: the team is told by e-mail only, so Slack is never used"
    for part, rows in (("slack", rules.slack), ("expectations", rules.expectations)):
        for priority in rows:
            if priority != "any" and priority not in rules.sla and "any" not in rules.sla:
                yield f"teams.{team}.{part}.{priority}: teams.{team}.sla has no {priority}, so it has no deadlines"
    for priority in policy.when.get(team, {}):
        if priority != "any" and priority not in rules.sla:
            yield f"when.{team}.{priority}: teams.{team}.sla has no {priority}, so nothing is promised for its rows"
    for priority, sla in rules.sla.items():
        steps = [("acknowledge", sla.acknowledge), ("investigate", sla.investigate), ("resolve", sla.resolve)]
        timed = [(name, span) for name, span in steps if span is not None and span.most is not None]
        for (earlier, one), (later, other) in pairwise(timed):
            if one.most is not None and other.most is not None and one.most > other.most:
                yield f"teams.{team}.sla.{priority}: {earlier} ({one}) ends after {later} ({other})"


def _limit_problems(limits: Limits) -> Iterator[str]:
    for what in ("creations", "removals"):
        day, three = getattr(limits, f"{what}_per_day"), getattr(limits, f"{what}_per_three_days")
        if three <= day + 1:
            yield f"limits.{what}_per_day: {day} is never used, as {what}_per_three_days ({three}) is reached first"


def _redaction_problems(policy: Policy) -> Iterator[str]:
    order = ("nothing", "personal", "ids")
    rules = policy.redaction
    for name, hides, place in (("slack", rules.slack, "Slack"), ("page", rules.page, "the page")):
        if order.index(hides) < order.index(rules.ticket):
            yield (
                f"redaction.{name}: hides less ({hides}) than redaction.ticket ({rules.ticket}), although more people read "
                f"{place}"
            )


def _mention_problems(policy: Policy) -> Iterator[str]:
    tagged = {place.mention for team in policy.teams.values() for place in team.slack.values()}
    for name in sorted(policy.mentions.keys() - tagged):
        yield f"mentions.{name}: nobody is tagged by this name, so it is never used"
