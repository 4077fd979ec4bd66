"""Numbers out: the reference scene, the demo, quality and serving measurements, their results."""
