"""Triton model `sam3_labeling`; see `pawfect.scene.sam3`."""

from pawfect_triton.function_model import FunctionModel


class TritonPythonModel(FunctionModel):
    """Answers each request with one library call."""
