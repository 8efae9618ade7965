"""What goes wrong with a ledger or a request about it, known without opening one."""

from __future__ import annotations


class LedgerError(Exception):
    """The ledger cannot be used: one line with the reason and the remedy, without passwords."""


class LedgerUsageError(LedgerError):
    """The ledger is fine, but not what it was asked for: another address or time is needed."""


class RefusedError(Exception):
    """The policy does not allow it, or it names nothing that exists: one line with what to do."""
