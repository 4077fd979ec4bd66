"""Networks that onnxruntime runs: one way to open and to run them, on the CPU and on a card."""
