"""The run's store in a PostgreSQL server: connections, which the boards use too, and tables."""
