"""What doctor says of a Spark Connect server."""

from __future__ import annotations
from collections.abc import Iterator
from typing import TYPE_CHECKING
from detectors.source.base import Check
if TYPE_CHECKING:
    from detectors.source.spark.source import SparkSource

def server_checks(source: SparkSource) -> Iterator[Check]:
    yield Check("ok", "server", f"Spark {source.server['version']}")
