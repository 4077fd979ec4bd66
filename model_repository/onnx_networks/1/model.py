"""Triton model `onnx_networks`; see `pawfect.matting.serving`."""

from pawfect_triton.function_model import ThreadedModel


class TritonPythonModel(ThreadedModel):
    """Answers each request with one library call."""
