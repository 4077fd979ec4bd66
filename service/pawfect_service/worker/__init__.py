"""The worker that fills queued jobs."""
