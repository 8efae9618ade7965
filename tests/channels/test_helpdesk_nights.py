"""Whole nights against a real Request Tracker that fails in between: each ticket once, comments in order, state read."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from channels.open_queue import RT_TOKEN, open_queue
from channels.protocol import TicketRef
from channels.settings import TIMEOUT
from detectors.contract import Coverage, Finding, Impact
from escalation.deliver.helpdesk import HelpdeskDelivery
from escalation.ledger.ledger import Ledger, open_ledger
from escalation.ledger.records import Ticket
from escalation.nights.night import NightReport, run_night
from escalation.nights.windows_of_runs import next_window
from escalation.policy.policy import load_policy
from reports.case import case_ticket
from reports.message import Message
from reports.note import note_message
from tests.escalation.findings import finding
from tests.support.faulty_proxy import Fault, FaultyProxy
from tests.support.renderers import RENDERERS
from tests.support.request_tracker import RequestTracker

POLICY = load_policy()
DETECTORS = ("no-leader", "duplicate-member", "mass-removal")
MAKE, SAY, LOOK = r"POST .*/ticket$", r"POST .*/comment$", r"GET .*/ticket/\d+$"
_households = (f"h{number}" for number in itertools.count(1))


@dataclass
class Town:
    """A ledger and a desk whose RT is reached through a proxy. Runs are so close together that nothing is overdue."""

    ledger: Ledger
    helpdesk: HelpdeskDelivery[TicketRef, Message]
    now: datetime = datetime(2026, 2, 3, 1, tzinfo=UTC)

    def night(self, *findings: Finding) -> NightReport:
        coverage = [Coverage(detector=name, status="ran") for name in DETECTORS]
        self.now += timedelta(minutes=1)
        window = next_window(self.ledger, self.now, POLICY)
        return run_night(self.ledger, findings, coverage, POLICY, self.now, window=window, helpdesk=self.helpdesk)

    def tickets(self) -> dict[str, Ticket]:
        with self.ledger.begin() as tx:
            return {one.title: one for one in tx.tickets()}


@pytest.fixture
def town(tmp_path: Path, request_tracker: RequestTracker, rt_proxy: FaultyProxy) -> Iterator[Town]:
    queue = open_queue(f"rt:{rt_proxy.url}/", {RT_TOKEN: request_tracker.token, TIMEOUT: "3"}, RENDERERS)
    helpdesk = HelpdeskDelivery(
        queue=queue,
        ref=TicketRef,
        ticket=lambda case, external_id: case_ticket(case, POLICY, reference=external_id),
        note=lambda note: note_message(note, POLICY),
    )
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        yield Town(ledger, helpdesk)


Trouble = Callable[[RequestTracker, str], Fault]
NO_REMEDY: Callable[[RequestTracker], None] = lambda tracker: None  # noqa: E731  # typed, for the table below
TROUBLES: dict[str, tuple[Trouble, Callable[[RequestTracker], None]]] = {
    "stopped in the middle": (
        lambda tracker, where: Fault(where, forwarded=True, after=tracker.stop),
        RequestTracker.start,
    ),
    "the answer is lost": (lambda tracker, where: Fault(where, forwarded=True), NO_REMEDY),
    "the token is revoked": (
        lambda tracker, where: Fault(where, before=tracker.revoke_token, answered=True),
        RequestTracker.restore_token,
    ),
    "429": (lambda tracker, where: Fault(where, status=429, headers={"Retry-After": "600"}), NO_REMEDY),
    "500": (lambda tracker, where: Fault(where, status=500), NO_REMEDY),
    "30 s of silence": (lambda tracker, where: Fault(where, forwarded=True, hang=30), NO_REMEDY),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_two_nights_with_trouble_in_between(
    name: str, town: Town, request_tracker: RequestTracker, rt_proxy: FaultyProxy
) -> None:
    trouble, remedy = TROUBLES[name]
    h1, h2 = next(_households), next(_households)
    leaderless = finding("no-leader", household=h1, title="Leaderless", impact=Impact(users=4, households=1))
    double = finding("duplicate-member", household=h2, user="u1", title="Double", impact=Impact(users=1, households=1))

    rt_proxy.plan(trouble(request_tracker, MAKE))
    assert town.night(leaderless, double).failed
    remedy(request_tracker)
    assert not town.night(leaderless, double).failed
    tickets = town.tickets()
    assert sorted(tickets) == ["Double", "Leaderless"]
    numbers = {title: only_ticket(request_tracker, one) for title, one in tickets.items()}

    # One becomes worse, the other is mended; and again the trouble, when the first of it is said.
    worse = leaderless.model_copy(update={"impact": Impact(users=40, households=1)})
    rt_proxy.plan(trouble(request_tracker, SAY))
    assert town.night(worse).failed
    remedy(request_tracker)
    assert not town.night(worse).failed
    comments = {title: request_tracker.comments(number) for title, number in numbers.items()}
    assert [one.startswith("[hearthwatch text ") for one in comments["Leaderless"]] == [False, True]
    assert [one.startswith("[hearthwatch text ") for one in comments["Double"]] == [False]
    for title, one in town.tickets().items():
        assert only_ticket(request_tracker, one) == numbers[title]

    number = numbers["Leaderless"]
    request_tracker.person_does("POST", f"/ticket/{number}/correspond", Content="On it", ContentType="text/plain")
    request_tracker.person_does("PUT", f"/ticket/{number}", Owner="kim", Status="open")
    rt_proxy.plan(trouble(request_tracker, LOOK))
    town.night(worse)
    remedy(request_tracker)
    town.night(worse)
    assert town.tickets()["Leaderless"].status == "acknowledged"
    request_tracker.person_does("PUT", f"/ticket/{number}", Status="resolved")
    assert not town.night().failed
    read = town.tickets()["Leaderless"]
    assert read.queue_status == "resolved"
    assert read.acknowledged_at is not None
    assert len(request_tracker.tickets(read.external_id)) == 1


def only_ticket(request_tracker: RequestTracker, one: Ticket) -> str:
    """The number of the ticket, of which there is exactly one, in RT."""
    (made,) = request_tracker.tickets(one.external_id)
    assert one.ref_id == made["id"]
    return str(made["id"])
