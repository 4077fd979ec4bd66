"""Triton model `flux_transformer`; see `pawfect.flux.transformer`."""

from pawfect_triton.stages import BatchModel


class TritonPythonModel(BatchModel):
    """Runs what Triton batched as one denoising step."""

    def __init__(self) -> None:
        super().__init__("flux_transformer")
