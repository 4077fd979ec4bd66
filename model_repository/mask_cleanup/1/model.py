"""Triton model `mask_cleanup`; see `pawfect.picture.mask`."""

from pawfect_triton.function_model import FunctionModel


class TritonPythonModel(FunctionModel):
    """Answers each request with one library call."""
