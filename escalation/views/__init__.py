"""What the ledger shows: digest, review and the figures of a report."""
