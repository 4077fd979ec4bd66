"""Picture files in and out: formats, EXIF, colour, alpha, masks."""
