"""Fuzzing: what makes hostile inputs, and what holds of every answer to one."""
