"""Sessions around the server: the HTTP API, the queue's worker and their stores."""
