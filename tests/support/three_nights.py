"""Three nights of a small town in which everything happens that a run may have to tell the queue."""

from __future__ import annotations

from pathlib import Path

from tests.support.towns import DAY, HOUR, NOON, Town, uid, write_csv

NIGHTS = ("2026-02-03T03:00:00Z", "2026-02-04T03:00:00Z", "2026-02-05T03:00:00Z", "2026-02-06T03:00:00Z")
"""The first night finds everything new; on the second things are fixed, worse and new; on the third back and better.

On the fourth nothing has changed.
"""
TICKETS = (5, 6, 6, 6)
"""How many tickets there are after each night: the removals are one case, which the second night adds to."""
POLICY = "[volume]\ndrop_percent = 50\nstate_percent = 50\n"
"""A third of its families leave from one night to the next, and that is so."""
_DOUBLE = (27, 30, 20, 20)


def write_source(folder: Path, night: int) -> str:
    """The town of a night (from 0) as CSV files in `folder`."""
    town = Town()
    for name in ("oak", "elm", "cherry", "birch"):
        town.family(name, *(f"{name} {person}" for person in ("ann", "bob", "cy")))
    if night != 1:
        town.home("oak")["leader_id"] = None
    town.home("elm")["leader_id"] = None
    if night:
        for number in range(4):
            town.member("elm", f"elm cousin {number}")
        town.home("birch")["leader_id"] = uid("a stranger")
    for gone in ("cherry bob", "cherry cy")[: 2 if night else 1]:
        town.event("household_left", "cherry", gone, was_leader=False)
    for day in (0, 2) if night > 1 else (0,):
        for number in range(11):
            town.event("household_created", f"many {day} {number}", "mia", at=NOON + day * DAY + number * HOUR / 6)
    for number in range(_DOUBLE[night]):
        town.family(f"double {number}", f"leader {number}", f"twin {number}")
        town.member(f"double {number}", f"twin {number}", at=NOON - DAY)
        town.event("pet_activity_logged", f"double {number}", f"leader {number}")
    folder.mkdir()
    return str(write_csv(folder, town.tables()))
