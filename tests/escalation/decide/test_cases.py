"""Whom a Trust & Safety finding tells of is found where its detector really writes it."""

from __future__ import annotations

from pathlib import Path

from detectors.registry import BY_ID, DETECTORS
from escalation.decide.cases import actor_of
from tests.support.every_case import findings_of, whole_town

NOBODYS = frozenset({"coordinated-harassment", "off-topic-use", "competitor-use"})
"""Detectors of what somebody suffered, and of texts, whose writer nobody knows."""


def test_every_trust_and_safety_finding_names_its_actor_but_those_of_nobody(tmp_path: Path) -> None:
    found = {
        name: finding
        for name, finding in findings_of(tmp_path, whole_town()).items()
        if BY_ID[name].meta.team == "trust-safety"
    }
    assert found.keys() == {detector.id for detector in DETECTORS if detector.meta.team == "trust-safety"}
    actors = {name: actor_of(one, one.subject, one.evidence) for name, one in found.items()}
    assert {name for name, actor in actors.items() if actor is None} == NOBODYS
    assert {name for name, actor in actors.items() if actor and actor not in found[name].users} == set()
