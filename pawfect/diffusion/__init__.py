"""What every denoising model shares: tokens, schedule, Euler step, batches, quantised layers."""
