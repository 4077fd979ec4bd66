"""Triton model `text_reading`; see `pawfect.ocr`."""

from pawfect_triton.function_model import FunctionModel


class TritonPythonModel(FunctionModel):
    """Answers each request with one library call."""
