"""What goes wrong with a ledger or a request about it, known without opening one."""

from __future__ import annotations


class LedgerError(Exception):
    """The ledger cannot be used: one line with the reason and the remedy, without passwords."""


class LedgerUsageError(LedgerError):
    """The ledger is fine, but not what it was asked for: another address or time is needed."""


class NoLedgerError(LedgerUsageError):
    """There is no ledger at `where` yet, and none was to be made."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"there is no ledger at {where}; `hearthwatch run` makes it, or name another one with --ledger"
        )
        self.where = where


class RefusedError(Exception):
    """The policy does not allow it, or it names nothing that exists: one line with what to do."""
