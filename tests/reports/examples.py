"""Hand-made findings whose tickets are the two examples of the process document."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from detectors.contract import (
    Coverage,
    Finding,
    Impact,
    Member,
    Related,
    ScanDocument,
    ScanInfo,
    Story,
    TimelineEntry,
    WindowInfo,
)

LEFT_AT = datetime(2026, 2, 2, 14, 35, tzinfo=UTC)

TRANSFER_FAILED = Finding(
    detector="transfer-failed",
    team="engineering",
    severity="P0",
    fingerprint="7c9e" * 8,
    subject={"household_id": "household_67890"},
    households=("household_67890",),
    users=("user_12345",),
    title="Household Leadership Transfer Failure",
    first_seen=LEFT_AT,
    occurred_at=LEFT_AT,
    impact=Impact(users=4, households=1),
    kind="state",
    evidence={
        "failure": "no-transfer",
        "step_reached": 4,
        "leader_id": None,
        "active_leaders": [],
        "longest_standing_member": "user_2",
        "stuck_members": ["user_2", "user_3", "user_4", "user_5"],
    },
    timeline=(
        TimelineEntry(
            at=LEFT_AT - timedelta(seconds=3),
            what="started to leave, without a designated successor",
            actor="user_12345",
        ),
        TimelineEntry(at=LEFT_AT, what="left the household as its leader", actor="user_12345"),
    ),
    related=(
        Related(detector="no-leader", subject={"household_id": "household_67890"}, households=("household_67890",)),
    ),
    story=Story(
        issue="User left household but leadership did not transfer. Household now has no leader.",
        steps=(
            "User was household leader",
            'User clicked "Leave Household"',
            "Did not designate successor",
            "System should have auto-promoted longest-standing member",
            "Leadership transfer did not occur",
        ),
        expected="Longest-standing member becomes leader",
        actual="Household has no leader (leader_id is null)",
        impact="4 members cannot manage household settings",
        error_messages="None (operation completed successfully)",
        screenshots="Attached (household member list showing no leader badge)",
        requesting="Emergency fix to assign leader and investigation into why auto-promotion failed",
        affected_users=("user_12345",),
        decides={"heir": "longest-standing"},
    ),
)

ENGINEERING_EXAMPLE = """\
[ENG-ESCALATION] Household Leadership Transfer Failure

User ID: user_12345
Household ID: household_67890
Timestamp: 2026-02-02 14:35:00 UTC
Severity: P0

Issue: User left household but leadership did not transfer. Household now has no leader.

Steps to Reproduce:
1. User was household leader
2. User clicked "Leave Household"
3. Did not designate successor
4. System should have auto-promoted longest-standing member
5. Leadership transfer did not occur

Expected: Longest-standing member becomes leader
Actual: Household has no leader (leader_id is null)

Impact: 4 members cannot manage household settings

Error Messages: None (operation completed successfully)

Screenshots: Attached (household member list showing no leader badge)

Requesting: Emergency fix to assign leader and investigation into why auto-promotion failed
"""

MASS_CREATION = Finding(
    detector="mass-creation",
    team="trust-safety",
    severity="Same-day",
    fingerprint="51d0" * 8,
    subject={"user_id": "user_98765"},
    households=("household_11111", *(f"household_{number}" for number in range(20_001, 20_016))),
    users=("user_98765",),
    title="Suspected Household Abuse Pattern",
    first_seen=datetime(2026, 1, 31, 9, tzinfo=UTC),
    occurred_at=datetime(2026, 2, 2, 18, tzinfo=UTC),
    impact=Impact(users=45, households=16),
    kind="occurrence",
    evidence={
        "days": [
            {"day": "2026-02-02", "households_created": 5, "members_removed": 20},
            {"day": "2026-02-01", "households_created": 5, "members_removed": 15},
            {"day": "2026-01-31", "households_created": 5, "members_removed": 10},
        ],
        "households_created": 15,
        "members_removed": 45,
    },
    story=Story(
        pattern="User has created 15 households in 3 days, removed 45 members total",
        evidence=(
            "2026-02-02: Created 5 households, removed 20 members",
            "2026-02-01: Created 5 households, removed 15 members",
            "2026-01-31: Created 5 households, removed 10 members",
        ),
        suspected_violation="Automated abuse or testing/gaming the system",
        reporter="Internal monitoring alert",
        requesting="Account review and potential restriction of household features",
        affected_households=("household_11111",),
    ),
)

TRUST_SAFETY_EXAMPLE = """\
[T&S-ESCALATION] Suspected Household Abuse Pattern

User ID: user_98765
Household ID: household_11111
Severity: Same-day

Pattern: User has created 15 households in 3 days, removed 45 members total

Evidence:
- 2026-02-02: Created 5 households, removed 20 members
- 2026-02-01: Created 5 households, removed 15 members
- 2026-01-31: Created 5 households, removed 10 members

Suspected Violation: Automated abuse or testing/gaming the system

Reporter: Internal monitoring alert

Action Taken: None yet (awaiting T&S review)

Requesting: Account review and potential restriction of household features
"""


def bare(team: str = "engineering", **changes: object) -> Finding:
    """A finding about which nothing is known but that it is there."""
    fields: dict[str, object] = {
        "detector": "no-leader",
        "team": team,
        "severity": "P0",
        "fingerprint": "0" * 32,
        "subject": {},
        "title": "Household Without a Leader",
        "impact": Impact(users=0, households=0),
        "kind": "state",
    }
    return Finding.model_validate(fields | changes)


def incident(size: int) -> Finding:
    """A grouped finding with `size` households."""
    return bare(
        detector="orphaned-household",
        subject={"operation": "everyone-left"},
        members=tuple(
            Member(subject={"household_id": f"household_{number}"}, households=(f"household_{number}",))
            for number in range(1, size + 1)
        ),
    )


def document(*findings: Finding, coverage: tuple[Coverage, ...] = ()) -> ScanDocument:
    """A scan that found `findings`."""
    return ScanDocument(
        scan=ScanInfo(
            source="postgresql://db.example/petforce",
            as_of=datetime(2026, 2, 3, 2, tzinfo=UTC),
            window=WindowInfo(start=datetime(2026, 2, 2, tzinfo=UTC), end=datetime(2026, 2, 3, tzinfo=UTC)),
            engine="postgresql",
            rows_read={"households": 1_000_000, "household_members": 3_000_000},
            seconds=8.25,
        ),
        findings=findings,
        coverage=coverage,
    )


COVERAGE = (
    Coverage(detector="transfer-failed", status="ran", findings=1),
    Coverage(detector="no-leader", status="ran"),
    Coverage(detector="duplicate-member", status="proved", reason="made impossible by household_members_unique"),
    Coverage(detector="mass-creation", status="not_applicable", reason="needs household_events.user_id"),
    Coverage(detector="mass-removal", status="failed", reason="pass actors: canceling statement due to time-out"),
)
