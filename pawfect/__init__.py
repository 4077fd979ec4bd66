"""Removes what does not belong in a pet photo and fills the area so that nobody can tell."""

__version__ = "0.1.0"
