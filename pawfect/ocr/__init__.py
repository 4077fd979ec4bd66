"""Text in a photo: found, turned upright and read, by RapidOCR's own steps on ONNX networks."""
