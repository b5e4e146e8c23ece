"""The run's store in a SQLite file: the connection, which the boards use too, and migrations."""
