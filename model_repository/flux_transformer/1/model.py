"""Triton model `flux_transformer`; see `pawfect.flux.transformer`."""

from pawfect_triton.function_model import BatchModel


class TritonPythonModel(BatchModel):
    """Runs what Triton batched as one denoising step."""
