"""Triton model `florence2`; see `pawfect.scene.florence2`."""

from pawfect_triton.stages import NeuralModel


class TritonPythonModel(NeuralModel):
    """Answers each request with one library call."""

    def __init__(self) -> None:
        super().__init__("florence2")
