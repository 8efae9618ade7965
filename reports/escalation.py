"""A person's escalation, for the person: which row of the process fits, what is promised, what to beware of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from detectors.contract import Finding, Team
from detectors.text.wording import stamp
from escalation.decide.clocks import deadlines
from escalation.ledger.personal import masked
from escalation.people.suggest import Suggestion
from escalation.policy.policy import Policy
from reports.neutral import defused


def suggested(found: Sequence[Suggestion], policy: Policy, commands: Mapping[Team, str]) -> str:
    """The rows that fit, the best first; `commands` are the words after `escalate` by team."""
    return "".join(f"{line}\n" for line in _suggested(found, policy, commands))


def _suggested(found: Sequence[Suggestion], policy: Policy, commands: Mapping[Team, str]) -> Iterator[str]:
    if not found:
        yield "No row of the process fits these words."
        yield f'If you are unsure, "{policy.practice.dos[0]}": CSM decides what is not covered.'
        return
    if len(found) > 1:
        yield f"{len(found)} rows fit about as well; you decide:"
    for one in found:
        yield f"{one.row}"
        yield f"  {one.section} -> {policy.teams[one.team].name}"
        if one.promises:
            yield f"  {'; '.join(f'{name}: {span}' for name, span in one.promises)}"
        severity = f" --severity {one.severity}" if one.severity else ""
        yield f"  hearthwatch escalate {commands[one.team]}{severity}"


def promised(finding: Finding, policy: Policy, now: datetime) -> str:
    """When each promise ends that filing this now makes; nobody may promise the customer more."""
    return "".join(f"{line}\n" for line in _promised(finding, policy, now))


def _promised(finding: Finding, policy: Policy, now: datetime) -> Iterator[str]:
    sla = policy.sla(finding.team, finding.severity)
    due = deadlines(now, sla, policy.business_hours)
    columns = policy.teams[finding.team].columns
    spans = (sla.acknowledge, sla.investigate, sla.resolve)
    ends = (due.acknowledge, due.investigate, due.resolve)
    times = [
        f"  {column}: {span}, by {stamp(end)}"
        for column, span, end in zip(columns, spans, ends, strict=False)
        if span is not None and end is not None
    ]
    if sla.communicate:
        times.append(f"  {columns[3]}: {sla.communicate}")
    yield "Promised; tell the customer no shorter times, and no details of the escalation:"
    yield from times or ["  no times"]


def warned(cautions: Iterable[str]) -> str:
    """Each caution on a line of its own."""
    return "".join(f"warning: {defused(one)}\n" for one in cautions)


def holds_personal(words: Iterable[str]) -> bool:
    """Whether an e-mail or IP address or a telephone number stands in the words."""
    return any(masked(one) != one for one in words)
