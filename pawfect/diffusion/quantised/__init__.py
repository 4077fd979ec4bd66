"""Quantised linear layers for transformers and text encoders, behind one interface, and recipes.

Only the matrix products inside the blocks are quantised: attention's projections and the
feed-forward layers (`scheme.BLOCKS`). Embeddings, norms, modulation, the last layer and attention
itself stay in the profile's own precision.

float16: the integer layers clip what they give to 65504, and diffusers clips its blocks' outputs.
That is enough for FLUX.1, and ComfyUI lists FLUX.2 as running in it. It is not for Qwen-Image,
whose stream reaches some 20 million (Draw Things, "Optimizing Qwen Image for Edge Devices", 2025)
and overflows between a block's two halves, before the clip: bfloat16, or float32 around the integer
products. Of Qwen2.5's feed-forward layers overflows in float16 are reported too
(https://github.com/intel/auto-round/issues/457); of Qwen3-4B none were found.
"""
