"""What a scan does to others while it runs: to the server's other statements, and to Python's search for garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from detectors.source import Source


@contextmanager
def ended_at_once(source: Source) -> Iterator[None]:
    """What ends a scan ends its other statements too: nobody waits for their rows any more."""
    try:
        yield
    except BaseException:
        source.cancel()
        raise


@contextmanager
def few_collections() -> Iterator[None]:
    """Rows are made by the hundred thousand and hold no cycles: looking for garbage among them is time lost."""
    before = gc.get_threshold()
    if gc.isenabled():
        gc.set_threshold(max(before[0], 100_000), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
