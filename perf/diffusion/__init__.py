"""The denoising models in numbers: cards modelled, a GPU measured, quantisation, the peer."""
