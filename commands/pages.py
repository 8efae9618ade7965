"""The morning page as files: one that somebody asks for, and the folder that a run keeps up to date."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime
from pathlib import Path

import click

from commands.curves import drawn, kept
from commands.desk import pseudonym_key
from commands.failures import exit_code_of
from commands.options import EXIT_FINDINGS, EXIT_INCOMPLETE, EXIT_UNDELIVERED, Settings
from commands.stopping import StoppedError
from escalation.errors import LedgerError
from escalation.ledger.ledger import open_ledger
from escalation.policy.policy import Policy, load_policy
from escalation.views.morning import Morning, morning
from reports import files
from reports.neutral import visible

TONIGHT, INDEX = "tonight.html", "index.html"
NIGHTS_KEPT = 90
"""So many nights' pages stay in the folder; the ledger knows the others, and pages name people's ids."""
_PAGE = re.compile(r"night-(\d{4}-\d{2}-\d{2})\.html")


output_option = click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write to this file, for this user alone, instead of standard output.",
)


def give(output: Path | None, text: str) -> None:
    """Write `text` to a file, whole or not at all, or to standard output. Raises UsageError where the file cannot be written."""
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        files.make_private(output.absolute().parent)
        files.put(output, text.encode())
    except OSError as error:
        raise click.UsageError(f"{output} cannot be written: {error.strerror}") from error


def page_of(
    settings: Settings, policy: Policy, now: datetime, *, trouble: str = "", folder: Path | None = None
) -> tuple[str, Morning]:
    """The page as of `now`, from the ledger and what backtests have left in the pages' `folder`. Raises LedgerError, and UsageError where pseudonyms have no key."""
    # Templates take a tenth of a second to load, and other commands need none.
    from reports.page.hiding import Hiding  # noqa: PLC0415
    from reports.page.render import render  # noqa: PLC0415

    hides = policy.redaction.page
    hiding = Hiding(policy, hides, pseudonym_key(hides, "the page's pictures and lines"))
    with open_ledger(settings.ledger, exclusive=False, create=False) as ledger:
        of = morning(ledger, policy, now)
    curves = drawn(kept(folder), policy) if folder else []
    return render(of, hiding, trouble=trouble, index=INDEX if folder else "", backtests=curves), of


@contextmanager
def paged(settings: Settings, folder: Path | None) -> Iterator[None]:
    """Bring the folder of pages up to date after the run inside, however it ends; that changes nothing of how it ends."""
    trouble = ""
    try:
        yield
    except BaseException as error:
        code = error.exit_code if isinstance(error, StoppedError) else exit_code_of(error)
        if code not in (EXIT_INCOMPLETE, EXIT_UNDELIVERED, EXIT_FINDINGS):
            trouble = f"The run of {settings.moment:%Y-%m-%d %H:%M} failed (exit code {code}): what follows is older."
        raise
    finally:
        if folder is not None:
            renew(settings, folder, trouble)


def renew(settings: Settings, folder: Path, trouble: str = "") -> None:
    """Write the pages as of the settings' moment; what stands in the way is a warning."""
    try:
        policy = load_policy(settings.policy)
        _write_folder(settings, policy, folder, trouble)
    except (click.ClickException, LedgerError, files.OddFileError) as error:
        click.echo(f"warning: no page written: {visible(str(error))}", err=True)
    except OSError as error:
        click.echo(f"warning: {visible(str(folder))}: no page written: {error.strerror}", err=True)


def _write_folder(settings: Settings, policy: Policy, folder: Path, trouble: str) -> None:
    from reports.page.render import render_index  # noqa: PLC0415  # see page_of

    files.make_private(folder)
    files.forget_parts(folder)
    text, of = page_of(settings, policy, settings.moment, trouble=trouble, folder=folder)
    if not trouble:
        files.put(folder / f"night-{settings.moment:%Y-%m-%d}.html", text.encode())
    files.put(folder / TONIGHT, text.encode())
    pages = sorted(_pages(folder), key=lambda page: page[1], reverse=True)
    for name, _ in pages[NIGHTS_KEPT:]:
        (folder / name).unlink(missing_ok=True)
    files.put(folder / INDEX, render_index(pages[:NIGHTS_KEPT], of.nights).encode())


def _pages(folder: Path) -> Iterator[tuple[str, date]]:
    for path in folder.iterdir():
        found = _PAGE.fullmatch(path.name)
        if found and not path.is_symlink() and path.is_file():
            # What is named for a day that never was is somebody else's.
            with suppress(ValueError):
                yield path.name, date.fromisoformat(found[1])
