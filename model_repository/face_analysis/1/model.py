"""Triton model `face_analysis`; see `pawfect.identity`."""

from pawfect_triton.function_model import FunctionModel


class TritonPythonModel(FunctionModel):
    """Answers each request with one library call."""
