"""Inpainting networks (big-lama, MI-GAN) as ONNX: what leads the patch fill through a hole."""
