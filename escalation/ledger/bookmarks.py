"""The bookmark of the last complete look at changes: what the next one compares with."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from escalation.ledger.schema import BOOKMARKS


class BookmarksPart:
    """What can be read and written of the bookmark in one transaction."""

    _connection: Connection

    def bookmark(self) -> str | None:
        """The bookmark as it was kept, if there is one."""
        told: str | None = self._connection.scalar(select(BOOKMARKS.c.told))
        return told

    def keep_bookmark(self, told: str, as_of: datetime) -> None:
        """Keep this bookmark in place of the one before."""
        self.drop_bookmark()
        self._connection.execute(insert(BOOKMARKS).values(id=1, as_of=as_of, told=told))

    def drop_bookmark(self) -> None:
        """Have the next look read everything."""
        self._connection.execute(delete(BOOKMARKS))
