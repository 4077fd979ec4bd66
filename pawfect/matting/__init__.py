"""Background removal: what in a photo is the subject, and its edges."""
