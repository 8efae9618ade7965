"""A statement about any number of ids has no parameter for each: servers take 65,535 of them."""

from __future__ import annotations

import uuid

from sqlalchemy import func, select

from detectors.cases.rows import users_by_id
from detectors.source import SourceMapping, open_source
from tests.support.towns import Scanner, Town, uid

MANY = [str(uuid.UUID(int=number)) for number in range(70_000)]


def test_seventy_thousand_ids_are_asked_for_at_once(scanner: Scanner) -> None:
    town = Town()
    town.family("oak", "anna", "ben")
    town.session("phone", "anna")
    town.account("anna")
    with open_source(scanner.open_town(town.tables()), SourceMapping()) as source:
        tables = source.tables
        conditions = (
            (tables["households"], tables.households_in(tables["households"].c.id, [*MANY, uid("oak")])),
            (tables["users"], tables.users_in(tables["users"].c.id, [*MANY, uid("anna")])),
            (tables["sessions"], tables.ids_in(tables["sessions"].c.id, [*MANY, uid("phone")])),
        )
        for table, condition in conditions:
            (row,) = source.rows(select(func.count().label("rows")).select_from(table).where(condition), "test")
            assert row["rows"] == 1
        assert list(users_by_id(source, [*MANY, uid("anna")])) == [uid("anna")]
