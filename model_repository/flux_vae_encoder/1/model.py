"""Triton model `flux_vae_encoder`; see `pawfect.flux.vae`."""

from pawfect_triton.stages import NeuralModel


class TritonPythonModel(NeuralModel):
    """Answers each request with one library call."""

    def __init__(self) -> None:
        super().__init__("flux_vae_encoder")
