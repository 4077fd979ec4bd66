"""Quotas per user: jobs in flight, bytes kept, and what judges elsewhere may cost."""
