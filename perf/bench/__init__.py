"""What serving costs: perf_analyzer on the running server, its budget and its goals."""
