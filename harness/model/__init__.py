"""The model client: calls, retries, prices, the ledger's rows, record and replay."""
