"""Names as SQL writes them."""

from __future__ import annotations

from sqlalchemy.dialects.postgresql import dialect

_PREPARER = dialect(paramstyle="named").identifier_preparer  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


def quoted(*names: str) -> str:
    """The names, parted by dots, each in quotes where PostgreSQL needs them; empty ones are left out."""
    return ".".join(_PREPARER.quote(name) for name in names if name)
