"""Triton model `mask_cleanup`; see `pawfect.models.mask_cleanup`."""

from pawfect.models import mask_cleanup
from pawfect_triton.stages import StageModel


class TritonPythonModel(StageModel):
    """Answers each request with one library call."""

    def __init__(self) -> None:
        super().__init__("mask_cleanup", mask_cleanup)
