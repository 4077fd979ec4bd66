"""Repairs of a finished picture, one file per kind."""
