"""What a scan costs on Spark beside DuckDB, on the same folders of Parquet files: towns of several sizes, servers of several workers.

    python -m benchmarks.lake [--households N]… [--workers N]… [--keep FOLDER]

The servers are Sail, in a process of its own, and Apache Spark where it is (see tests/support/apache_spark.py), as it is set by itself and
as it is set for the tests' small tables.
A server begins with the smallest town, so that what it costs to warm up is in that row. The processor's seconds are the
steadier figure where other programs use the machine.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click

from benchmarks.town import generate
from benchmarks.town.spec import PRESETS, TownSpec
from tests.support.apache_spark import QUICK, Served, apache_spark, why_not
from tests.support.lake import sail, without_uuids

_FAULTS = 3
"""Cases of each planted fault, in a town of any size."""


def _serve(told: Connection, workers: int) -> None:
    os.environ["SAIL_EXECUTION__DEFAULT_PARALLELISM"] = str(workers)
    with sail() as url:
        told.send(url)
        told.recv()


@contextmanager
def _sail_apart(workers: int) -> Iterator[Served]:
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, workers))
    process.start()
    try:
        yield Served(here.recv(), process.pid or 0)
    finally:
        here.send(None)
        process.join()


def _worked(pid: int) -> float:
    """The processor's seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak(pid: int) -> float:
    """The most memory that a process has held, in megabytes."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """What a scan as a process of its own took: seconds with start and end, the processor's own, and peak memory in megabytes."""

    seconds: float
    worked: float
    peak: float


def cost(source: str, as_of: datetime) -> tuple[dict[str, Any], Cost]:
    """A scan as a process of its own: its document, and what it took here."""
    with tempfile.NamedTemporaryFile() as answer:
        asked = ["scan", "--source", source, "--as-of", as_of.isoformat(), "--format", "json"]
        program = [sys.executable, "-m", "cli", *asked]
        streams = [
            (os.POSIX_SPAWN_OPEN, 1, answer.name, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ]
        started = time.perf_counter()
        child = os.posix_spawn(sys.executable, program, os.environ, file_actions=streams)
        _, status, used = os.wait4(child, 0)
        if os.waitstatus_to_exitcode(status) not in (0, 4):
            raise RuntimeError(f"the scan of {source.partition(';')[0]} ended with {os.waitstatus_to_exitcode(status)}")
        document = json.loads(Path(answer.name).read_text())
    seconds = time.perf_counter() - started
    return document, Cost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def town_of(households: int) -> TownSpec:
    """A town in the proportions of the benchmarks' small one: three members and fifteen events a household."""
    small = PRESETS["small"]
    members, requests, events = (
        round(number * households / small.households) for number in (small.members, small.requests, small.events)
    )
    return TownSpec(households, members, requests, events, plant=_FAULTS)


def _write(town: TownSpec, folder: Path) -> None:
    generate(town).write_folder(folder, format="parquet")
    without_uuids(folder)


def measured(name: str, where: str, town: TownSpec, pid: int = 0) -> dict[str, Any]:
    """Scan a town, and print a line; what was found, without what differs from engine to engine."""
    before = _worked(pid) if pid else 0.0
    document, took = cost(where, town.as_of)
    there = f"  there {_worked(pid) - before:6.0f} s of processor, peak {_peak(pid):5.0f} MB" if pid else ""
    failed = [entry["detector"] for entry in document["coverage"] if entry["status"] == "failed"]
    told = f"  failed: {', '.join(failed)}" if failed else ""
    print(
        f"{town.households:>9,} households {town.events:>10,} events  {name:33} {took.seconds:6.0f} s"
        f"  here {took.worked:5.0f} s of processor, peak {took.peak:4.0f} MB{there}"
        f"  {len(document['findings'])} findings{told}",
        flush=True,
    )
    return {"findings": document["findings"], "coverage": document["coverage"]}


@click.command()
@click.option("--households", "sizes", type=int, multiple=True, default=(2_000, 20_000, 200_000), show_default=True)
@click.option("--workers", type=int, multiple=True, default=(1, 2, 4), show_default=True)
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Where the towns stay for another time.")
def main(sizes: Sequence[int], workers: Sequence[int], keep: Path | None) -> None:
    """Scan towns of growing size by DuckDB and by servers of Spark Connect."""
    with tempfile.TemporaryDirectory() as temporary:
        towns = {}
        for town in map(town_of, sizes):
            folder = (keep or Path(temporary)).absolute() / str(town.households)
            if not folder.exists():
                # In a process of its own: a program begins with the peak memory of the one that starts it.
                writing = get_context("spawn").Process(target=_write, args=(town, folder))
                writing.start()
                writing.join()
            towns[folder] = town
        _measure(towns, workers)


def _measure(towns: dict[Path, TownSpec], workers: Sequence[int]) -> None:
    here = {folder: measured("DuckDB", str(folder), town) for folder, town in towns.items()}
    servers: dict[str, Callable[[int], AbstractContextManager[Served]]] = {"Sail": _sail_apart}
    if not why_not():
        servers["Spark"] = apache_spark
        servers["Spark for small tables"] = partial(apache_spark, settings=QUICK)
    for name, start in servers.items():
        for number in workers:
            with start(number) as server:
                for folder, town in towns.items():
                    where = f"{server.url};folder={folder}"
                    if measured(f"{name}, {number} workers", where, town, server.pid) != here[folder]:
                        print("          this differs from what DuckDB found", flush=True)
    if why_not():
        print(f"Apache Spark was not measured: {why_not()}")


if __name__ == "__main__":
    main()
