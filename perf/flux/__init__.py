"""FLUX in numbers: the T4 modelled, a GPU measured, quantisation, and the peer pipeline."""
