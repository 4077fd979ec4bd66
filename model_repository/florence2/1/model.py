"""Triton model `florence2`; see `pawfect.scene.florence2`."""

from pawfect_triton.function_model import FunctionModel


class TritonPythonModel(FunctionModel):
    """Answers each request with one library call."""
