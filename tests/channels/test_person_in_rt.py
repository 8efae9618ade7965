"""A person's escalation through a real Request Tracker that loses an answer: one ticket, its comment, its end."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from channels.open_queue import RT_TOKEN
from cli import main
from tests.support.faulty_proxy import Fault, FaultyProxy
from tests.support.request_tracker import RequestTracker
from tests.support.towns import Town, uid, write_csv


def test_filed_once_commented_resolved_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request_tracker: RequestTracker, rt_proxy: FaultyProxy
) -> None:
    monkeypatch.chdir(tmp_path)
    town = Town()
    town.family("oak", "anna", "ben")
    (tmp_path / "town").mkdir()
    write_csv(tmp_path / "town", town.tables())

    def call(*arguments: str) -> Result:
        place = ("--source", "town", "--queue", f"rt:{rt_proxy.url}/")
        return CliRunner().invoke(main, [*arguments, *place], env={RT_TOKEN: request_tracker.token})

    def escalate(*more: str) -> Result:
        words = ("--title", "Wants 30 members", "--severity", "Next-day", "--issue-summary", "A kennel")
        others = ("--customer-impact", "Blocked", "--requested-outcome", "30", "--recommendation", "Yes", *more)
        ids = ("--household", uid("oak"), "--as-of", "2026-02-03T03:00:00Z", "--non-interactive", "--yes")
        return call("escalate", "csm", *ids, *words, *others)

    rt_proxy.plan(Fault(r"POST .*/ticket$", forwarded=True))
    lost = escalate("--urgency", "Opens on Monday")
    assert lost.exit_code == 5, lost.output
    said = escalate("--urgency", "Opens on Sunday", "--add-comment")
    assert said.exit_code == 0, said.output
    external_id = said.stdout.splitlines()[-1].split(":")[0]
    (made,) = request_tracker.tickets(external_id)
    parts = [content for _, content in request_tracker.parts(str(made["id"]))]
    assert sum("Opens on Sunday" in content for content in parts) == 1
    request_tracker.person_does("PUT", f"/ticket/{made['id']}", Status="resolved")
    night = call("run", "--as-of", "2026-02-04T03:00:00Z")
    assert night.exit_code == 0, night.output
    assert f"{external_id} Wants 30 members: tell user" in night.stdout
