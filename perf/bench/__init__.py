"""What serving costs: perf_analyzer on the running server beside the same work in plain Python."""
