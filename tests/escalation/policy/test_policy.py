"""The default policy is the process document, row by row; a user's file is merged over it or refused in one line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from detectors.contract import Severity, Team
from detectors.limits import Limits
from escalation.policy.checks import check
from escalation.policy.policy import Policy, PolicyError, load_policy
from escalation.policy.process import Priority
from escalation.policy.spans import Span, parse_span, stricter

MATRIX = """
| Data integrity (multiple leaders, orphaned households) | P0 | Engineering | 1 hour | 4-8 hours |
| Security vulnerability | P0 | Engineering + Security | 30 min | Immediate |
| Abuse/harassment reports | P1 | Trust & Safety | 2 hours | 24-48 hours |
| Leader vs. member disputes | P2 | Customer Success Manager | 4 hours | 3-5 days |
| Feature requests with urgency | P2 | Product Management | 1-2 days | Varies |
| Rate limit issues (legitimate high-volume) | P2 | Engineering | 4 hours | 1-2 days |
| Capacity increase requests | P3 | Customer Success Manager | 2 days | 3-5 days |
"""
SLA_TABLES: dict[Team, str] = {
    "engineering": """
| Priority | Acknowledgment | Investigation | Resolution | Communication |
| P0 | 30 min | 1 hour | 4-8 hours | Hourly updates |
| P1 | 2 hours | 4 hours | 1-3 days | Daily updates |
| P2 | 4 hours | 1 day | 1-2 weeks | Weekly updates |
""",
    "trust-safety": """
| Priority | Acknowledgment | Investigation | Action | Communication |
| Immediate | 1 hour | 2-4 hours | 24 hours | Daily updates |
| Same-day | 4 hours | 1 day | 2-3 days | Every 2 days |
| Next-day | 24 hours | 2-3 days | 5-7 days | Weekly updates |
""",
    "csm": """
| Priority | Acknowledgment | Review | Decision | Communication |
| Immediate | 4 hours | 1 day | 2-3 days | Daily updates |
| Next-day | 24 hours | 2-3 days | 5-7 days | Every 2-3 days |
""",
}
REVISIONS = "| 2026-02-02 | Initial version | Customer Success Team |"
FIELDS: dict[Team, list[str]] = {
    "engineering": [
        "User ID(s)",
        "Household ID(s)",
        "Timestamp",
        "Error messages",
        "Steps to reproduce",
        "Expected behavior",
        "Actual behavior",
        "Impact",
        "Screenshots",
    ],
    "trust-safety": [
        "User ID(s)",
        "Household ID(s)",
        "Pattern description",
        "Evidence",
        "Severity assessment",
        "Reporter",
        "Action taken",
    ],
    "csm": [
        "Customer value",
        "Issue summary",
        "Customer impact",
        "Requested outcome",
        "Your recommendation",
        "Urgency justification",
    ],
    "product": ["Feature request", "Use case", "Frequency", "Workaround", "Competitive comparison", "Revenue impact"],
    "legal": ["Type of legal issue", "Parties involved", "Relevant documents", "Immediate action needed"],
}
TAGS: dict[Team, str] = {
    "engineering": "[ENG-ESCALATION]",
    "trust-safety": "[T&S-ESCALATION]",
    "csm": "[CSM-ESCALATION]",
    "product": "[PM-FEEDBACK]",
    "legal": "[URGENT LEGAL MATTER]",
}
SLACK: list[tuple[Team, Severity, str, str]] = [
    ("engineering", "P0", "#incidents", "@engineering-oncall"),
    ("engineering", "P1", "#engineering-support", ""),
    ("engineering", "P2", "#engineering-support", ""),
    ("trust-safety", "Immediate", "#trust-safety", "@trust-safety-oncall"),
    ("trust-safety", "Same-day", "#trust-safety", ""),
    ("trust-safety", "Next-day", "#trust-safety", ""),
    ("csm", "Immediate", "#customer-success", "@csm-team"),
    ("csm", "Next-day", "#customer-success", ""),
    ("product", "P2", "#product-feedback", ""),
]
CONTACTS: dict[Team, str] = {
    "engineering": "Slack `@engineering-oncall` or eng-oncall@petforce.com",
    "trust-safety": "trust-safety@petforce.com or Slack `#trust-safety`",
    "csm": "Your assigned CSM or csm-team@petforce.com",
    "product": "product@petforce.com or Slack `#product-feedback`",
    "legal": "legal@petforce.com (email only, no Slack)",
}


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()]


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy()


def test_the_matrix_is_the_documents(policy: Policy) -> None:
    rows = [
        [row.issue, row.severity, row.escalate_to, str(row.response), str(row.resolution)]
        for row in policy.matrix.values()
    ]
    assert rows == cells(MATRIX)


@pytest.mark.parametrize("team", SLA_TABLES)
def test_the_sla_tables_are_the_documents(policy: Policy, team: Team) -> None:
    head, *rows = cells(SLA_TABLES[team])
    assert ["Priority", *policy.teams[team].columns] == head
    assert [
        [priority, str(sla.acknowledge), str(sla.investigate), str(sla.resolve), str(sla.communicate)]
        for priority, sla in policy.teams[team].sla.items()
    ] == rows


def test_the_revision_is_the_documents(policy: Policy) -> None:
    assert str(policy.document.last_updated) == cells(REVISIONS)[0][0]


@pytest.mark.parametrize("team", TAGS)
def test_tags_fields_and_contacts_are_the_documents(policy: Policy, team: Team) -> None:
    rules = policy.teams[team]
    assert rules.tag == TAGS[team]
    assert [field.name for field in rules.fields] == FIELDS[team]
    assert rules.contact == CONTACTS[team]
    assert rules.email in rules.contact


@pytest.mark.parametrize(("team", "severity", "channel", "mention"), SLACK)
def test_slack_places_are_the_documents(
    policy: Policy, team: Team, severity: Severity, channel: str, mention: str
) -> None:
    place = policy.slack(team, severity)
    assert place is not None
    assert (place.channel, place.mention) == (channel, mention)


@pytest.mark.parametrize("severity", ["P0", "P1", "P2", "Immediate", "Same-day", "Next-day"])
def test_legal_is_never_told_on_slack(policy: Policy, severity: Severity) -> None:
    assert policy.slack("legal", severity) is None
    assert policy.teams["legal"].by == "email"


@pytest.mark.parametrize(
    ("severity", "text"),
    [
        (
            "P0",
            "This is a critical issue. Our engineering team is investigating and you'll hear from us within 1-2 hours.",
        ),
        ("P1", "We've escalated this to our engineering team. Expect an update within 4-8 hours."),
        ("P2", "We've filed a technical report. We'll update you within 24 hours with our findings."),
    ],
)
def test_engineering_expectations_are_the_documents(policy: Policy, severity: Severity, text: str) -> None:
    assert policy.expectations("engineering", severity) == (text,)


@pytest.mark.parametrize(
    ("team", "severity", "text"),
    [
        ("trust-safety", "Immediate", "Our Trust & Safety team will review this within 2-4 hours."),
        ("trust-safety", "Same-day", "Our Trust & Safety team will review this within 1 day."),
        ("trust-safety", "Next-day", "Our Trust & Safety team will review this within 2-3 days."),
        ("csm", "Immediate", "They'll reach out within 4 hours."),
        ("csm", "Next-day", "They'll reach out within 24 hours."),
    ],
)
def test_the_time_frame_is_filled_in(policy: Policy, team: Team, severity: Severity, text: str) -> None:
    assert policy.expectations(team, severity)[0].endswith(text)


def test_trust_and_safety_actions_are_the_documents(policy: Policy) -> None:
    assert [(action.name, action.means) for action in policy.teams["trust-safety"].actions] == [
        ("Account warning", "Email warning to user"),
        ("Feature restriction", "Disable household features temporarily"),
        ("Account suspension", "Temporary ban (3-30 days)"),
        ("Account termination", "Permanent ban for severe violations"),
        ("No action", "If investigation finds no policy violation"),
    ]


def test_dos_and_donts_are_all_there(policy: Policy) -> None:
    assert (len(policy.practice.dos), len(policy.practice.donts)) == (6, 5)
    assert "Escalate the same issue to multiple teams simultaneously (unless instructed)" in policy.practice.donts


@pytest.mark.parametrize(
    ("team", "severity", "detector", "acknowledge", "resolve"),
    [
        ("engineering", "P0", "no-leader", "30 min", "4-8 hours"),
        ("engineering", "P0", "stored-markup", "30 min", "Immediate"),
        ("engineering", "P2", "orphaned-household", "4 hours", "1-2 weeks"),
        ("engineering", "P2", "legitimate-high-volume", "4 hours", "1-2 days"),
        ("engineering", "P2", "missing-index", "4 hours", "1-2 weeks"),
        ("trust-safety", "Immediate", "abuse-report", "1 hour", "24 hours"),
        ("trust-safety", "Same-day", "abuse-report", "2 hours", "24-48 hours"),
        ("trust-safety", "Same-day", "mass-creation", "4 hours", "2-3 days"),
        ("csm", "Next-day", "over-capacity", "24 hours", "3-5 days"),
        ("product", "P2", "feature-gap", "1-2 days", "Varies"),
        ("legal", "Immediate", "legal-matter", "None", "None"),
    ],
)
def test_of_two_promises_the_stricter_holds(
    policy: Policy, team: Team, severity: Severity, detector: str, acknowledge: str, resolve: str
) -> None:
    sla = policy.sla(team, severity, detector)
    assert (str(sla.acknowledge), str(sla.resolve)) == (acknowledge, resolve)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("30 min", timedelta(minutes=30), timedelta(minutes=30)),
        ("1 hour", timedelta(hours=1), timedelta(hours=1)),
        ("4-8 hours", timedelta(hours=4), timedelta(hours=8)),
        ("Every 2-3 days", timedelta(days=2), timedelta(days=3)),
        ("1-2 weeks", timedelta(weeks=1), timedelta(weeks=2)),
        ("Hourly updates", timedelta(hours=1), timedelta(hours=1)),
        ("Immediate", timedelta(0), timedelta(0)),
        ("Varies", timedelta(0), None),
    ],
)
def test_spans(text: str, least: timedelta, most: timedelta | None) -> None:
    assert parse_span(text) == Span(text, least, most)


@pytest.mark.parametrize("text", ["", "soon", "8-4 hours", "1 month", "-1 hours", 4])
def test_what_is_no_span(text: object) -> None:
    with pytest.raises(ValueError, match=r"length of time|ends before"):
        parse_span(text)


def test_the_stricter_of_two_spans() -> None:
    hour, range_of_hours, varies = parse_span("4 hours"), parse_span("1-4 hours"), parse_span("Varies")
    assert stricter(hour, range_of_hours) is range_of_hours
    assert stricter(varies, hour) is hour
    assert stricter(None, varies) is varies
    assert stricter(None, None) is None


# --- a user's file


def write(folder: Path, text: str) -> Path:
    path = folder / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_merged_over_the_default(tmp_path: Path) -> None:
    policy = load_policy(
        write(
            tmp_path,
            'environment = "staging"\n[teams.engineering.sla.P1]\nacknowledge = "1 hour"\n[limits]\nincident_size = 5\n'
            '[source]\nschema = "app"\n',
        )
    )
    engineering = policy.teams["engineering"].sla["P1"]
    assert (str(engineering.acknowledge), str(engineering.investigate)) == ("1 hour", "4 hours")
    assert (policy.environment, policy.limits.incident_size) == ("staging", 5)
    assert policy.source.schema_name == "app"
    assert policy.origin("environment") == "file"
    assert policy.origin("teams.engineering.sla.P1.acknowledge") == "file"
    assert policy.origin("teams.engineering.sla") == "file"
    assert policy.origin("teams.engineering.sla.P0.acknowledge") == "default"
    assert policy.origin("limits.incident_size") == "file"
    assert policy.origin("source.schema") == "file"
    with pytest.raises(KeyError):
        policy.origin("limits.no_such_limit")
    origins = {key: origin for key, _, origin in policy.values()}
    assert sorted(key for key, origin in origins.items() if origin == "file") == [
        "environment",
        "limits.incident_size",
        "source.schema",
        "teams.engineering.sla.P1.acknowledge",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("environment = ", "is not TOML"),
        ("enviroment = 'x'", "enviroment: unknown key"),
        ("[limits]\nincident_sise = 3", "limits.incident_sise: unknown key"),
        ("[limits]\nincident_size = 'many'", "limits.incident_size: must be a whole number"),
        ("[limits]\noff_topic_words = ['crypto', ' ']", "limits.off_topic_words: a word is empty"),
        ("[limits]\ntime_zone = 'Mars/Base'", "limits.time_zone: 'Mars/Base' is no time zone"),
        (
            "[teams.engineering.sla.P0]\nacknowledge = 'soon'",
            "teams.engineering.sla.P0.acknowledge: 'soon' is no length",
        ),
        ("[teams.engineering.slack.P9]\nchannel = '#x'", "teams.engineering.slack.P9"),
        ("[teams.cooks]\nname = 'x'", "teams.cooks"),
        ("[business_hours]\nstart = 18:00:00", "business_hours: start must be a time of day before end"),
        ("[exceptions]\nlongest_days = 181", "exceptions.longest_days: must be 180 or less"),
        ("[source.tables.pets]\nname = 'x'", "source: unknown table 'pets'"),
        (
            "[[follow_up]]\nafter = 2\nsays = 'a'\n[[follow_up]]\nafter = 1\nsays = 'b'",
            "each follow_up must come later",
        ),
        ("teams = 3", "teams: must be a table"),
        (f"a = {'[' * 100_000}{']' * 100_000}", "nested without end"),
        (f"[limits]\nincident_size = {'[' * 300}{']' * 300}", "limits.incident_size"),
        (f"[{'.'.join('a' * 20_000)}]\nx = 1", ": "),
        (f"[limits]\ntime_zone = '{'x' * 5_000_000}'", "is no time zone"),
        (f"[business_hours]\ntime_zone = '{'x/' * 2_000}'", "is no time zone"),
        (f"x = '{'y' * 11_000_000}'", "has more than 10,000,000 bytes"),
        ("[matrix.data-integrity]\nresponse = '100000000000000 hours'", "longer than a hundred years"),
        (f"[matrix.data-integrity]\nresponse = '{'9' * 5_000} weeks'", "longer than a hundred years"),
        ("[limits]\nincident_size = true", "limits.incident_size: is true or false, not a number"),
        ("[nights]\ngrowth_percent = false", "nights.growth_percent: is true or false"),
        ("[cases]\nboth_teams = 1", "cases.both_teams: must be true or false"),
        ("[cases]\nboth_teams = 'yes'", "cases.both_teams: must be true or false"),
        ("[source]\nlook_through_rows = 10_000_000_000", "source.look_through_rows: must be 1000000000 or less"),
        ("[business_hours]\nstart = 3600", "business_hours: start must be a time of day before end"),
        ("[business_hours]\nstart = 'nine'", "business_hours.start: must be a time of day such as 09:00:00"),
        ("[document]\nlast_updated = 'x'", "document.last_updated: must be a date such as 2026-01-31"),
        ("[limits]\nincident_size = inf", "limits.incident_size: must be a number"),
        ("[mentions]\nx = 'S012AB3CD'", "mentions.x: must be a mention such as @engineering-oncall"),
        ("[teams.engineering]\ntag = 'ENG'", "teams.engineering.tag: must be a tag in brackets"),
        ("[page]\naddress = 'http://intranet/pages'", "page.address: must be the https:// address of a folder"),
        ("[page]\naddress = 'https://kim:secret@intranet/'", "page.address: must be the https:// address of a folder"),
        ("[page]\naddress = 'https://intranet/?a=b'", "page.address: must be the https:// address of a folder"),
        ("[page]\naddress = 'https://intranet/<b>|x'", "page.address: must be the https:// address of a folder"),
        ("[page]\naddress = 'javascript:alert(1)'", "page.address: must be the https:// address of a folder"),
        ("[[follow_up]]\nafter = true\nsays = 'a'", "must be a number"),
        ("[limits]\ninvite_code_prefix_least = 7", "invite_code_prefix_least is above invite_code_prefix_most"),
        ("[limits]\nincident_size = 100000000000000000000", "is more than 2,147,483,647"),
        ("[nights]\nlook_back_days = 100000000000000", "nights.look_back_days"),
        ("[[follow_up]]\nafter = inf\nsays = 'a'", "must be 1000.0 or less"),
    ],
)
def test_what_cannot_hold_is_said_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert says in message
    assert "\n" not in message
    assert len(message) < 1000


def test_a_missing_file_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"nowhere\.toml: cannot be read \(No such file or directory\)"):
        load_policy(tmp_path / "nowhere.toml")


# --- check


def test_the_documents_own_contradiction_is_all_that_check_finds(policy: Policy) -> None:
    assert check(policy) == [
        "matrix.data-integrity.response: says 1 hour, but teams.engineering.sla.P0.acknowledge says 30 min; "
        "the stricter holds, 30 min"
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[matrix.disputes]\ndetectors = ['no-such']", "there is no detector 'no-such'"),
        ("[matrix.disputes]\ndetectors = ['no-leader']", "'no-leader' is in matrix.data-integrity too"),
        ("[teams.legal.slack.any]\nchannel = '#legal'", "by e-mail only, so Slack is never used"),
        ("[teams.engineering.slack.Immediate]\nchannel = '#x'", "teams.engineering.sla has no Immediate"),
        ("[when.csm]\nP0 = ['A fire']", "when.csm.P0: teams.csm.sla has no P0"),
        ("[teams.csm.sla.Immediate]\nacknowledge = '2 days'", "acknowledge (2 days) ends after investigate (1 day)"),
        ("[limits]\ncreations_per_day = 14", "limits.creations_per_day: 14 is never used"),
        ("[redaction]\nslack = 'nothing'", "redaction.slack: hides less"),
    ],
)
def test_check_finds_contradictions_and_what_is_never_used(tmp_path: Path, text: str, says: str) -> None:
    known = {detector for row in load_policy().matrix.values() for detector in row.detectors}
    problems = check(load_policy(write(tmp_path, text)), known)
    assert any(says in problem for problem in problems), problems


def test_a_limit_just_below_is_used(tmp_path: Path) -> None:
    assert len(check(load_policy(write(tmp_path, "[limits]\ncreations_per_day = 13")))) == 1


def test_every_priority_with_a_promise_has_its_place(policy: Policy) -> None:
    priorities: dict[Team, set[Priority]] = {team: set(rules.sla) for team, rules in policy.teams.items()}
    for team, rules in policy.teams.items():
        if rules.by == "ticket":
            assert set(rules.slack) == priorities[team]


def test_a_span_of_more_than_a_hundred_years_is_refused() -> None:
    Limits(commercial_sitting_days=36_500)
    with pytest.raises(ValueError, match="commercial_sitting_days is more than a hundred years"):
        Limits(commercial_sitting_days=36_501)


def test_what_a_preset_says_is_told_from_what_the_file_says(tmp_path: Path) -> None:
    own = '[source]\npreset = "petforce-2"\n[source.app]\nseveral_leaders = false\n'
    (tmp_path / "policy.toml").write_text(own, encoding="utf-8")
    origins = {key: (value, origin) for key, value, origin in load_policy(tmp_path / "policy.toml").values()}
    assert origins["source.tables.household_members.name"] == ("members", "preset")
    assert origins["source.app.leaders_by_role"] == (True, "preset")
    assert origins["source.app.several_leaders"] == (False, "file")
    assert origins["source.app.no_requests"] == (False, "default")
