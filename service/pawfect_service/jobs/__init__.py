"""A job: its contract, its document, its moves, its message and its kinds."""
