"""Triton model `patch_fill`; see `pawfect.patch`."""

from pawfect_triton.function_model import FunctionModel


class TritonPythonModel(FunctionModel):
    """Answers each request with one library call."""
