"""Old letters out of a photo, new ones in: their ink, style, closest face and place."""
