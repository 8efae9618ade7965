"""Nights that are told of on Slack: one thread for each ticket, whatever is lost on the way, and nothing of Legal."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from channels.slack import API, TOKEN, SlackWorkspace
from cli import main
from commands.desk import PSEUDONYM_KEY, open_slack_delivery
from detectors.contract import Coverage, Finding, Impact
from escalation.deliver.messenger import SlackDelivery
from escalation.ledger.ledger import Ledger, open_ledger
from escalation.nights.night import NightReport, run_night
from escalation.nights.windows_of_runs import next_window
from escalation.people.silences import silence_subject
from escalation.policy.policy import load_policy
from tests.escalation.findings import finding
from tests.escalation.queues import MemoryQueue, helpdesk
from tests.support import slack_stub
from tests.support.slack_stub import SlackStub, slack
from tests.support.towns import Town as TownOfFamilies
from tests.support.towns import uid, write_csv

POLICY = load_policy()
DETECTORS = ("no-leader", "duplicate-member", "removal-not-applied", "mass-removal", "legal-matter")
LEADERLESS = finding("no-leader", household="h1", impact=Impact(users=4, households=1))
REMOVAL = finding("removal-not-applied", household="h2", user="u2", impact=Impact(users=1, households=1))


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackStub]:
    with slack() as running:
        monkeypatch.setenv(TOKEN, slack_stub.TOKEN)
        monkeypatch.setenv(API, running.url)
        monkeypatch.setenv(PSEUDONYM_KEY, "a secret of ours")
        yield running


@dataclass
class Town:
    """A ledger, a queue and a Slack on which nights are played."""

    ledger: Ledger
    stub: SlackStub
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    now: datetime = datetime(2026, 2, 2, 1, tzinfo=UTC)
    policy: Any = POLICY

    def night(self, *findings: Finding, hours: float = 24) -> NightReport:
        self.now += timedelta(hours=hours)
        return self.again(*findings)

    def again(self, *findings: Finding) -> NightReport:
        coverage = [Coverage(detector=name, status="ran") for name in DETECTORS]
        window = next_window(self.ledger, self.now, self.policy)
        slack_delivery: SlackDelivery[dict[str, Any]] | None = open_slack_delivery(self.policy)
        return run_night(
            self.ledger,
            findings,
            coverage,
            self.policy,
            self.now,
            window=window,
            helpdesk=helpdesk(self.queue),
            slack_delivery=slack_delivery,
        )

    def threads(self, channel: str) -> list[list[str]]:
        """What each thread says: the first message's lead, then the headings of its replies."""
        return [[_lead(one), *map(_heading, self.stub.thread(one))] for one in self.stub.said(channel)]


def _lead(message: dict[str, Any]) -> str:
    return str(next(block["text"]["text"] for block in message["blocks"] if block["type"] == "section"))


def _heading(reply: dict[str, Any]) -> str:
    called = "! " if reply.get("reply_broadcast") else ""
    rich = next(block for block in reply["blocks"] if block["type"] == "rich_text")
    return called + str(rich["elements"][0]["elements"][0]["text"]).split(" (")[0]


@pytest.fixture
def town(tmp_path: Path, stub: SlackStub) -> Iterator[Town]:
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        yield Town(ledger, stub)


def test_each_priority_in_its_place_with_its_mention(town: Town) -> None:
    report = town.night(LEADERLESS, REMOVAL, finding("mass-removal", user="u9"))
    assert not report.undelivered
    assert [lead[0].split(" *")[0] for lead in town.threads("incidents")] == ["@engineering-oncall"]
    assert town.threads("engineering-support") == [
        ["*P1* [ENG-ESCALATION] mem:" + _ticket(town, "removal-not-applied")]
    ]
    assert len(town.threads("trust-safety")) == 1
    assert [one.url for one in report.announced] == ["#incidents", "#engineering-support", "#trust-safety"]


def _ticket(town: Town, detector: str) -> str:
    with town.ledger.begin() as tx:
        return next(one.external_id for one in tx.tickets() if one.detector == detector)


def test_a_known_id_makes_the_mention_reach_its_group(town: Town) -> None:
    town.policy = POLICY.model_copy(update={"mentions": {"@engineering-oncall": "S0123ABCD"}})
    town.night(LEADERLESS)
    ((lead,),) = town.threads("incidents")
    assert lead.startswith("<!subteam^S0123ABCD> *P0*")


def test_the_thread_follows_the_ticket_to_its_end(town: Town) -> None:
    town.night(REMOVAL)
    town.night(REMOVAL)
    town.night(REMOVAL.model_copy(update={"impact": Impact(users=9, households=1)}))
    (message,) = town.stub.said("engineering-support")
    assert message["edited"]
    town.night()
    ((lead, *replies),) = town.threads("engineering-support")
    assert [one for one in replies if one != "Follow up"] == ["Worse", "Fixed"]
    (message,) = town.stub.said("engineering-support")
    assert "Settled: fixed, and verified by a scan." in json.dumps(message["blocks"])
    assert lead.startswith("*P1*")
    town.night(REMOVAL)
    assert "Settled" not in json.dumps(town.stub.said("engineering-support"))
    assert "Back" in town.threads("engineering-support")[0]


def test_what_joins_a_case_calls_where_it_would_have_called_by_itself(town: Town) -> None:
    first, second, third = (finding("duplicate-member", household="h1", user=user) for user in "abc")
    town.night(first)
    lesser = third.model_copy(update={"severity": "P1"})
    town.night(first, second, hours=0.1)
    town.night(first, second, lesser, hours=0.1)
    (thread,) = town.threads("incidents")
    assert thread[1:] == ["! Joined", "Joined"]


def test_what_comes_back_and_what_nobody_acknowledges_calls_again(town: Town) -> None:
    town.night(LEADERLESS)
    town.night(hours=0.2)
    town.night(LEADERLESS, hours=0.1)
    town.night(LEADERLESS, hours=1)
    ((_, *replies),) = town.threads("incidents")
    assert replies == ["Fixed", "! Back", "! Follow up"]


def test_what_becomes_more_urgent_is_told_to_those_who_must_hear_of_it(town: Town) -> None:
    town.night(REMOVAL)
    town.night(REMOVAL.model_copy(update={"severity": "P0"}), hours=0.5)
    ((lead,),) = town.threads("incidents")
    assert lead.startswith("@engineering-oncall *P0*")
    assert len(town.threads("engineering-support")) == 1
    town.night(hours=1)
    assert town.threads("incidents")[0][1:] == ["Fixed"]


def test_slack_waits_for_the_ticket_unless_somebody_must_be_called(town: Town) -> None:
    town.queue.down = True
    town.night(LEADERLESS, REMOVAL)
    ((lead,),) = town.threads("incidents")
    assert lead == f"@engineering-oncall *P0* [ENG-ESCALATION] {_ticket(town, 'no-leader')}"
    assert town.threads("engineering-support") == []
    town.queue.down = False
    for _ in range(2):
        town.again(LEADERLESS, REMOVAL)
    assert [thread[1:] for thread in town.threads("incidents")] == [["Added"]]
    assert len(town.threads("engineering-support")) == 1


def test_one_failing_does_not_hold_back_the_other(town: Town) -> None:
    town.stub.down = True
    report = town.night(LEADERLESS)
    assert report.undelivered
    assert not report.failed
    assert "Slack: chat.postMessage in #incidents: service_unavailable" in report.unannounced[0].error
    assert len(town.queue.tickets) == 1
    town.stub.down = False
    assert not town.again(LEADERLESS).undelivered
    assert len(town.threads("incidents")) == 1


def test_nothing_is_said_while_it_is_snoozed(town: Town) -> None:
    silence_subject(
        town.ledger,
        "no-leader",
        {"household_id": "h1"},
        "snooze",
        until=town.now + timedelta(hours=24),
        reason="being repaired",
        author="jo",
        policy=POLICY,
        now=town.now,
    )
    town.night(LEADERLESS, hours=12)
    assert town.stub.calls == []


@pytest.mark.parametrize("seed", range(12))
def test_each_message_once_whatever_is_lost(town: Town, seed: int) -> None:
    """Answers are lost and Slack is down at random; at last every thread reads as if nothing had happened."""
    chance = random.Random(seed)
    plays: list[tuple[Finding, ...]] = [(LEADERLESS, REMOVAL), (REMOVAL,), (LEADERLESS, REMOVAL), ()]
    for findings in plays:
        town.now += timedelta(minutes=1)
        for _ in range(4):
            town.stub.down = chance.random() < 0.3
            town.stub.says_nothing = [name for name in ("chat.postMessage",) * 3 if chance.random() < 0.5]
            town.again(*findings)
        town.stub.down, town.stub.says_nothing = False, []
        assert not town.again(*findings).undelivered
    assert [thread[1:] for thread in town.threads("incidents")] == [["Fixed", "! Back", "Fixed"]]
    assert [thread[1:] for thread in town.threads("engineering-support")] == [["Fixed"]]


class Dies(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("arrived", [True, False])
def test_a_process_that_dies_while_posting_posts_no_second_message(
    town: Town, arrived: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    really: Callable[..., Any] = SlackWorkspace.post

    def dies(workspace: Any, key: str, payload: Any) -> Any:
        if arrived:
            really(workspace, key, payload)
        raise Dies

    monkeypatch.setattr(SlackWorkspace, "post", dies)
    with pytest.raises(Dies):
        town.night(LEADERLESS)
    monkeypatch.setattr(SlackWorkspace, "post", really)
    town.again(LEADERLESS)
    assert len(town.threads("incidents")) == 1


def test_ids_leave_only_as_pseudonyms(town: Town) -> None:
    town.night(finding("removal-not-applied", household="house-77", user="user-55"))
    town.night(
        finding("removal-not-applied", household="house-77", user="user-55", impact=Impact(users=9, households=1))
    )
    assert "house-77" not in town.stub.everything()
    assert "user-55" not in town.stub.everything()


def test_legal_matters_never_reach_slack(town: Town) -> None:
    """Not their tickets, not what is said on them, not the reminders, not their ends."""
    matter = finding("no-leader", household="h5").model_copy(
        update={"detector": "legal-matter", "team": "legal", "severity": "Immediate", "kind": "state"}
    )
    for number in range(3):
        town.night(matter.model_copy(update={"impact": Impact(users=5 * number + 1, households=1)}))
    town.night()
    town.night(matter)
    assert len(town.queue.tickets) == 1
    assert town.stub.calls == []
    with town.ledger.begin() as tx:
        assert {row.destination for row in tx.unsent()} <= {"queue"}
        assert tx.latest_posts() == {}


def test_run_tells_slack_and_escalate_too(stub: SlackStub, tmp_path: Path, elsewhere: Path) -> None:
    families = TownOfFamilies()
    families.family("oak", "anna", "ben", "cleo")
    families.home("oak")["leader_id"] = None
    source = tmp_path / "town"
    source.mkdir()
    write_csv(source, families.tables())
    call = CliRunner().invoke
    ran = call(main, ["run", "--source", str(source), "--as-of", "2026-02-03T03:00:00Z"])
    assert ran.exit_code == 0, ran.output
    assert "On Slack: 1 message in #incidents." in ran.output
    assert len(stub.said("incidents")) == 1
    words = ("issue", "steps", "expected", "actual", "requesting")
    asks = ["--title", "Board does not load", "--non-interactive", "--yes", "--severity", "P1"]
    asks += [part for word in words for part in (f"--{word}", "as told")] + ["--when", "2026-02-03T02:00Z"]
    asked = call(main, ["escalate", "eng", *asks, "--as-of", "2026-02-03T04:00:00Z"])
    assert asked.exit_code == 0, asked.output
    assert len(stub.said("engineering-support")) == 1
    stub.token_revoked = True
    families.home("oak")["leader_id"] = uid("anna")
    write_csv(source, families.tables())
    failed = call(main, ["run", "--source", str(source), "--as-of", "2026-02-03T05:00:00Z"])
    assert failed.exit_code == 5
    assert "token_revoked" in failed.output


def test_without_a_key_for_pseudonyms_nothing_starts(stub: SlackStub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PSEUDONYM_KEY)
    refused = CliRunner().invoke(main, ["run", "--source", "nowhere", "--as-of", "2026-02-03T03:00:00Z"])
    assert refused.exit_code == 2
    assert PSEUDONYM_KEY in refused.output
    assert stub.calls == []


def test_the_demo_tells_nobody(stub: SlackStub, elsewhere: Path) -> None:
    assert CliRunner().invoke(main, ["demo"]).exit_code == 0
    assert stub.calls == []
