"""What a scan costs on Spark beside DuckDB, on the same folders of Parquet files: towns of several sizes, servers of several workers.

    python -m benchmarks.lake [--households N]… [--workers N]… [--keep FOLDER]

The servers are Sail, in a process of its own, and Apache Spark where SPARK_HOME names it (see tests/support/apache_spark.py).
A server begins with the smallest town, so that what it costs to warm up is in that row. HEARTHWATCH_BENCH_SPARK=sc://HOST:PORT/
is a server in place of these, which can read FOLDER.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click

from benchmarks.town import generate
from benchmarks.town.spec import PRESETS, TownSpec
from tests.support.apache_spark import apache_spark, why_not
from tests.support.lake import sail

SERVER = "HEARTHWATCH_BENCH_SPARK"
_FAULTS = 3
"""Cases of each planted fault, in a town of any size."""


def _serve(told: Connection, workers: int) -> None:
    os.environ["SAIL_EXECUTION__DEFAULT_PARALLELISM"] = str(workers)
    with sail() as url:
        told.send(url)
        told.recv()


@contextmanager
def _sail_apart(workers: int) -> Iterator[str]:
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, workers))
    process.start()
    try:
        yield here.recv()
    finally:
        here.send(None)
        process.join()


@contextmanager
def _named(_: int) -> Iterator[str]:
    yield f"spark:{os.environ[SERVER]}"


def cost(source: str, as_of: datetime) -> tuple[dict[str, Any], float, float]:
    """A scan as a process of its own: its document, its seconds with start and end, and its peak memory in megabytes."""
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
        if os.waitstatus_to_exitcode(status) != 0:
            raise RuntimeError(f"the scan of {source.partition(';')[0]} ended with {os.waitstatus_to_exitcode(status)}")
        document = json.loads(Path(answer.name).read_text())
    return document, time.perf_counter() - started, used.ru_maxrss / 1024


def town_of(households: int) -> TownSpec:
    """A town in the proportions of the benchmarks' small one: three members and fifteen events a household."""
    small = PRESETS["small"]
    times = households / small.households
    sizes = (round(number * times) for number in (small.members, small.requests, small.events))
    return TownSpec(households, *sizes, plant=_FAULTS)


def measured(name: str, where: str, town: TownSpec) -> dict[str, Any]:
    """Scan a town, and print a line; what was found, without what differs from engine to engine."""
    document, seconds, peak = cost(where, town.as_of)
    failed = [entry["detector"] for entry in document["coverage"] if entry["status"] == "failed"]
    told = f"  failed: {', '.join(failed)}" if failed else ""
    print(
        f"{town.households:>9,} households {town.events:>11,} events  {name:16} {seconds:7.1f} s  our peak {peak:4.0f} MB"
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
                generate(town).write_folder(folder, format="parquet")
            towns[folder] = town
        _measure(towns, workers)


def _measure(towns: dict[Path, TownSpec], workers: Sequence[int]) -> None:
    here = {folder: measured("DuckDB", str(folder), town) for folder, town in towns.items()}
    servers = {"Sail": _sail_apart} if why_not() else {"Sail": _sail_apart, "Spark": apache_spark}
    for name, server in ({"Spark": _named} if SERVER in os.environ else servers).items():
        for number in workers:
            with server(number) as url:
                for folder, town in towns.items():
                    there = measured(f"{name}, {number} workers", f"{url};folder={folder}", town)
                    if there != here[folder]:
                        print("          this differs from what DuckDB found", flush=True)
    if not os.environ.get(SERVER) and why_not():
        print(f"Apache Spark was not measured: {why_not()}")


if __name__ == "__main__":
    main()
