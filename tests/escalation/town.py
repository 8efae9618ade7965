"""A ledger and a queue on which nights are played, without a source."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from detectors.contract import Coverage, Finding, Status
from escalation.ledger.ledger import Ledger
from escalation.nights.night import NightReport, run_night
from escalation.nights.windows_of_runs import next_window
from escalation.policy.policy import load_policy
from tests.escalation.queues import MemoryQueue, helpdesk

POLICY = load_policy()
FIRST = datetime(2026, 2, 3, 1, tzinfo=UTC)
"""When the first night runs."""
DETECTORS = [
    "no-leader",
    "transfer-failed",
    "multiple-leaders",
    "duplicate-member",
    "approval-not-applied",
    "concurrent-conflict",
    "mass-creation",
    "mass-removal",
    "member-of-many-households",
    "fake-households",
    "rate-limit-bypass",
    "unauthorised-transfer",
    "legal-matter",
    "removal-not-applied",
]


class Town:
    """Nights one day after the other, unless they say otherwise."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.queue = MemoryQueue()
        self.now = FIRST - timedelta(days=1)

    def night(self, *findings: Finding, status: Status = "ran", hours: float = 24) -> NightReport:
        self.now += timedelta(hours=hours)
        return self.again(*findings, status=status)

    def again(self, *findings: Finding, status: Status = "ran") -> NightReport:
        coverage = [Coverage(detector=name, status=status) for name in DETECTORS]
        window = next_window(self.ledger, self.now, POLICY)
        return run_night(
            self.ledger, findings, coverage, POLICY, self.now, window=window, helpdesk=helpdesk(self.queue)
        )

    @property
    def only_ticket(self) -> str:
        (external_id,) = self.queue.tickets
        return external_id

    @property
    def said(self) -> list[str]:
        return self.queue.said(self.only_ticket)
