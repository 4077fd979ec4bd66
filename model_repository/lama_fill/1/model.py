"""Triton model `lama_fill`; see `pawfect.lama`."""

from pawfect_triton.function_model import FunctionModel


class TritonPythonModel(FunctionModel):
    """Answers each request with one library call."""
