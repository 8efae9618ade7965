"""The whole `run`, nights through a real Request Tracker and a real mail server, with trouble in both of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from channels.mail import PASSWORD
from channels.open_queue import RT_TOKEN
from channels.settings import TIMEOUT
from cli import main
from escalation.ledger.ledger import open_ledger
from escalation.ledger.records import Ticket
from tests.channels.test_helpdesk_nights import MAKE, SAY, TROUBLES
from tests.support.faulty_proxy import FaultyProxy
from tests.support.mail_server import MailServer, mail_server
from tests.support.request_tracker import RequestTracker
from tests.support.towns import Town, uid, write_csv

NIGHTS = ("2026-02-03T03:00:00Z", "2026-02-04T03:00:00Z", "2026-02-05T03:00:00Z")
MAIL_TROUBLES = ("452 4.2.2 mailbox full", "552 5.2.2 over quota", "broken off")
_numbers = itertools.count()


@dataclass
class Place:
    """A town, and the program that watches it. Names differ between places, as they share one RT."""

    folder: Path
    town: Town
    name: str
    queue: str
    mail: MailServer

    def run(self, as_of: str) -> Result:
        source = str(write_csv(self.folder / "town", self.town.tables()))
        return CliRunner().invoke(main, ["run", "--source", source, "--as-of", as_of, "--queue", self.queue])

    def trouble_with_mail(self, kind: str) -> None:
        if kind == "broken off":
            self.mail.breaks_off = 1
        else:
            self.mail.answers = [kind]

    def tickets(self) -> dict[str, Ticket]:
        with open_ledger("sqlite:///hearthwatch.db", exclusive=False) as ledger, ledger.begin() as tx:
            return {one.detector: one for one in tx.tickets()}


@pytest.fixture
def place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request_tracker: RequestTracker, rt_proxy: FaultyProxy
) -> Iterator[Place]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "town").mkdir()
    (tmp_path / "mail").mkdir()
    name = f"street {next(_numbers)} {tmp_path}"
    town = Town()
    for home in ("oak", "elm"):
        town.family(f"{name} {home}", f"{name} {home} ann", f"{name} {home} bob")
    town.home(f"{name} oak")["leader_id"] = None
    town.event("household_left", f"{name} elm", f"{name} elm bob", was_leader=False)
    town.report(name, "custody", f"{name} oak bob", household_id=f"{name} oak", body="a secret of the family")
    with mail_server(tmp_path / "mail") as server:
        environment = {**server.environment(), RT_TOKEN: request_tracker.token, TIMEOUT: "3"}
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        yield Place(tmp_path, town, name, f"rt:{rt_proxy.url}/", server)


@pytest.mark.parametrize(("number", "name"), list(enumerate(TROUBLES)))
def test_two_nights_with_trouble_everywhere(
    number: int, name: str, place: Place, request_tracker: RequestTracker, rt_proxy: FaultyProxy
) -> None:
    trouble, remedy = TROUBLES[name]
    for place_of_trouble in (MAKE, SAY):
        night = NIGHTS[place_of_trouble == SAY]
        rt_proxy.plan(trouble(request_tracker, place_of_trouble))
        place.trouble_with_mail(MAIL_TROUBLES[number % len(MAIL_TROUBLES)])
        failed = place.run(night)
        assert failed.exit_code == 5, failed.output
        assert "Traceback" not in failed.output
        for secret in (request_tracker.token, "a-mail-password", "a secret of the family"):
            assert secret not in failed.output
        remedy(request_tracker)
        repeated = place.run(night)
        assert repeated.exit_code == 0, repeated.output
        if place_of_trouble == MAKE:
            tickets = place.tickets()
            assert sorted(tickets) == ["legal-matter", "no-leader", "removal-not-applied"]
            # One is mended, one is called resolved and is not; and Legal has closed theirs.
            leader = tickets["no-leader"].ref_id
            request_tracker.person_does("PUT", f"/ticket/{leader}", Owner="kim", Status="resolved")
            place.town.row(f"{place.name} elm", f"{place.name} elm bob")["status"] = "removed"
            place.town.support_requests[0]["status"] = "closed"
    tickets = place.tickets()
    helpdesk = {name: request_tracker.tickets(one.external_id) for name, one in tickets.items()}
    assert {name: len(made) for name, made in helpdesk.items()} == {
        "legal-matter": 0,
        "no-leader": 1,
        "removal-not-applied": 1,
    }
    assert {name: one.status for name, one in tickets.items()} == {
        "legal-matter": "verified",
        "no-leader": "open",
        "removal-not-applied": "verified",
    }
    assert helpdesk["no-leader"][0]["Status"] == "new"
    said = {name: request_tracker.parts(str(made[0]["id"])) for name, made in helpdesk.items() if made}
    (back,) = [text for _, text in said["no-leader"] if "Still seen" in text]
    assert "Marked as resolved, but the scan" in back
    assert [("Fixed" in text) for _, text in said["removal-not-applied"]][-1]
    first, closed = place.mail.mailbox().values()
    assert first["To"] == "legal@petforce.com"
    assert closed["References"] == first["Message-ID"]


def test_what_people_do_in_between_is_read_back(place: Place, request_tracker: RequestTracker) -> None:
    assert place.run(NIGHTS[0]).exit_code == 0
    number = place.tickets()["no-leader"].ref_id
    request_tracker.person_does("POST", f"/ticket/{number}/correspond", Content="On it", ContentType="text/plain")
    request_tracker.person_does("PUT", f"/ticket/{number}", Owner="kim")
    assert place.run(NIGHTS[1]).exit_code == 0
    assert place.tickets()["no-leader"].status == "acknowledged"
    place.town.home(f"{place.name} oak")["leader_id"] = uid(f"{place.name} oak ann")
    assert place.run(NIGHTS[2]).exit_code == 0
    ended = place.tickets()["no-leader"]
    assert ended.status == "verified"
    assert request_tracker.properties(str(number))["Owner"]["id"] == "kim"
    assert PASSWORD not in json.dumps(request_tracker.properties(str(number)))
