"""How far the audit table of a source reached, in a line."""

from __future__ import annotations

from datetime import datetime

from detectors.contract import Window
from detectors.text.wording import count, stamp


def trail_ended(window: Window, reached: datetime | None, *, audited: bool) -> str | None:
    """What to say where nothing of the window could be seen: the newest audit row `reached` lies before it."""
    if audited and reached is None:
        return "The audit table has no row at or before this run's time: nothing that happened could be seen."
    if reached is not None and reached < window.start:
        days = count((window.end - reached).days, "day")
        return (
            f"The trail ended: the newest audit row is of {stamp(reached)}, {days} before the window's end, "
            "so nothing of the window was seen. Is the source still written to?"
        )
    return None
