"""The tools side by side: how each is started, and where its counts are read."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
PEERS = REPOSITORY / ".venv-peers"

QUIET = {
    "DO_NOT_TRACK": "1",
    "SODA_CORE_TELEMETRY_ENABLED": "false",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "GX_ANALYTICS_ENABLED": "false",
}
"""No tool may report on its use while it is measured, or ever from here."""


@dataclass(frozen=True)
class Answer:
    """What a tool of which version counted for each of the nine checks (None: it has nothing that looks), and in all."""

    version: str
    counts: Mapping[str, int | None]
    checks: int
    findings: int


@dataclass(frozen=True)
class Tool:
    """One contestant. `command` takes the job's file and the answer's and gives the command line."""

    name: str
    command: Callable[[Path, Path], Sequence[str]]
    read: Callable[[Path], Answer]
    yardstick: bool = False
    """Whether it is one of those that Hearthwatch is compared with."""
    accepted: tuple[int, ...] = (0,)
    variants_of: str | None = None
    """Variants of one tool are run each and only the fastest is reported, under this name."""
    prepare: Callable[[Path], None] = field(default=lambda _: None)
    """Writes the tool's own files, before anything is measured."""

    @property
    def entry(self) -> str:
        return self.variants_of or self.name


def environment() -> dict[str, str]:
    return {**os.environ, **QUIET}


def tools() -> tuple[Tool, ...]:
    return (
        Tool("plain SQL", _script(Path(sys.executable), "run_plain.py"), _answer, yardstick=True),
        Tool("Soda Core", _script(_python("soda"), "run_soda.py"), _answer, yardstick=True),
        *(
            Tool(
                f"dbt test, {threads} thread{'s' if threads > 1 else ''}",
                _dbt(threads),
                _dbt_answer,
                yardstick=True,
                accepted=(0, 1),
                variants_of="dbt test",
                prepare=_dbt_project,
            )
            for threads in (1, 2)
        ),
        Tool("great_expectations", _script(_python("great_expectations"), "run_great_expectations.py"), _answer),
        Tool("pandas", _script(Path(sys.executable), "run_pandas.py"), _answer),
        Tool(NINE_DETECTORS, _hearthwatch("nine"), _answer),
        Tool(WHOLE_CATALOGUE, _hearthwatch(), _answer),
    )


NINE_DETECTORS = "Hearthwatch, these checks"
WHOLE_CATALOGUE = "Hearthwatch, everything"


def _python(environment: str) -> Path:
    return PEERS / environment / "bin" / "python"


def _script(python: Path, name: str) -> Callable[[Path, Path], Sequence[str]]:
    # -P: the folder of the script must not come before the tool's own packages.
    return lambda job, answer: (str(python), "-P", str(HERE / name), str(job), str(answer))


def _hearthwatch(*options: str) -> Callable[[Path, Path], Sequence[str]]:
    module = (sys.executable, "-m", "benchmarks.peers.run_hearthwatch")
    return lambda job, answer: (*module, str(job), str(answer), *options)


def _answer(file: Path) -> Answer:
    said = json.loads(file.read_text())
    if said.get("failed"):
        raise RuntimeError(f"{said['version']}: failed: {', '.join(said['failed'])}")
    counts: dict[str, int | None] = said["counts"]
    return Answer(
        said["version"],
        counts,
        said.get("detectors", len(counts)),
        said.get("findings", sum(filter(None, counts.values()))),
    )


def _dbt(threads: int) -> Callable[[Path, Path], Sequence[str]]:
    def command(job: Path, answer: Path) -> Sequence[str]:
        project = str(job.parent / "dbt")
        dbt = str(PEERS / "dbt" / "bin" / "dbt")
        places = ("--project-dir", project, "--profiles-dir", project, "--target-path", str(answer))
        return (dbt, "test", *places, "--log-path", str(answer), "--threads", str(threads))

    return command


def _dbt_project(job_file: Path) -> None:
    """A project of nine singular tests. Nothing is stored: a test's statement is wrapped into a count."""
    job = json.loads(job_file.read_text())
    project = job_file.parent / "dbt"
    (project / "tests").mkdir(parents=True, exist_ok=True)
    connection = {name: job["connection"][name] for name in ("host", "port", "user", "password", "dbname")}
    output: dict[str, Any] = {"type": "postgres", "schema": "public", **connection}
    # JSON is YAML.
    (project / "dbt_project.yml").write_text(json.dumps({"name": "nine_checks", "version": "1.0", "profile": "town"}))
    (project / "profiles.yml").write_text(json.dumps({"town": {"target": "it", "outputs": {"it": output}}}))
    for name, statement in job["checks"].items():
        (project / "tests" / f"{name}.sql").write_text(statement)


def _dbt_answer(folder: Path) -> Answer:
    said = json.loads((folder / "run_results.json").read_text())
    broken = [result["unique_id"] for result in said["results"] if result["status"] == "error"]
    if broken:
        raise RuntimeError(f"dbt: failed: {', '.join(broken)}")
    counts = {result["unique_id"].split(".")[2]: result["failures"] for result in said["results"]}
    return Answer(f"dbt-core {said['metadata']['dbt_version']}", counts, len(counts), sum(counts.values()))
