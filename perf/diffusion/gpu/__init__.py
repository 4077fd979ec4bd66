"""What one GPU does with FLUX.1-Fill at full size: random weights, one script."""
