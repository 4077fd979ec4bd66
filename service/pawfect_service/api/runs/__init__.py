"""Runs: a picture and the jobs done to it."""
