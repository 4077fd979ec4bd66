"""`pawfect search`: tasks of a photo or a task file, each with a folder of its results."""
