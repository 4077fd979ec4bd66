"""Measurements of the sessions: how fast jobs are queued."""
