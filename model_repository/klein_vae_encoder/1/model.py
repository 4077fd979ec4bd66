"""Triton model `klein_vae_encoder`; see `pawfect.klein.vae`."""

from pawfect_triton.function_model import FunctionModel


class TritonPythonModel(FunctionModel):
    """Answers each request with one library call."""
