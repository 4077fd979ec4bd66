"""What one GPU does with the models at full size: random weights, one script."""
