"""python -m benchmarks.town: write a town to a folder or load it into PostgreSQL."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import click

from benchmarks.town import PRESETS, generate, preset


@click.command()
@click.option("--size", type=click.Choice(list(PRESETS)), default="tiny", show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--households", type=int, help="Instead of the size's own number; likewise the next four.")
@click.option("--members", type=int)
@click.option("--requests", type=int)
@click.option("--events", type=int)
@click.option("--days", type=int, help="Days that the audit table holds.")
@click.option("--as-of", type=datetime.fromisoformat, help="The town's end, with its UTC offset.")
@click.option("--history-factor", type=int, default=1, show_default=True, help="So many times the days and events.")
@click.option("--plant", type=int, default=0, show_default=True, help="Cases of each planted fault.")
@click.option("--no-unique", is_flag=True, help="Leave out the UNIQUE constraints and plant duplicate members too.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--format", type=click.Choice(["csv", "parquet"]), default="parquet", show_default=True)
@click.option("--postgres", metavar="URL", help="An empty database.")
@click.option("--truth", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the truth list.")
def main(
    size: str,
    seed: int,
    history_factor: int,
    plant: int,
    no_unique: bool,
    folder: Path | None,
    format: Literal["csv", "parquet"],
    postgres: str | None,
    truth: Path | None,
    **shape: Any,
) -> None:
    """Generate a PetForce town, reproducible by its seed."""
    started = time.monotonic()

    def progress(message: str) -> None:
        print(f"{time.monotonic() - started:7.1f} s  {message}", file=sys.stderr)

    chosen = {name: value for name, value in shape.items() if value is not None}
    spec = replace(preset(size, seed=seed, plant=plant, duplicates=no_unique), **chosen).with_history(history_factor)
    town = generate(spec)
    progress("residents are settled")
    if folder:
        town.write_folder(folder, format)
        progress(f"written to {folder}")
    if postgres:
        town.load_postgres(postgres, unique=not no_unique, progress=progress)
        progress("loaded")
    if truth:
        town.write_truth(truth)


main()
