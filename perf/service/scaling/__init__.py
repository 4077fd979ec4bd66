"""How many replicas a number of jobs needs: the queue, its workers and the GPUs, simulated."""
