"""The model client: calls, retries, prices, the ledger's rows, recording, replay and resume.

Only `litellm_backend` imports litellm. Imported by runner, exports and commands.
"""
