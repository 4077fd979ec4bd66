"""Triton model `klein_transformer`; see `pawfect.klein.transformer`."""

from pawfect_triton.function_model import BatchModel


class TritonPythonModel(BatchModel):
    """Runs what Triton batched as one denoising step."""
