"""The town of the data-integrity tests: two sound families."""

from __future__ import annotations

import pytest

from tests.support.towns import Town


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    town.family("elm", "dora", "emil")
    return town
