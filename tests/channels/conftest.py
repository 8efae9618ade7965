"""A real Request Tracker for each worker of the run, and short pauses between attempts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faulty_proxy import FaultyProxy, all_faults_happen
from tests.support.request_tracker import RequestTracker, RequestTrackerUnavailableError, prepare, running


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.http.PAUSES", (0.01, 0.01))


@pytest.fixture(scope="session")
def request_tracker_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every RT of the run is copied from, made once for all workers."""
    base = tmp_path_factory.getbasetemp()
    template = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "request-tracker"
    try:
        prepare(template)
    except RequestTrackerUnavailableError as reason:
        pytest.skip(f"no Request Tracker here: {reason}")
    return template


@pytest.fixture(scope="session")
def request_tracker(
    request_tracker_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RequestTracker]:
    """The worker's own RT, because tests stop it."""
    with running(request_tracker_template, tmp_path_factory.getbasetemp() / "request-tracker-copy") as tracker:
        yield tracker


@pytest.fixture
def rt_proxy(request_tracker: RequestTracker) -> Iterator[FaultyProxy]:
    """A proxy in front of RT. Every planned fault must have happened by the end of the test."""
    with all_faults_happen(request_tracker.url) as proxy:
        yield proxy
