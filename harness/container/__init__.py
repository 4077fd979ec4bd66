"""A way to try the container's steps where there is no Docker."""
