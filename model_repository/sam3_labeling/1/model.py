"""Triton model `sam3_labeling`; see `pawfect.scene.sam3`."""

from pawfect_triton.stages import NeuralModel


class TritonPythonModel(NeuralModel):
    """Answers each request with one library call."""

    def __init__(self) -> None:
        super().__init__("sam3_labeling")
