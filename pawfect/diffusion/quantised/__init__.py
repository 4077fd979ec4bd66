"""Quantised linear layers for FLUX's blocks, behind one interface, and their recipes.

Only the matrix products inside the blocks are quantised (attention's projections, the feed-forward
layers, the single blocks' `proj_mlp` and `proj_out`). Embeddings, norms, modulation, the final
layer and attention itself stay in the profile's own precision.
"""
