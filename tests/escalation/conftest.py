"""A town for tests that play nights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from escalation.ledger.ledger import open_ledger
from tests.escalation.town import Town


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        yield Town(ledger)
