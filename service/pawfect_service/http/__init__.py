"""What every HTTP app of the service has: failures, callers, limits, log, health."""
