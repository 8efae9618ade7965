"""What a ticket says to whoever has to act on one finding: what to do, how sure it is and since when, how to check it."""

from __future__ import annotations

from detectors.advice import Advice, advice_of
from detectors.contract import Finding
from detectors.registry import BY_ID
from detectors.text.wording import stamp
from escalation.policy.policy import Policy
from reports.message import FACTS, Block, Section, Table

WHAT_TO_DO = "What to do"
HOW_SURE = "How sure, and since when"
HOW_TO_CHECK = "How to check without Hearthwatch"


def advice_blocks(finding: Finding, policy: Policy, *, pseudonyms: bool) -> list[Block]:
    """The advice of the finding's detector; nothing where a person escalated it. A statement needs the ids themselves."""
    detector = BY_ID.get(finding.detector)
    if detector is None:
        return []
    advice = advice_of(detector, finding, policy.source)
    blocks: list[Block] = [
        Section(WHAT_TO_DO, advice.steps, numbered=True),
        Table(HOW_SURE, FACTS, tuple(_how_sure(finding, advice))),
    ]
    if advice.statement and not pseudonyms:
        blocks.append(Section(HOW_TO_CHECK, advice.statement, command=True, ours=True))
    return blocks


def _how_sure(finding: Finding, advice: Advice) -> list[tuple[str, str]]:
    rows = [("Step that failed", finding.story.stopped)] if finding.story.stopped else []
    return [
        *rows,
        ("How sure", advice.sure),
        ("It would be wrong if", advice.refuted_by),
        ("Since when" if finding.kind == "state" else "When", _since(finding)),
    ]


def _since(finding: Finding) -> str:
    at, observed = finding.occurred_at, finding.story.observed
    if finding.kind == "occurrence":
        if at is None:
            return "Not recorded"
        began = finding.first_seen
        return stamp(at) if began is None or began >= at else f"From {stamp(began)} to {stamp(at)}"
    told = f"Since {stamp(at)}, as the data tells" if at is not None else ""
    looked = observed or ("" if told else "Not known: a single scan cannot tell")
    return ". ".join(filter(None, (told, looked)))
