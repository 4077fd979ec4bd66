"""Triton model `edit_text_encoder`; see `pawfect.qwen.text`."""

from pawfect_triton.function_model import FunctionModel


class TritonPythonModel(FunctionModel):
    """Answers each request with one library call."""
