"""Triton model `flux_text_encoder`; see `pawfect.flux.text`."""

from pawfect_triton.stages import NeuralModel


class TritonPythonModel(NeuralModel):
    """Answers each request with one library call."""

    def __init__(self) -> None:
        super().__init__("flux_text_encoder")
