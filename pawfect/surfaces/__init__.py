"""Surfaces around the hole: which there are, and how SAM3 finds them."""
