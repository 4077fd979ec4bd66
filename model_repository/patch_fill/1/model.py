"""Triton model `patch_fill`; see `pawfect.models.patch_fill`."""

from pawfect.models import patch_fill
from pawfect_triton.stages import StageModel


class TritonPythonModel(StageModel):
    """Answers each request with one library call."""

    def __init__(self) -> None:
        super().__init__("patch_fill", patch_fill)
