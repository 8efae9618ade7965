"""What is remembered from night to night: the ledger's tables, records, and what it may keep."""
