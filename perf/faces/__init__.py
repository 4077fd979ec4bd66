"""What swapping a face takes: measured on this machine's CPU, modelled on a T4."""
