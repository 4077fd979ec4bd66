"""Tiny checkpoints of the real classes, from a fixed seed."""
