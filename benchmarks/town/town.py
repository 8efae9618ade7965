"""A generated town: its rows, its truth, and the ways to write it down."""

from __future__ import annotations

import json
import queue
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import numpy as np

from benchmarks.town import postgres
from benchmarks.town.events import picked, story_events
from benchmarks.town.faults import EVERYONE_LEFT, plant
from benchmarks.town.feed import arrivals, home_networks
from benchmarks.town.founding import joined_columns
from benchmarks.town.plot import Plot, Truth
from benchmarks.town.rendering import Renderer, entity_id
from benchmarks.town.requests import make_requests, regenerate_codes
from benchmarks.town.residents import settle
from benchmarks.town.spec import NEVER, Columns, TownSpec
from benchmarks.town.state import state_tables

ROWS_AT_A_TIME = 250_000
EVENTS = "household_events"


class Town:
    """The rows of a town; made by `generate`.

    `truth` maps a detector's id to the subjects that it must find, and nothing else may be found by the detectors
    named in `faults`. It lists what each rule sees by itself: where one finding explains another, both are there.
    """

    def __init__(self, spec: TownSpec) -> None:
        self.spec = spec
        self.truth: Truth
        residents = settle(spec)
        codes = regenerate_codes(residents)
        requests = make_requests(residents, codes)
        plot = Plot(
            spec,
            next_household=spec.households,
            next_user=residents.next_user,
            next_member=len(residents.members["user"]),
            next_request=len(requests["user"]),
            next_code=spec.households + len(codes.household),
        )
        plant(plot)
        deserted = np.flatnonzero(residents.deserted < NEVER)
        everyone_left = [{"household_id": entity_id(spec.seed, "h", int(number))} for number in deserted]
        plot.truth[EVERYONE_LEFT] = everyone_left + plot.truth[EVERYONE_LEFT]
        self.truth = dict(sorted(plot.truth.items()))
        self._story = joined_columns([story_events(residents, requests, codes), *plot.events()])
        self._state = state_tables(residents, requests, codes, plot.columns())
        self._networks = home_networks(residents, plot.next_user)
        for sessions in self._state["sessions"]:
            sessions["network"] = self._networks[sessions["user"]]
        self._residents = residents

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """All rows as dictionaries, for towns that fit: ids as text, times aware, metadata as a dictionary."""
        renderer = self._renderer()
        rows: dict[str, list[dict[str, Any]]] = {}
        for table, columns in self._chunks():
            rows.setdefault(table, []).extend(renderer.rows(table, columns))
        for table_rows in rows.values():
            for row in table_rows:
                for key, value in row.items():
                    if key == "metadata":
                        row[key] = json.loads(value)
                    elif isinstance(value, UUID):
                        row[key] = str(value)
        return rows

    def write_folder(self, path: Path, format: Literal["csv", "parquet"] = "parquet") -> None:
        """Write one file for each table, and truth.json; the folder is made where needed."""
        path.mkdir(parents=True, exist_ok=True)
        renderer = self._renderer()
        with tempfile.TemporaryDirectory(dir=path) as scratch:
            parts: dict[str, list[Path]] = {}
            for number, (table, columns) in enumerate(self._chunks()):
                part = Path(scratch) / f"{number}.{format}"
                renderer.write(table, columns, part, parquet=format == "parquet")
                if format == "parquet":
                    parts.setdefault(table, []).append(part)
                else:
                    _append_csv(part, path / f"{table}.csv", first=table not in parts)
                    parts.setdefault(table, [])
            for table, files in parts.items():
                if format == "parquet":
                    renderer.merge_parquet(files, path / f"{table}.parquet")
        self.write_truth(path / "truth.json")

    def write_truth(self, path: Path) -> None:
        """Write the truth as JSON."""
        path.write_text(json.dumps(self.truth, indent=1) + "\n", encoding="utf-8")

    def load_postgres(
        self, url: str, *, unique: bool = True, progress: Callable[[str], None] = lambda message: None
    ) -> None:
        """Create and fill the app's tables in an empty database; `unique=False` leaves the UNIQUE constraints out.

        Raises ValueError for planted duplicates under `unique`, and psycopg.Error.
        """
        if unique and self.spec.duplicates:
            raise ValueError("planted duplicate members need unique=False")
        with tempfile.TemporaryDirectory() as scratch:
            postgres.load(
                url, lambda copy: self._write_csv_parts(Path(scratch), copy, progress), unique=unique, progress=progress
            )

    def _renderer(self) -> Renderer:
        return Renderer(self.spec.seed, self.spec.households)

    def _chunks(self) -> Iterator[tuple[str, Columns]]:
        """Every table's rows in order, in chunks that fit into memory."""
        for table, parts in self._state.items():
            for columns in parts:
                for begin in range(0, len(columns["id"]), ROWS_AT_A_TIME):
                    yield table, picked(columns, slice(begin, begin + ROWS_AT_A_TIME))
        for day in arrivals(self._residents, self._story, self._networks):
            for begin in range(0, len(day["id"]), ROWS_AT_A_TIME):
                yield EVENTS, picked(day, slice(begin, begin + ROWS_AT_A_TIME))

    def _write_csv_parts(
        self, scratch: Path, consume: Callable[[str, Path], None], progress: Callable[[str], None]
    ) -> None:
        """Render in a thread of its own, two chunks ahead of whoever consumes them."""
        ready: queue.Queue[tuple[str, Path] | BaseException | None] = queue.Queue(maxsize=2)
        abandoned = threading.Event()

        def render() -> None:
            try:
                renderer = self._renderer()
                for number, (table, columns) in enumerate(self._chunks()):
                    if abandoned.is_set():
                        return
                    part = scratch / f"{number}.csv"
                    renderer.write(table, columns, part)
                    ready.put((table, part))
                ready.put(None)
            except BaseException as error:
                ready.put(error)

        worker = threading.Thread(target=render, daemon=True)
        worker.start()
        try:
            while (item := ready.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                progress(f"loading {item[0]}")
                consume(*item)
                item[1].unlink()
        finally:
            abandoned.set()
            while worker.is_alive():
                _drain(ready)
                worker.join(timeout=0.1)


def _drain(ready: queue.Queue[Any]) -> None:
    while not ready.empty():
        ready.get_nowait()


def _append_csv(part: Path, whole: Path, *, first: bool) -> None:
    with part.open("rb") as source, whole.open("wb" if first else "ab") as target:
        if not first:
            source.readline()
        shutil.copyfileobj(source, target)
    part.unlink()


def generate(spec: TownSpec) -> Town:
    """The town of a spec; events are made while they are written, all else is in memory afterwards."""
    return Town(spec)
