"""A password in an address, however it is written and whatever is wrong with the rest, is repeated nowhere: not with --verbose either."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import main

SECRET = "zqpassw0rd"
NIGHT = str(Path(__file__).parents[2] / "fixtures/demo/night-2")
ADDRESSES = [
    f"postgresql://watch:{SECRET}@127.0.0.1:9/town",
    f"postgres://watch:{SECRET}@127.0.0.1:9/town",
    f"postgresql+psycopg://watch:{SECRET}@127.0.0.1:9/town",
    f"postgresql://watch@127.0.0.1:9/town?password={SECRET}",
    f"postgresql://watch@127.0.0.1:9/town?passwd={SECRET}",
    f"postgresql://watch@127.0.0.1:9/town?sslpassword={SECRET}&nonsense=1",
    f"postgresql://watch:{SECRET}@127.0.0.1:port/town",
    f"postgresql://watch:{SECRET}@[::1/town",
    f"postgresql://watch:{SECRET}@/town?host=/nowhere",
    f"postgresql://watch:{SECRET}%zz@127.0.0.1:9/town",
    f"postgresql:/watch:{SECRET}@127.0.0.1:9/town",
    f"mysql://watch:{SECRET}@127.0.0.1:9/town",
    f"host=127.0.0.1 port=9 user=watch password={SECRET} dbname=town",
    f"host=127.0.0.1 port=9 user=watch password='{SECRET} dbname=town",
    f"watch:{SECRET}@127.0.0.1:9/town",
    f" postgresql://watch:{SECRET}@127.0.0.1:9/town ",
]
QUEUES = [
    f"rt:http://root:{SECRET}@127.0.0.1:9",
    f"rt:http://127.0.0.1:9?token={SECRET}",
    f"rt:root:{SECRET}@127.0.0.1:9",
    f"zendesk:https://me:{SECRET}@petforce.zendesk.com",
    f"zendesk:petforce?token={SECRET}",
    f"mail:smtp://me:{SECRET}@127.0.0.1:9",
    f"smtp://me:{SECRET}@127.0.0.1:9",
    f"slack:https://hooks.slack.com/services/{SECRET}?token={SECRET}",
]


@pytest.fixture(autouse=True)
def not_in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTHWATCH_HTTP_TIMEOUT", "2")


def _silent(elsewhere: Path, *arguments: str, **environment: str) -> None:
    """Run it and look at all that it says and leaves behind. It must fail, so that it has something to say."""
    ended = CliRunner().invoke(main, ["--verbose", "--as-of", "2026-02-04", *arguments], env=environment)
    assert ended.exit_code in {1, 2, 3, 5}, ended.output
    assert ended.output
    assert SECRET not in ended.output
    assert not any(SECRET in path.name for path in elsewhere.rglob("*"))
    assert not any(SECRET.encode() in path.read_bytes() for path in elsewhere.rglob("*") if path.is_file())


@pytest.mark.parametrize("address", ADDRESSES)
def test_of_a_source(elsewhere: Path, address: str) -> None:
    for command in (["scan"], ["run"], ["doctor"], ["household", "x"]):
        _silent(elsewhere, *command, "--source", address)
    _silent(elsewhere, "scan", HEARTHWATCH_SOURCE=address)


@pytest.mark.parametrize("address", ADDRESSES)
def test_of_a_ledger(elsewhere: Path, address: str) -> None:
    for command in (["run", "--source", NIGHT], ["tickets", "list"], ["report"]):
        _silent(elsewhere, *command, "--ledger", address)


@pytest.mark.parametrize("address", QUEUES)
def test_of_a_queue(elsewhere: Path, address: str) -> None:
    _silent(elsewhere, "run", "--source", NIGHT, "--queue", address)
