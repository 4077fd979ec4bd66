"""Text in a photo: found, turned upright and read, by RapidOCR's own steps on ONNX networks."""

from typing import Final

# Of what RapidOCR asks for one package would overwrite another's files; the others come with the
# extra.
INSTALL: Final = "pip install --no-deps rapidocr==3.10.0"
