"""Judges elsewhere: pictures and a rubric go out, scores come back, or none."""
