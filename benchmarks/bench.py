"""What a scan costs: its time beside one bare sequential pass over the same rows, in one run on one PostgreSQL.

    python -m benchmarks.bench --postgres URL [--as-of TIME] [--rounds N]

Prints, for each round, the seconds of the bare pass, of the scan that reads the whole history (as the first night does, and one
in each week) and of an ordinary night's, with their ratios; then the statements issued, the peak memory of the scanning
process and the seconds of each statement's purpose; last, what a run with 300,000 findings costs (see many.py). Without --as-of it is the night of the newest audit row.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from multiprocessing.connection import Connection

import psycopg

from benchmarks import many
from benchmarks.night import connected, last_night
from detectors.contract import Context, Window
from detectors.engine.runner import scan
from detectors.limits import Limits
from detectors.registry import DETECTORS
from detectors.source import SourceMapping, open_source
from escalation.policy.process import Nights

RARE = (
    "household_member_removed",
    "household_left",
    "household_leadership_transferred",
    "household_invite_code_regenerated",
    "household_join_request_rejected",
    "household_join_request_approved",
)
"""The events that state rules read however old they are."""
STATE_TABLES = ("households", "household_members", "household_join_requests")


@dataclass(frozen=True)
class Scanned:
    """One scan in a process of its own: seconds, statements issued, peak memory in megabytes, findings by detector."""

    seconds: float
    statements: int
    peak_mb: float
    findings: dict[str, int]
    not_ran: dict[str, str]


def main() -> None:
    arguments = _arguments()
    with connected(arguments.postgres) as connection:
        as_of = arguments.as_of or last_night(connection)
    midnight = as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    context = Context(as_of=as_of, window=Window(midnight - timedelta(days=1), midnight))
    with psycopg.connect(arguments.postgres) as connection:
        rows = {table: _count(connection, f"SELECT count(*) FROM {table}") for table in STATE_TABLES}
        rows["household_events in the window and look-back"] = _count(connection, _events(context))
        every = (
            f"SELECT count(*) FROM household_events WHERE event_type IN ({_listed(RARE)}) AND NOT {_inside(context)}"
        )
        rows["rare household_events before it"] = _count(connection, every)
    print(
        f"night of {context.window.start:%Y-%m-%d}; rows: "
        + ", ".join(f"{name} {number:,}" for name, number in rows.items())
    )
    recent = Limits(state_lookback_days=Nights().look_back_days)
    for _ in range(arguments.rounds):
        bare, wide = bare_pass(arguments.postgres, context)
        scanned = scan_apart(arguments.postgres, context)
        ordinary = scan_apart(arguments.postgres, replace(context, limits=recent))
        print(
            f"bare pass {bare:6.2f} s   scan {scanned.seconds:6.2f} s   ratio {scanned.seconds / bare:5.2f}"
            f"   every row it must read {wide:6.2f} s   ratio {scanned.seconds / wide:5.2f}"
            f"   ordinary night {ordinary.seconds:6.2f} s   ratio {ordinary.seconds / bare:5.2f}"
        )
    print(f"statements {scanned.statements}, peak memory {scanned.peak_mb:.0f} MB, findings {scanned.findings}")
    for detector, reason in scanned.not_ran.items():
        print(f"  {detector}: {reason}")
    print(many.told())


def bare_pass(url: str, context: Context) -> tuple[float, float]:
    """Seconds to read rows once, doing nothing else, in two sums.

    The first is of the three state tables and the audit rows of the window and its look-back. The second adds every other row
    that a scan must read: sessions, support requests, rare events of any age.
    """
    with psycopg.connect(url) as connection:
        connection.execute("SET enable_indexonlyscan = off")
        connection.execute("SET jit = off")
        started = time.perf_counter()
        for table in STATE_TABLES:
            _count(connection, f"SELECT count(*) FROM {table}")
        _count(connection, _events(context))
        narrow = time.perf_counter() - started
        for table in ("sessions", "support_requests"):
            _count(connection, f"SELECT count(*) FROM {table}")
        # By their type: read in a row they would take the whole audit table.
        _count(connection, f"SELECT count(metadata) FROM household_events WHERE event_type IN ({_listed(RARE)})")
        return narrow, time.perf_counter() - started


def scan_apart(url: str, context: Context) -> Scanned:
    """The whole catalogue for one night, in a fresh process so that its peak memory is its own."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=_scan, args=(there, url, context))
    process.start()
    scanned: Scanned = here.recv()
    process.join()
    return scanned


def _scan(answer: Connection, url: str, context: Context) -> None:
    started = time.perf_counter()
    with open_source(url, SourceMapping()) as source:
        last = started

        def progress(what: str) -> None:
            nonlocal last
            now = time.perf_counter()
            print(f"    {now - last:6.2f} s before {what}", file=sys.stderr)
            last = now

        result = scan(source, DETECTORS, context, progress=progress)
        statements = source.counters.statements
    answer.send(
        Scanned(
            seconds=time.perf_counter() - started,
            statements=statements,
            peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            findings={entry.detector: entry.findings for entry in result.coverage if entry.findings},
            not_ran={
                entry.detector: f"{entry.status}: {entry.reason}" for entry in result.coverage if entry.status != "ran"
            },
        )
    )


def _events(context: Context) -> str:
    return f"SELECT count(*) FROM household_events WHERE {_inside(context)}"


def _inside(context: Context) -> str:
    start = context.window.start - timedelta(days=Limits().pattern_lookback_days)
    return f"(event_timestamp >= '{start.isoformat()}' AND event_timestamp < '{context.as_of.isoformat()}')"


def _listed(types: tuple[str, ...]) -> str:
    return ", ".join(f"'{one}'" for one in types)


def _count(connection: psycopg.Connection, statement: str) -> int:
    row = connection.execute(statement).fetchone()
    return int(row[0]) if row else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--postgres", required=True, metavar="URL", help="a database with the tables, e.g. of benchmarks.town"
    )
    parser.add_argument("--as-of", type=datetime.fromisoformat, help="the moment of the scan, with a time zone")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
