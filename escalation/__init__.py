"""What to do about findings: the process as policy, causes, the ledger, decisions to notify, clocks and nights."""
