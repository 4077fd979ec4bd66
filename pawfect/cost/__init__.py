"""What the models cost: FLOP, bytes and memory from their configs, and milliseconds by card.

Imports no torch: the orchestrator plans with it.
"""
