"""Faces in a photo: found, measured, masked and swapped, by networks that run by ONNX."""

from typing import Final

# It asks for opencv-python, whose files would overwrite those of the one that is here; what else it
# imports comes with the extra.
INSTALL: Final = "pip install --no-deps insightface==2.1"
