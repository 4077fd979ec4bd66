"""The container, and a way to try its steps where there is no Docker."""
