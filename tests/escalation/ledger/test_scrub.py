"""What the ledger keeps of a finding holds no words that people typed."""

from __future__ import annotations

import pytest

from detectors.contract import Context, Impact, Story, find
from detectors.registry import BY_ID
from escalation.decide.observations import first_entry
from escalation.ledger.scrub import pack, unpack
from tests.support.towns import AS_OF, YESTERDAY

ADDRESSES = ("kim@localhost", "+49 171 2345678", "fe80::e231%eth0", "::1", "203.0.113.77", "jane@example.org")
TYPED = "my number is +44 7700 900123 and I am afraid"


def test_quoted_words_are_kept_neither_in_the_evidence_nor_in_the_story() -> None:
    finding = find(
        BY_ID["abuse-report"].meta,
        Context(as_of=AS_OF, window=YESTERDAY),
        {"support_id": "s1"},
        impact=Impact(users=1, households=0),
        evidence={"said": TYPED, "body": "again", "routes": {"/x/jane.doe@example.com": 2}, "category": "threat"},
        story=Story(pattern=f"A member writes against somebody, again: {TYPED}", evidence=(TYPED,)),
    )
    packed = pack(finding)
    assert "7700" not in str(packed)
    assert "jane.doe" not in str(packed)
    assert unpack(packed).evidence["category"] == "threat"
    assert unpack(packed).story.pattern == "A member writes against somebody, [not kept]: [not kept]"


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_kept_in_no_part_of_a_finding(address: str) -> None:
    finding = find(
        BY_ID["feature-gap"].meta,
        Context(as_of=AS_OF, window=YESTERDAY),
        {"feature": f"dark mode, write to {address}"},
        impact=Impact(users=5, households=0),
        evidence={"feature": f"ask {address}", "examples": [address], address: 1},
        story=Story(fields={"Feature request": f"ask {address}"}),
    )
    kept = f"{pack(finding)} {first_entry(finding, AS_OF)}"
    assert address not in kept
    assert "dark mode" in kept
