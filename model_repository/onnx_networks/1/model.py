"""Triton model `onnx_networks`; see `pawfect.matting.serving`."""

from pawfect_triton.function_model import FunctionModel


class TritonPythonModel(FunctionModel):
    """Answers each request with one library call."""
