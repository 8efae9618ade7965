"""What a channel may not carry does not come out of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.contract import Finding, Impact, Member, Related, Story, TimelineEntry
from escalation.ledger.personal import masked, without
from escalation.policy.policy import load_policy
from escalation.policy.process import Redaction
from reports import csv_text, markdown, text
from reports.redact import pseudonym, redacted, word_scrub
from reports.ticket import ticket
from tests.reports.examples import LEFT_AT, MASS_CREATION, TRANSFER_FAILED, bare
from tests.support.effort import tries

POLICY = load_policy()
KEY = b"a key of the tests"

PERSONAL = {
    "name": "Canary Castle",
    "said": "the canary sang at noon",
    "new_user_agents": ["CanaryPhone/7"],
    "email": "canary@nest.example",
    "ip_address": "203.0.113.77",
    "networks": ["2001:db8:beef::7"],
    "texts": [{"field": "description", "quote": "canary <script>"}],
}
CANARIES = (
    "Canary Castle",
    "canary sang",
    "CanaryPhone",
    "canary@",
    "nest.example",
    "113.77",
    "beef",
    "canary <script>",
)
IDS = ("user_4711", "household_0815", "kim", "9001")


def everywhere() -> Finding:
    """A finding with personal values and ids in every place that can hold one."""
    said = f"Canary Castle wrote: the canary sang at noon (canary@nest.example, 203.0.113.77, +1 (555) 010-4477) {' '.join(IDS)}"
    return bare(
        subject={"household_id": "household_0815", "user_id": "user_4711"},
        title=f"Household of {said}",
        households=("household_0815",),
        users=("user_4711",),
        evidence={**PERSONAL, "approved_by": "kim", "rows": [{"row": "9001"}], "count": 3},
        timeline=(TimelineEntry(at=LEFT_AT, what=f"removed {said}", actor="user_4711"),),
        related=(Related(detector="no-leader", subject={"user_id": "kim"}, users=("kim",)),),
        members=tuple(Member(subject={"household_id": "household_0815"}, users=("9001",)) for _ in range(30)),
        impact=Impact(users=1, households=1),
        story=Story(
            issue=said,
            steps=(said, "CanaryPhone/7 asked from 2001:db8:beef::7"),
            actual=said,
            fields={"Issue summary": said},
            affected_users=("user_4711",),
        ),
    )


def everything_said(finding: Finding) -> str:
    """The finding's ticket in every format, its attachments, its JSON, for each team's template."""
    parts = []
    for team in ("engineering", "trust-safety", "csm", "product", "legal"):
        message = ticket(finding.model_copy(update={"team": team}), POLICY)
        parts += [text.render(message), markdown.render(message)]
        parts += [csv_text.render(attachment.table) for attachment in message.attachments]
    return "\n".join([*parts, finding.model_dump_json(), finding.story.model_dump_json()])


@pytest.mark.parametrize("hides", ["personal", "ids"])
def test_no_canary_comes_out_of_a_channel_that_hides_personal_values(hides: Redaction) -> None:
    said = everything_said(redacted(everywhere(), hides, KEY))
    assert [canary for canary in CANARIES if canary in said] == []
    assert "4477" not in said


def test_ids_stay_where_only_personal_values_are_hidden() -> None:
    said = everything_said(redacted(everywhere(), "personal", KEY))
    assert [one for one in IDS if one not in said] == []


def test_no_id_comes_out_of_a_channel_that_hides_ids() -> None:
    said = everything_said(redacted(everywhere(), "ids", KEY))
    assert [one for one in IDS if one in said] == []
    assert pseudonym("user_4711", KEY) in said


def test_nothing_is_hidden_where_the_policy_says_so() -> None:
    assert redacted(everywhere(), "nothing", b"") == everywhere()


def test_the_documents_tickets_hold_nothing_personal() -> None:
    for finding in (TRANSFER_FAILED, MASS_CREATION):
        assert everything_said(redacted(finding, "personal", KEY)) == everything_said(finding)


def test_pseudonyms_are_stable_and_keyed() -> None:
    assert pseudonym("user_1", KEY) == pseudonym("user_1", KEY)
    assert pseudonym("user_1", KEY) != pseudonym("user_2", KEY)
    assert pseudonym("user_1", KEY) != pseudonym("user_1", b"another key")
    with pytest.raises(ValueError, match="need a key"):
        redacted(everywhere(), "ids", b"")


def test_an_id_within_another_is_not_mistaken_for_it() -> None:
    finding = bare(users=("user_1", "user_12"), story=Story(issue="user_12 removed user_1, not user_123"))
    issue = redacted(finding, "ids", KEY).story.issue
    assert issue == f"{pseudonym('user_12', KEY)} removed {pseudonym('user_1', KEY)}, not user_123"


def test_what_identifies_the_ticket_stays() -> None:
    hidden = redacted(everywhere(), "ids", KEY)
    assert hidden.fingerprint == everywhere().fingerprint
    assert (hidden.detector, hidden.team, hidden.severity) == ("no-leader", "engineering", "P0")
    assert hidden.related[0].detector == "no-leader"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("kim@example.org wrote", "k***@*** wrote"),
        ("from 203.0.113.7:443, then 10.1.2.3.", "from 203.0.x.x:443, then 10.1.x.x."),
        ("from 2001:db8::7 and ::1", "from 2001:db8:x and 0:0:x"),
        ("call +49 171 2345678 or (555) 010-4477", "call (phone number) or (phone number)"),
        ("call 0171 2345678 now", "call (phone number) now"),
        ("020 7946 0958, (0171) 234 56 78, 01 23 45 67 89", "(phone number), (phone number), (phone number)"),
        ("kim@localhost, kim(at)example.org", "k***@***, k***@***"),
        ("fe80::1%eth0 and ::ffff:203.0.113.7", "fe80:0:x and 0:0:x"),
        ("C++ a :: b, 02.02.2026 14:35, 02-02-2026", "C++ a :: b, 02.02.2026 14:35, 02-02-2026"),
        ("2026-02-02 14:35:00 UTC", "2026-02-02 14:35:00 UTC"),
        ("2026-02-02T14:35:00.123456Z", "2026-02-02T14:35:00.123456Z"),
        ("3f2504e0-4f89-0123-4567-012345678901", "3f2504e0-4f89-0123-4567-012345678901"),
        ("user_12345, household 20001, @here", "user_12345, household 20001, @here"),
        ("15 households in 3 days; 1,000,000 rows in 8.25 s", "15 households in 3 days; 1,000,000 rows in 8.25 s"),
    ],
)
def test_masking(raw: str, shown: str) -> None:
    assert masked(raw) == shown
    assert (without(raw, "-") == raw) == (shown == raw), "the ledger knows an address where a ticket does"


@tries(50)
@given(st.ip_addresses().filter(lambda ip: not ip.is_unspecified), st.emails(), st.text(max_size=5))
def test_addresses_are_masked_in_any_company(ip: object, email: str, around: str) -> None:
    # Hypothesis may put a digit or a dot beside an address, which makes it another word.
    shown = masked(f"{around} {ip} {email} {around}")
    assert str(ip) not in shown or str(ip) in around
    assert email not in shown


def test_names_of_values_are_masked_like_values() -> None:
    finding = TRANSFER_FAILED.model_copy(update={"evidence": {"routes": {"/x/jane.doe@example.com": 3}}})
    assert "jane.doe" not in str(redacted(finding, "personal", b"").evidence)


def test_a_name_of_three_letters_is_hidden_wherever_it_stands() -> None:
    finding = redacted(bare(title="Left by Ann", evidence={"name": "Ann"}), "personal", b"")
    assert "Ann" not in finding.title
    assert "Ann" not in str(finding.evidence)


def test_a_word_that_somebody_typed_is_not_taken_out_of_the_middle_of_ours() -> None:
    told = bare(title="Report of harassment against user 7: “again”, again", evidence={"said": "again"})
    assert redacted(told, "personal", b"").title == "Report of harassment against user 7: “(hidden)”, (hidden)"


def test_the_longest_typed_text_is_hidden_as_a_whole_and_two_letters_are_a_word() -> None:
    told = bare(title="Ann Lee left at noon", evidence={"name": ["Ann", "Ann Lee"], "quote": "at"})
    assert redacted(told, "personal", b"").title == "(hidden) left at noon"


@pytest.mark.parametrize(
    ("evidence", "hidden"),
    [
        ({"approved_by": "kim"}, True),
        ({"approved_by": "kim lee"}, True),
        ({"row": "kim7"}, True),
        ({"row": "kim"}, False),
        ({"row": "kim 7"}, False),
    ],
)
def test_what_counts_as_an_id(evidence: dict[str, str], hidden: bool) -> None:
    (told,) = evidence.values()
    assert (told in redacted(bare(title=f"Seen: {told} here"), "ids", KEY).title) is True
    assert (told in redacted(bare(title=f"Seen: {told} here", evidence=evidence), "ids", KEY).title) is not hidden


def test_ids_that_hold_other_signs_are_renamed_longest_first() -> None:
    told = bare(title="a|b and a|b|c", users=("a|b", "a|b|c"))
    assert redacted(told, "ids", KEY).title == f"{pseudonym('a|b', KEY)} and {pseudonym('a|b|c', KEY)}"
    assert len(pseudonym("a|b", KEY)) == len("id-") + 12


def test_single_lines_are_scrubbed_like_findings() -> None:
    line = "kim wrote to jane.doe@example.com"
    assert word_scrub("nothing", b"", ["kim"])(line) == line
    assert word_scrub("personal", b"", ["kim"])(line) == masked(line) != line
    assert word_scrub("ids", KEY, ["kim"])(line) == masked(line).replace("kim", pseudonym("kim", KEY))
    with pytest.raises(ValueError, match="need a key"):
        word_scrub("ids", b"", ["kim"])
