"""What quick looks cost beside a night, on one PostgreSQL that runs on this machine and that nobody else writes to.

    python -m benchmarks.quick --postgres URL [--rows N ...] [--rounds N]

Runs the program as cron would: a night, a look that reads everything, and then a look five minutes after the other, before each of
which so many rows are written: updates that change nothing, and a tenth of them new rows of ended members. The last looks are as of the
newest audit rows, in a time zone in which they are late in the day. Prints wall seconds, with the program's start, and seconds of the server's CPU.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import psycopg

from benchmarks.night import last_night
from benchmarks.peers.measure import Cost, LocalServer, local_server, run

EVERY = timedelta(minutes=5)
LATE_IN_THE_DAY = 17
"""The hour at which the looks begin: patterns of the day read more of it the later it is."""
WRITES = (
    "UPDATE household_members SET status = status WHERE id IN ({} household_members)",
    "UPDATE households SET name = name WHERE id IN ({} households)",
    "UPDATE household_join_requests SET status = status WHERE id IN ({} household_join_requests)",
    "INSERT INTO household_members (id, household_id, user_id, role, status, is_temporary, joined_at)"
    " SELECT gen_random_uuid(), household_id, gen_random_uuid(), 'member', 'removed', false, %(at)s"
    " FROM household_members WHERE id IN ({} household_members)",
)
SHARES = (0.4, 0.25, 0.25, 0.1)


@dataclass(frozen=True)
class Program:
    """The program on one source, with a ledger and a queue of its own."""

    source: str
    folder: Path
    server: LocalServer | None

    def __call__(self, at: datetime, *options: str) -> Cost:
        command = [sys.executable, "-c", "import cli; cli.main()", "run", *options, "--as-of", at.isoformat()]
        for name, value in (
            ("source", self.source),
            ("ledger", f"sqlite:///{self.folder}/ledger.db"),
            ("queue", f"folder:{self.folder}/queue"),
            ("policy", f"{self.folder}/policy.toml"),
        ):
            command += [f"--{name}", value]
        # As installed: with the modules compiled before.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return run(command, environment, self.folder / "said.txt", self.server)

    @property
    def said(self) -> str:
        return (self.folder / "said.txt").read_text()


def main() -> None:
    arguments = _arguments()
    with psycopg.connect(arguments.postgres, autocommit=True) as connection, tempfile.TemporaryDirectory() as name:
        program = Program(arguments.postgres, Path(name), local_server(connection))
        looks = [rows for _ in range(arguments.rounds) for rows in arguments.rows]
        at = last_night(connection) - (len(looks) + 1) * EVERY
        (program.folder / "policy.toml").write_text(f'[limits]\ntime_zone = "{_zone(at)}"\n')
        night = program(at)
        print(_line("a night", night, night))
        print(_line("a look that reads everything", program(at + timedelta(minutes=1), "--quick"), night))
        for rows in looks:
            at += EVERY
            for statement, values in _writes(rows, at):
                connection.execute(statement.encode(), values)
            cost = program(at, "--quick")
            whole = " (read everything)" if "reads everything" in program.said else ""
            print(_line(f"a look after {rows:,} rows were written{whole}", cost, night))


def _zone(at: datetime) -> str:
    """A time zone in which it is late in the day."""
    east = (LATE_IN_THE_DAY - at.hour + 12) % 24 - 12
    return f"Etc/GMT{-east:+d}"


def _writes(rows: int, at: datetime) -> Iterator[tuple[str, dict[str, object]]]:
    some = "SELECT id FROM (SELECT id FROM {} TABLESAMPLE SYSTEM (5) LIMIT %(pool)s) AS drawn ORDER BY random() LIMIT %(number)s"
    for statement, share in zip(WRITES, SHARES, strict=True):
        number = round(rows * share)
        if number:
            before, _, table = statement.partition("{} ")
            sampled = some.format(table.rstrip(")"))
            yield f"{before}{sampled})", {"at": at - timedelta(seconds=30), "number": number, "pool": 10 * number}


def _line(what: str, cost: Cost, night: Cost) -> str:
    told = f"{what:45} {cost.wall:6.2f} s  {cost.wall / night.wall:5.2f} of the night"
    if cost.server_cpu is None or not night.server_cpu:
        return told
    return f"{told}   server CPU {cost.server_cpu:6.2f} s  {cost.server_cpu / night.server_cpu:5.2f}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--postgres", required=True, metavar="URL", help="a database with the tables, e.g. of benchmarks.town"
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[0, 2_000, 20_000], metavar="N")
    parser.add_argument("--rounds", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
