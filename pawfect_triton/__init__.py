"""Everything that knows Triton: the adapters that each `model.py` uses, and the local server."""
