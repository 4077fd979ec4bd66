"""Triton model `edit_vae_encoder`; see `pawfect.qwen.vae`."""

from pawfect_triton.function_model import FunctionModel


class TritonPythonModel(FunctionModel):
    """Answers each request with one library call."""
