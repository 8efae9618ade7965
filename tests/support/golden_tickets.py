"""A page for each detector's ticket, from the town in which each finds its case: `python -m tests.support.golden_tickets` writes them.

They are there to be read as the team that gets the ticket reads it: what would you do now, whom would you ask, what do you doubt?
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from escalation.policy.policy import load_policy
from reports import text
from reports.ticket import ticket
from tests.support.every_case import findings_of, whole_town

PAGES = Path(__file__).parent.parent / "reports" / "tickets"


def pages(folder: Path) -> Iterator[tuple[str, str]]:
    """Each page's file name and content; `folder` is for the town's tables."""
    policy = load_policy()
    for detector, finding in sorted(findings_of(folder, whole_town()).items()):
        yield f"{detector}.txt", text.render(ticket(finding, policy, reference=f"hw-{finding.fingerprint[:16]}"))


def main() -> None:
    """Write every page, and remove those of detectors that are no more."""
    PAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        made = dict(pages(Path(folder)))
    for path in PAGES.glob("*.txt"):
        if path.name not in made:
            path.unlink()
    for name, content in made.items():
        (PAGES / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
