"""A statement with its values written into it says what it says with its values bound, and loads no pandas."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

from sqlalchemy import DateTime, bindparam, create_engine, literal, select

from detectors.source.folder_literals import spelled_out
from tests.reports.hostile import strings

WHEN = datetime(2026, 2, 3, 1, 2, 3, 456789, tzinfo=UTC)


def test_every_text_comes_out_as_it_went_in() -> None:
    texts = [
        one for one, _ in zip(strings(11, 3_000), range(3_000), strict=False) if "\0" not in one and one.isprintable()
    ]
    with create_engine("duckdb:///:memory:").connect() as connection:
        for start in range(0, len(texts), 100):
            some = texts[start : start + 100]
            columns = [literal(one).label(f"c{number}") for number, one in enumerate(some)]
            assert list(connection.execute(spelled_out(select(*columns))).one()) == some
            (found,) = connection.execute(spelled_out(select(literal(some[0]).in_(some[1:]), literal(3)))).all()
            assert found == (some[0] in some[1:], 3)
        when = select(bindparam("at", WHEN, DateTime(timezone=True)))
        assert connection.execute(spelled_out(when)).scalar() == WHEN


def test_looking_a_household_up_loads_no_pandas() -> None:
    program = (
        "import sys; from cli import main\n"
        "try: main(['household', 'nobody', '--source', 'fixtures/demo/night-2', '--as-of', '2026-02-04'])\n"
        "except SystemExit as end: print(end.code, {'pandas', 'alembic', 'detectors.registry'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == "6 set()"
