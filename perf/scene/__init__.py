"""The reference scene: a photo of a dog with a hand in it, and the truth behind the hand."""

from perf.scene.scene import ReferenceScene, render_scene

__all__ = ["ReferenceScene", "render_scene"]
