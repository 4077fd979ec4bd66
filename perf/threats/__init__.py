"""The threat model: its rows as data, and the proof that each row's test needs its guard.

`python -m perf.threats` takes each row's guard out of a copy of the tree and runs the row's test
there: it has to fail.
"""
