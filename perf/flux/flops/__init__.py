"""FLOP, weights and moved values of one call per stage, from the models' own configs.

Counted as torch's FlopCounterMode counts: a product of m x k and k x n is 2 m n k, norms and other
elementwise work nothing.
"""
