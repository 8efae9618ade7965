"""A night from what was found to what was sent, on the ledger or as a dry run."""
