"""The boards of a run in a PostgreSQL server."""
