"""Captions of a hole's surroundings."""
