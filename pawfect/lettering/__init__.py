"""Old letters out of a photo, new ones in: their ink, their style, the closest face, their place."""
