"""What the ledger keeps of a finding holds no words that people typed."""

from __future__ import annotations

from detectors.contract import Context, Impact, Story, find
from detectors.registry import BY_ID
from escalation.scrub import pack, unpack
from tests.support.towns import AS_OF, YESTERDAY

TYPED = "my number is +44 7700 900123 and I am afraid"


def test_quoted_words_are_kept_neither_in_the_evidence_nor_in_the_story() -> None:
    finding = find(
        BY_ID["abuse-report"].meta,
        Context(as_of=AS_OF, window=YESTERDAY),
        {"support_id": "s1"},
        impact=Impact(users=1, households=0),
        evidence={"said": TYPED, "routes": {"/x/jane.doe@example.com": 2}, "category": "threat"},
        story=Story(pattern=f"A member writes: {TYPED}", evidence=(TYPED,)),
    )
    packed = pack(finding)
    assert "7700" not in str(packed)
    assert "jane.doe" not in str(packed)
    assert unpack(packed).evidence["category"] == "threat"
