"""What a scan costs on Spark beside DuckDB, on the same folder of Parquet files: python -m benchmarks.lake FOLDER AS_OF.

The server is Sail, in a process of its own. With HEARTHWATCH_BENCH_SPARK=sc://HOST:PORT/ it is another one that reads the folder.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.support.lake import sail

SERVER = "HEARTHWATCH_BENCH_SPARK"


def _serve(told: Connection) -> None:
    with sail() as url:
        told.send(url)
        told.recv()


@contextmanager
def served() -> Iterator[str]:
    """The address of a server, as --source takes it before `;folder=…`."""
    if named := os.environ.get(SERVER):
        yield f"spark:{named}"
        return
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,))
    process.start()
    try:
        yield here.recv()
    finally:
        here.send(None)
        process.join()


def cost(source: str, as_of: str) -> tuple[dict[str, Any], float, float]:
    """A scan as a process of its own: its document, its seconds with start and end, and its peak memory in megabytes."""
    with tempfile.NamedTemporaryFile() as answer:
        program = [sys.executable, "-m", "cli", "scan", "--source", source, "--as-of", as_of, "--format", "json"]
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


def main(folder: Path, as_of: str) -> None:
    with served() as server:
        for name, source in (("duckdb", str(folder)), ("spark", f"{server};folder={folder.absolute()}")):
            document, seconds, peak = cost(source, as_of)
            found, failed = (
                len(document["findings"]),
                [e["detector"] for e in document["coverage"] if e["status"] == "failed"],
            )
            print(
                f"{name:8} {seconds:7.1f} s  our peak {peak:5.0f} MB  {found} findings  failed: {', '.join(failed) or 'none'}"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
