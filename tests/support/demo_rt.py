"""python -m tests.support.demo_rt [TEMPLATE]: the demo's two nights, filed into a throwaway Request Tracker that is open to look at.

Needs request-tracker5, rt5-db-sqlite and rt5-standalone of Debian. Nothing is left behind.
TEMPLATE is a folder that `prepare` has made before, which spares the ten seconds of setting one up.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from channels.open_queue import RT_TOKEN
from tests.support.request_tracker import (
    PERSON,
    PERSON_PASSWORD,
    RequestTracker,
    RequestTrackerUnavailableError,
    prepare,
    running,
)

PROGRAM = Path(sys.executable).parent / "hearthwatch"
DEMO = Path(__file__).parents[2] / "fixtures" / "demo"
NIGHTS = (("night-1", "2026-02-03T03:00:00Z"), ("night-2", "2026-02-04T03:00:00Z"))


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="hearthwatch-rt-") as folder:
        place = Path(folder)
        template = Path(sys.argv[1]) if sys.argv[1:] else place / "template"
        print("Setting up a Request Tracker of its own (about ten seconds) ...", flush=True)
        try:
            prepare(template)
        except RequestTrackerUnavailableError as error:
            raise SystemExit(f"no Request Tracker here: {error}") from None
        with running(template, place / "tracker") as tracker:
            _play(tracker, place)
            print(f"\nLook at {tracker.url} as {PERSON}, password {PERSON_PASSWORD}. Enter ends it all.", flush=True)
            sys.stdin.readline()


def _play(tracker: RequestTracker, place: Path) -> None:
    """Two nights; in between somebody takes one ticket and calls another one resolved that is not."""
    ledger, queue = f"sqlite:///{place / 'hearthwatch.db'}", f"rt:{tracker.url}/"
    for night, as_of in NIGHTS:
        print(f"\n=== {night}: hearthwatch run --queue {queue} --as-of {as_of}", flush=True)
        subprocess.run(
            [PROGRAM, "run", "--source", DEMO / night, "--as-of", as_of, "--ledger", ledger, "--queue", queue],
            env={"PATH": "/usr/bin:/bin", RT_TOKEN: tracker.token},
            check=True,
        )
        if night == "night-1":
            tracker.person_does("POST", "/ticket/2/correspond", Content="I am at it.", ContentType="text/plain")
            tracker.person_does("PUT", "/ticket/2", Owner=PERSON, Status="open")
            tracker.person_does("PUT", "/ticket/3", Status="resolved")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
