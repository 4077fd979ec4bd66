"""A store in one SQLite file and one folder."""
