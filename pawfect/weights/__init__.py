"""Weights on disk: what there is to have, where it lies, and whether it is whole."""
