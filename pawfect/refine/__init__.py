"""Repairs of a finished picture: one function per type."""
