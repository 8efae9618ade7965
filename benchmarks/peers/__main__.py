"""Nine checks by other tools, by plain SQL, by pandas and by Hearthwatch, side by side on one PostgreSQL.

    python -m benchmarks.peers --postgres URL [--as-of TIME] [--rounds N]

Each tool runs as a process of its own with its own defaults, one after the other, for several rounds. Printed are wall
seconds from the start of the process to its end, CPU seconds of the server's processes in the fastest round, the largest
peak memory of the client, what each tool counted for each check, and how Hearthwatch compares with the fastest of plain
SQL, Soda and dbt. Exits with 1 if the counts differ. Nothing is written to the database.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from benchmarks.night import connected, last_night
from benchmarks.peers.checks import CREATIONS_PER_DAY, REMOVALS_PER_DAY, Night, nine_checks
from benchmarks.peers.measure import Cost, LocalServer, local_server, run
from benchmarks.peers.tools import NINE_DETECTORS, WHOLE_CATALOGUE, Answer, Tool, environment, tools


@dataclass(frozen=True)
class Entry:
    """All rounds of one tool."""

    tool: Tool
    answer: Answer
    costs: tuple[Cost, ...]

    @property
    def best(self) -> Cost:
        return min(self.costs, key=lambda cost: cost.wall)

    @property
    def middle(self) -> float:
        return median(cost.wall for cost in self.costs)


@dataclass(frozen=True)
class Bystanders:
    """After how many runs somebody else was seen busy on the server, and the highest load average of the machine."""

    seen: int
    load: float


def main() -> None:
    arguments = _arguments()
    with connected(arguments.postgres) as connection, tempfile.TemporaryDirectory() as folder:
        night = Night((arguments.as_of or last_night(connection)).astimezone(UTC))
        job = Path(folder) / "job.json"
        job.write_text(json.dumps(_job(arguments.postgres, connection, night)))
        server = local_server(connection)
        entries, bystanders = measure(tools(), job, arguments.rounds, server, connection)
    print(f"night of {night.start:%Y-%m-%d} (UTC), as of {night.as_of.isoformat()}, {arguments.rounds} rounds")
    print_costs(entries)
    agree = print_counts(entries)
    print_ratios(entries)
    print(f"load of the machine's {os.cpu_count()} processors: up to {bystanders.load:.1f}")
    if bystanders.seen:
        print(
            f"other clients were busy on the same server after {bystanders.seen} runs: its CPU seconds include theirs"
        )
    sys.exit(0 if agree else 1)


def _job(url: str, connection: psycopg.Connection, night: Night) -> dict[str, Any]:
    info = connection.info
    return {
        "url": url,
        "connection": {
            "host": info.host,
            "port": info.port,
            "user": info.user,
            "password": info.password,
            "dbname": info.dbname,
        },
        "checks": nine_checks(night),
        "creations_per_day": CREATIONS_PER_DAY,
        "removals_per_day": REMOVALS_PER_DAY,
        **{name: getattr(night, name).isoformat() for name in ("as_of", "start", "end", "since", "settled")},
    }


def measure(
    contestants: Sequence[Tool], job: Path, rounds: int, server: LocalServer | None, connection: psycopg.Connection
) -> tuple[list[Entry], Bystanders]:
    """The tools in turn, `rounds` times; of variants only the fastest is kept."""
    costs: dict[str, list[Cost]] = {tool.name: [] for tool in contestants}
    answers: dict[str, Answer] = {}
    seen, load = 0, 0.0
    for tool in contestants:
        tool.prepare(job)
    for number in range(1, rounds + 1):
        for tool in contestants:
            answer = job.with_name(tool.name.replace(" ", "_"))
            cost = run(
                tool.command(job, answer), environment(), job.with_suffix(".log"), server, accepted=tool.accepted
            )
            seen += _others_are_busy(connection)
            load = max(load, os.getloadavg()[0])
            costs[tool.name].append(cost)
            answers[tool.name] = tool.read(answer)
            print(f"round {number}: {cost.wall:7.2f} s  {tool.name}", file=sys.stderr)
    entries = [Entry(tool, answers[tool.name], tuple(costs[tool.name])) for tool in contestants]
    fastest: dict[str, Entry] = {}
    for entry in entries:
        rival = fastest.get(entry.tool.entry)
        if rival is None or entry.best.wall < rival.best.wall:
            fastest[entry.tool.entry] = entry
    return list(fastest.values()), Bystanders(seen, load)


def print_costs(entries: Sequence[Entry]) -> None:
    rows = [("tool", "checks", "best s", "median s", "server CPU s", "peak MB", "findings", "version")]
    for entry in entries:
        cpu = entry.best.server_cpu
        rows.append(
            (
                entry.tool.name,
                str(entry.answer.checks),
                f"{entry.best.wall:.2f}",
                f"{entry.middle:.2f}",
                "n/a" if cpu is None else f"{cpu:.2f}",
                f"{max(cost.peak_mb for cost in entry.costs):.0f}",
                f"{entry.answer.findings:,}",
                entry.answer.version,
            )
        )
    _print_table(rows, left={0, 7})


def print_counts(entries: Sequence[Entry]) -> bool:
    """What each tool counted for each check; true if nobody contradicts anybody."""
    rows = [("counted", *(entry.tool.entry for entry in entries), "")]
    agree = True
    for check in entries[0].answer.counts:
        counts = [entry.answer.counts.get(check) for entry in entries]
        same = len({number for number in counts if number is not None}) <= 1
        agree = agree and same
        rows.append(
            (check, *("-" if number is None else f"{number:,}" for number in counts), "" if same else "DIFFERENT")
        )
    _print_table(rows, left={0, len(entries) + 1})
    for entry in entries:
        silent = [check for check, number in entry.answer.counts.items() if number is None]
        if silent:
            print(f"{entry.tool.name} has nothing that looks for: {', '.join(silent)}")
    return agree


def print_ratios(entries: Sequence[Entry]) -> None:
    yardstick = min((entry for entry in entries if entry.tool.yardstick), key=lambda entry: entry.best.wall)
    print(f"yardstick: {yardstick.tool.name}, the fastest of plain SQL, Soda and dbt")
    by_name: Mapping[str, Entry] = {entry.tool.name: entry for entry in entries}
    for name in (NINE_DETECTORS, WHOLE_CATALOGUE):
        best = by_name[name].best.wall / yardstick.best.wall
        middle = by_name[name].middle / yardstick.middle
        ours, theirs = by_name[name].best.server_cpu, yardstick.best.server_cpu
        cpu = f", {ours / theirs:.2f} (server CPU)" if ours is not None and theirs else ""
        print(f"  {name} / yardstick: {best:.2f} (best rounds), {middle:.2f} (medians){cpu}")


def _print_table(rows: Sequence[Sequence[str]], *, left: set[int]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    print()
    for row in rows:
        cells = (
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(cells).rstrip())
    print()


def _others_are_busy(connection: psycopg.Connection) -> bool:
    others = connection.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()"
    ).fetchone()
    connection.rollback()
    return bool(others and others[0])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.peers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--postgres", required=True, metavar="URL", help="a database with the app's tables in public")
    parser.add_argument("--as-of", type=_moment, metavar="TIME", help="the moment of the scan, with its UTC offset")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} has no UTC offset")
    return moment


if __name__ == "__main__":
    main()
