"""Search over candidates: what is tried, and which wins; pure functions, no models."""
