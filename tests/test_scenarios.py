"""The two example tickets of the process document come out of data, line by line."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from detectors.contract import Context, Window
from detectors.engine.runner import scan
from detectors.registry import DETECTORS
from detectors.source import SourceMapping, open_source
from escalation.decide.cases import case_of, order_of
from escalation.decide.incidents import one_per_cause
from escalation.deliver.case_file import CaseFile
from escalation.policy.policy import load_policy
from reports import markdown, text
from reports.case import case_ticket

SCENARIOS = sorted(
    path.parent for path in (Path(__file__).parent.parent / "fixtures" / "scenarios").glob("*/scenario.json")
)


@pytest.mark.parametrize("folder", SCENARIOS, ids=lambda folder: folder.name)
def test_the_ticket_equals_the_documents_example(folder: Path) -> None:
    scenario = json.loads((folder / "scenario.json").read_text())
    as_of = datetime.fromisoformat(scenario["as_of"])
    midnight = as_of.replace(hour=0)
    policy = load_policy()
    with open_source(str(folder), SourceMapping()) as source:
        found = scan(source, DETECTORS, Context(as_of=as_of, window=Window(midnight - timedelta(days=1), midnight)))
    findings = one_per_cause(found.findings, policy.limits, policy.environment)
    for detector, subjects in scenario["must_fire"].items():
        assert [finding.subject for finding in findings if finding.detector == detector] == subjects
    (finding,) = [finding for finding in findings if finding.detector == scenario["ticket_for"]]
    case = case_of(finding, finding.subject, finding.evidence)
    same = [one for one in findings if case_of(one, one.subject, one.evidence) == case]
    same.sort(key=lambda one: order_of(one, one.subject))
    message = case_ticket(CaseFile(tuple(same), finding.severity), policy)
    expected = (folder / "ticket.txt").read_text().strip()
    assert text.render(message).startswith(f"{expected}\n")
    assert f"\n{expected}\n" in markdown.render(message)
