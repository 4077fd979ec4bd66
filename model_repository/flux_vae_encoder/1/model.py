"""Triton model `flux_vae_encoder`; see `pawfect.flux.vae`."""

from pawfect_triton.function_model import FunctionModel


class TritonPythonModel(FunctionModel):
    """Answers each request with one library call."""
