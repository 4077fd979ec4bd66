"""Processes: the command line, child processes, logs, traces."""
