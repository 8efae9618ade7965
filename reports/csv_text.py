"""Tables as CSV: for attachments and for programs. A cell that a spreadsheet would take for a formula is defused."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from reports.message import Table
from reports.neutral import for_csv


def render(table: Table) -> str:
    """`table` as CSV with its columns' names in the first line."""
    return write(table.columns, table.rows)


def write(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The columns' names, then the rows, each on one line that ends in a line feed."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([for_csv(column) for column in columns])
    writer.writerows([for_csv(cell) for cell in row] for row in rows)
    return out.getvalue()
