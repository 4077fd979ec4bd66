"""Weights in: tiny checkpoints, quantised files, ONNX."""
