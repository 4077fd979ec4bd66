"""Triton model `score_moondream`; see `pawfect.judges`."""

from pawfect_triton.function_model import WaitingModel


class TritonPythonModel(WaitingModel):
    """Answers many requests at a time, each with one library call."""
