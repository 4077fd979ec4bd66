"""Triton model `edit_transformer`; see `pawfect.qwen.transformer`."""

from pawfect_triton.function_model import BatchModel


class TritonPythonModel(BatchModel):
    """Runs what Triton batched as one denoising step."""
