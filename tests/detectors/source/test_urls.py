"""Addresses of servers: what libpq takes, source and ledger take; and no secret of one is ever shown."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cli import main
from detectors.source import SourceError, SourceMapping, open_source
from detectors.source.urls import AddressError, is_server, server_at
from escalation.errors import LedgerError
from escalation.ledger.store import open_store
from tests.support.postgres import Database, PostgresServer

Address = Callable[[PostgresServer, str, Path], str]

TAKEN: dict[str, Address] = {
    "a user named like the scheme": lambda s, name, _: f"postgresql://postgres:{s.password}@127.0.0.1:{s.port}/{name}",
    "postgres://": lambda s, name, _: f"postgres://postgres:{s.password}@127.0.0.1:{s.port}/{name}",
    "SQLAlchemy's": lambda s, name, _: f"postgresql+psycopg://postgres:{s.password}@127.0.0.1:{s.port}/{name}",
    "several hosts": lambda s, name, _: f"postgresql://postgres:{s.password}@127.0.0.1:1,127.0.0.1:{s.port}/{name}",
    "several hosts, SQLAlchemy's way": lambda s, name, _: (
        f"postgresql+psycopg://postgres:{s.password}@/{name}?host=127.0.0.1:1&host=127.0.0.1:{s.port}"
    ),
    "a socket": lambda s, name, _: f"postgresql://postgres@/{name}?host={s.socket_directory}&port={s.port}",
    "a socket, encoded": lambda s, name, _: (
        f"postgresql://postgres@{quote(s.socket_directory or '', safe='')}:{s.port}/{name}"
    ),
    "sslmode and options": lambda s, name, _: (
        f"postgresql://postgres:{s.password}@127.0.0.1:{s.port}/{name}?sslmode=prefer&options=-c%20geqo%3Doff"
    ),
    "a password in the query": lambda s, name, _: (
        f"postgresql://127.0.0.1:{s.port}/{name}?user=postgres&password={s.password}"
    ),
    "key=value words": lambda s, name, _: (
        f"host=127.0.0.1 port={s.port} user=postgres password='{s.password}' dbname={name}"
    ),
    "a passfile": lambda s, name, folder: (
        f"postgresql://postgres@127.0.0.1:{s.port}/{name}?passfile={_passfile(folder, s)}"
    ),
    "a service": lambda s, name, folder: f"service={_service(folder, s, name)}",
}


def _passfile(folder: Path, server: PostgresServer) -> Path:
    file = folder / "pass"
    file.write_text(f"*:*:*:*:{server.password}\n")
    file.chmod(0o600)
    return file


def _service(folder: Path, server: PostgresServer, name: str) -> str:
    (folder / "services").write_text(
        f"[town]\nhost=127.0.0.1\nport={server.port}\nuser=postgres\npassword={server.password}\ndbname={name}\n"
    )
    return "town"


@pytest.mark.parametrize("kind", TAKEN)
def test_what_libpq_takes_source_and_ledger_take(
    postgres: PostgresServer, petforce_db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    address = TAKEN[kind](postgres, petforce_db.name, tmp_path)
    with open_source(address, SourceMapping()) as source:
        assert "households" in source.tables
        assert postgres.password not in source.label
    store = open_store(address, exclusive=False)
    assert postgres.password not in store.where
    store.close()


SECRET = ("Hunter", "s3cret", "Zw9x")
MARKS = st.text(alphabet="@/:#?%&=[]+ ,;'\"\\<>ä", max_size=2)
FORMS = (
    "postgresql://app:{}@host/db",
    "postgres://app:{}@host:5432/db?sslmode=require",
    "postgresql+psycopg://app:{}@h1:1,h2:2/db",
    "postgresql://host/db?user=app&password={}",
    "host=host user=app password={} dbname=db",
    "host=host user=app password='{}' dbname=db",
    "app:{}@host/db",
    "postgresql:app:{}@host/db",
    "jdbc:postgresql://app:{}@host/db",
    "mysql://app:{}@host/db",
)


@given(form=st.sampled_from(FORMS), marks=st.tuples(MARKS, MARKS, MARKS, MARKS))
def test_no_part_of_a_password_is_shown(form: str, marks: tuple[str, str, str, str]) -> None:
    password = marks[0] + SECRET[0] + marks[1] + SECRET[1] + marks[2] + SECRET[2] + marks[3]
    for shown in _shown(form.format(password)):
        assert not any(part in shown for part in SECRET), shown


def _shown(address: str) -> Iterator[str]:
    """All that can be seen of an address, whether it can be used or not."""
    if is_server(address):
        try:
            server = server_at(address)
        except AddressError as error:
            yield str(error)
            yield "".join(traceback.format_exception(error))
        else:
            yield server.label
            yield repr(server)
            yield repr(server.engine().url)
            return
    try:
        open_source(address, SourceMapping())
    except SourceError as error:
        yield "".join(traceback.format_exception(error))
    try:
        open_store(address, exclusive=False)
    except LedgerError as error:
        yield "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("postgresql://app:Hunter@2/s3cret@host/db", "percent-encode"),
        ("postgresql://app:Hun/ter@host/db", "percent-encode"),
        ("postgresql://app:Hunter%s3cret@host/db", "percent-encode"),
        ("postgresql://app:Hunter@s3cret@host/db", "percent-encode"),
        ("postgresql://app:Hunter@host:s3cret/db", "percent-encode"),
        ("postgresql://app:Hunter@127.0.0.1:1/db?schema=public", "[source] schema"),
        ("postgresql://app:Hunter@127.0.0.1:1/db?sslmode=s3cret", "correct it"),
        ("postgresql://app:Hunter@127.0.0.1:1/db?s3cret=1", "does not know"),
        ("postgresql://app:Hunter@127.0.0.1:1/db", "nothing listens there"),
        ("postgresql://app:Hunter@127.0.0.1:1/db?password=s3cret", "nothing listens there"),
        ("host=127.0.0.1 port=1 password=s3cret", "nothing listens there"),
        ("host=127.0.0.1 password=Hunter s3cret", "KEY=VALUE"),
        ("service=nosuch password=s3cret", "no such service"),
        ("app:Hunter@host/db", "postgresql://USER@HOST"),
        ("postgresql:app:Hunter@host/db", "postgresql://USER@HOST"),
    ],
)
def test_an_address_that_fails_is_one_line_with_the_remedy(address: str, says: str, tmp_path: Path) -> None:
    for arguments, codes in (
        (("scan", "--source", address), (3,)),
        (("doctor", "--source", address), (3,)),
        (("run", "--source", str(tmp_path), "--ledger", address), (1, 2)),
    ):
        result = CliRunner().invoke(main, [*arguments, "--verbose"])
        last = result.stderr.splitlines()[-1]
        assert result.exit_code in codes, result.stderr
        assert says in last, last
        for part in ("Hunter", "s3cret", "Hun/", "ter@"):
            assert part not in result.output


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"user": "nobody-of-that-name"}, "refuses the password"),
        ({"password": "wrong"}, "refuses the password"),
        ({"dbname": "no_such_database"}, "has no such database"),
    ],
)
def test_why_a_server_lets_nobody_in_is_said_without_names(
    postgres: PostgresServer, petforce_db: Database, change: dict[str, str], says: str
) -> None:
    true = {"dbname": petforce_db.name, "user": postgres.user, "password": postgres.password}
    address = postgres.tcp_url(**{**true, **change})
    for open_one, error in (
        (lambda: open_source(address, SourceMapping()), SourceError),
        (lambda: open_store(address, exclusive=False), LedgerError),
    ):
        with pytest.raises(error, match=says) as caught:
            open_one()
        assert not any(name in str(caught.value) for name in ("nobody-of", "wrong"))
