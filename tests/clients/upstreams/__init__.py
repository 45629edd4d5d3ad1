"""What stands behind a gateway under test: a ledger, a directory and a model provider that remember everything."""
