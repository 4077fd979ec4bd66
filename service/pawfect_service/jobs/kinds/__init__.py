"""The kinds of jobs."""
