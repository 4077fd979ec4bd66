"""Files in, files out, and calls to the real server."""
