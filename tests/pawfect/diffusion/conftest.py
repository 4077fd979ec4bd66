"""FLUX-Fill's fixtures, for what all chains share and is tried by it."""

from tests.pawfect.flux.conftest import flux_folder, parts, pipeline, scene

__all__ = ["flux_folder", "parts", "pipeline", "scene"]
