"""What very many findings cost: a run over a town in which 300,000 households have lost their leader, beside the same town in order.

Both are folders of Parquet files made on the spot; each run is a process of its own with a ledger of its own.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import duckdb

from detectors.text.word_lists import INVITE_CODE_WORDS

HOUSEHOLDS, LEADERLESS = 330_000, 300_000
WORD = INVITE_CODE_WORDS[0]
AS_OF = "2026-02-03T03:00:00Z"
TOWN = {
    "households": """
        SELECT uuid_of('home', n) AS id, 'Home ' || n AS name, NULL::VARCHAR AS description,
            code_of(n) AS invite_code, NULL::TIMESTAMPTZ AS invite_code_expires_at,
            uuid_of('user', n * 3) AS leader_id, began(n) AS created_at, began(n) AS updated_at
        FROM homes""",
    "household_members": """
        SELECT uuid_of('member', n * 3 + k) AS id, uuid_of('home', n) AS household_id, uuid_of('user', n * 3 + k) AS user_id,
            CASE WHEN k = 0 AND n >= leaderless() THEN 'leader' ELSE 'member' END AS role, 'active' AS status,
            false AS is_temporary, NULL::TIMESTAMPTZ AS temporary_expires_at, NULL::VARCHAR AS invited_by,
            began(n) + k * INTERVAL 1 HOUR AS joined_at
        FROM homes, range(3) AS each(k)""",
    "household_join_requests": """
        SELECT uuid_of('request', n * 3 + k) AS id, uuid_of('home', n) AS household_id, uuid_of('user', n * 3 + k) AS user_id,
            code_of(n) AS invite_code, 'approved' AS status,
            began(n) + k * INTERVAL 1 HOUR - INTERVAL 10 MINUTE AS requested_at,
            began(n) + k * INTERVAL 1 HOUR AS responded_at, uuid_of('user', n * 3) AS responded_by
        FROM homes, range(1, 3) AS each(k)""",
    "household_events": """
        SELECT n * 3 + k AS id,
            CASE WHEN k = 0 THEN 'household_created' ELSE 'household_join_request_approved' END AS event_type,
            uuid_of('home', n) AS household_id, uuid_of('user', n * 3) AS user_id,
            began(n) + k * INTERVAL 1 HOUR AS event_timestamp,
            json_object('correlation_id', 'c' || (n * 3 + k), 'request_id', uuid_of('request', n * 3 + k),
                'new_member_id', uuid_of('user', n * 3 + k)) AS metadata
        FROM homes, range(3) AS each(k)""",
}


@dataclass(frozen=True)
class Cost:
    """One run: seconds, peak memory and size of the ledger in megabytes."""

    seconds: float
    peak_mb: float
    ledger_mb: float


def told() -> str:
    """The seconds, the peak memory and the ledger of both runs, in one line."""
    with tempfile.TemporaryDirectory() as folder:
        clean, broken = (_cost(Path(folder) / name, number) for name, number in (("clean", 0), ("broken", LEADERLESS)))
    return (
        f"{LEADERLESS:,} findings: {broken.seconds:.1f} s ({broken.seconds / clean.seconds:.2f} times the clean run's "
        f"{clean.seconds:.1f} s), peak memory {broken.peak_mb:.0f} MB ({clean.peak_mb:.0f} MB), "
        f"ledger {broken.ledger_mb:.1f} MB ({clean.ledger_mb:.1f} MB)"
    )


def _cost(folder: Path, leaderless: int) -> Cost:
    town = folder / "town"
    town.mkdir(parents=True)
    # By a process of its own: a child begins with its parent's peak of memory.
    maker = get_context("spawn").Process(target=write, args=(town, HOUSEHOLDS, leaderless))
    maker.start()
    maker.join()
    ledger = folder / "ledger.db"
    program = [sys.executable, "-m", "cli", "run", "--source", str(town), "--as-of", AS_OF, "--format", "json"]
    program += ["--ledger", f"sqlite:///{ledger}", "--queue", f"folder:{folder / 'queue'}"]
    silent = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
    started = time.perf_counter()
    child = os.posix_spawn(sys.executable, program, os.environ, file_actions=silent)
    _, status, used = os.wait4(child, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise RuntimeError(f"the run over {town.parent.name} ended with {os.waitstatus_to_exitcode(status)}")
    return Cost(time.perf_counter() - started, used.ru_maxrss / 1024, ledger.stat().st_size / 1e6)


def write(folder: Path, households: int, leaderless: int) -> None:
    """A town of families of three as Parquet files; nobody leads the first `leaderless` of them."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")
        connection.execute("CREATE MACRO uuid_of(what, n) AS CAST(CAST(md5(what || n) AS UUID) AS VARCHAR)")
        connection.execute("CREATE MACRO began(n) AS TIMESTAMPTZ '2026-01-01 00:00:00+00' + n * INTERVAL 1 SECOND")
        letters = " || ".join(f"chr(65 + (n // {26**place} % 26)::INTEGER)" for place in range(4))
        connection.execute(f"CREATE MACRO code_of(n) AS {letters} || '-{WORD}-{WORD}'")
        connection.execute(f"CREATE MACRO leaderless() AS {leaderless}")
        connection.execute(f"CREATE TABLE homes AS SELECT range AS n FROM range({households})")
        for table, rows in TOWN.items():
            connection.execute(f"COPY ({rows}) TO '{folder / f'{table}.parquet'}' (FORMAT parquet)")


if __name__ == "__main__":
    print(told())
